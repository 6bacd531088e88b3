#define _GNU_SOURCE
#include "umae_tar.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

// Little is read around a header, so that a request for the next one passes over a photograph.
enum { BLOCK_SIZE = 4096 };

struct umae_tar {
    struct archive *archive;
    // With it libarchive leaves names alone, which pax has in UTF-8. NULL where the system has none: those names may then
    // not be read as they are.
    locale_t names;
    int opened;
};

umae_tar *umae_tar_open(const char *path) {
    umae_tar *tar = calloc(1, sizeof *tar);
    if (!tar) return NULL;
    tar->archive = archive_read_new();
    if (!tar->archive) {
        free(tar);
        return NULL;
    }
    tar->names = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    archive_read_support_format_tar(tar->archive);
    archive_read_support_format_empty(tar->archive);
    tar->opened = archive_read_open_filename(tar->archive, path, BLOCK_SIZE);
    return tar;
}

void umae_tar_close(umae_tar *tar) {
    if (!tar) return;
    archive_read_free(tar->archive);
    if (tar->names) freelocale(tar->names);
    free(tar);
}

static void describe(umae_tar *tar, struct archive_entry *entry, umae_tar_member *member) {
    memset(member, 0, sizeof *member);
    member->name = archive_entry_pathname(entry);
    member->offset = archive_filter_bytes(tar->archive, 0);
    member->size = archive_entry_size(entry);
    // Bytes may follow a link too; then it is a file of its own.
    if (member->size == 0) member->link = archive_entry_hardlink(entry);
    member->is_directory = archive_entry_filetype(entry) == AE_IFDIR;
    member->is_file = archive_entry_filetype(entry) == AE_IFREG && !member->link;
    member->is_sparse = archive_entry_sparse_count(entry) > 0;
}

int32_t umae_tar_next(umae_tar *tar, umae_tar_member *member) {
    if (tar->opened != ARCHIVE_OK) return -1;
    struct archive_entry *entry = NULL;
    locale_t before = tar->names ? uselocale(tar->names) : (locale_t)0;
    int code = archive_read_next_header(tar->archive, &entry);
    if (code == ARCHIVE_OK || code == ARCHIVE_WARN) describe(tar, entry, member);
    if (tar->names) uselocale(before);
    return code == ARCHIVE_EOF ? 0 : code == ARCHIVE_OK || code == ARCHIVE_WARN ? 1 : -1;
}

int64_t umae_tar_read(umae_tar *tar, uint8_t *bytes, size_t count) {
    return archive_read_data(tar->archive, bytes, count);
}

const char *umae_tar_message(umae_tar *tar) {
    const char *message = archive_error_string(tar->archive);
    return message ? message : "its format is not known";
}

int64_t umae_tar_position(umae_tar *tar) { return archive_filter_bytes(tar->archive, 0); }
