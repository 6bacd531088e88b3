// The members of a tar (ustar, pax, GNU's), one after another, read by libarchive: its headers bring struct stat and more
// with them, which would then be of that module in Swift.
#ifndef UMAE_TAR_H
#define UMAE_TAR_H

#include <stddef.h>
#include <stdint.h>

typedef struct umae_tar umae_tar;

typedef struct umae_tar_member {
    /// As the archive has it, bytes of any kind; valid until the next member. NULL where it cannot be read.
    const char *name;
    /// The earlier member that this one is another name of, or NULL.
    const char *link;
    /// Where its bytes begin in the file, and how many there are.
    int64_t offset, size;
    int32_t is_directory, is_file, is_sparse;
} umae_tar_member;

/// NULL where there is no memory. Whether the file could be opened is said by the first umae_tar_next.
umae_tar *umae_tar_open(const char *path);
void umae_tar_close(umae_tar *tar);

/// 1 and the next member, 0 after the last one, −1 with the reason in umae_tar_message.
int32_t umae_tar_next(umae_tar *tar, umae_tar_member *member);
/// The first bytes of that member: how many, or −1.
int64_t umae_tar_read(umae_tar *tar, uint8_t *bytes, size_t count);

const char *umae_tar_message(umae_tar *tar);
/// How far the file has been read.
int64_t umae_tar_position(umae_tar *tar);

#endif
