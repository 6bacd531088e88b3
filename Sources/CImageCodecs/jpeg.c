#include "umae_image_codecs.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

// A progressive image of thousands of empty scans takes hours; none that a program writes has more than a few dozen.
enum { MOST_SCANS = 500 };
// Upsampled chroma depends on its neighbours: pixels decoded on each side of a part, and dropped.
enum { MARGIN = 4 };

struct umae_jpeg {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    JSAMPLE *row;
    size_t row_capacity;
    char message[JMSG_LENGTH_MAX > UMAE_IMAGE_MESSAGE ? JMSG_LENGTH_MAX : UMAE_IMAGE_MESSAGE];
};

static umae_jpeg *of(j_common_ptr info) { return (umae_jpeg *)info->client_data; }

static void fail(j_common_ptr info) {
    info->err->format_message(info, of(info)->message);
    longjmp(of(info)->failed, 1);
}

static void fail_with(umae_jpeg *decoder, const char *message) {
    snprintf(decoder->message, sizeof decoder->message, "%s", message);
    longjmp(decoder->failed, 1);
}

// Warnings of damaged data: the image is decoded as well as it can be, as Pillow does.
static void ignore(j_common_ptr info, int level) {
    (void)info;
    (void)level;
}

static void say_nothing(j_common_ptr info) { (void)info; }

static void begin_source(j_decompress_ptr info) { (void)info; }

// All bytes were given at the beginning.
static boolean end_of_data(j_decompress_ptr info) {
    fail_with(info->client_data, "the data end too early");
    return FALSE;
}

static void skip_bytes(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    if ((size_t)count > info->src->bytes_in_buffer) fail_with(info->client_data, "the data end too early");
    info->src->next_input_byte += count;
    info->src->bytes_in_buffer -= (size_t)count;
}

static void limit_scans(j_common_ptr info) {
    if (info->is_decompressor && ((j_decompress_ptr)info)->input_scan_number > MOST_SCANS)
        fail_with(of(info), "has more than 500 scans");
}

umae_jpeg *umae_jpeg_create(void) {
    umae_jpeg *decoder = calloc(1, sizeof *decoder);
    if (!decoder) return NULL;
    decoder->info.err = jpeg_std_error(&decoder->errors);
    decoder->errors.error_exit = fail;
    decoder->errors.emit_message = ignore;
    decoder->errors.output_message = say_nothing;
    decoder->info.client_data = decoder;
    if (setjmp(decoder->failed)) {
        free(decoder);
        return NULL;
    }
    jpeg_create_decompress(&decoder->info);
    // It clears the structure but for these two.
    decoder->info.client_data = decoder;
    decoder->source.init_source = begin_source;
    decoder->source.fill_input_buffer = end_of_data;
    decoder->source.skip_input_data = skip_bytes;
    decoder->source.resync_to_restart = jpeg_resync_to_restart;
    decoder->source.term_source = begin_source;
    decoder->info.src = &decoder->source;
    decoder->progress.progress_monitor = limit_scans;
    decoder->info.progress = &decoder->progress;
    return decoder;
}

void umae_jpeg_destroy(umae_jpeg *decoder) {
    if (!decoder) return;
    if (!setjmp(decoder->failed)) jpeg_destroy_decompress(&decoder->info);
    free(decoder->row);
    free(decoder);
}

const char *umae_jpeg_message(const umae_jpeg *decoder) { return decoder->message; }

int32_t umae_jpeg_begin(umae_jpeg *decoder, const uint8_t *bytes, size_t count, umae_image_size *size) {
    j_decompress_ptr info = &decoder->info;
    if (setjmp(decoder->failed)) return -1;
    // What was begun before may not have been decoded to its end.
    jpeg_abort_decompress(info);
    decoder->source.next_input_byte = bytes;
    decoder->source.bytes_in_buffer = count;
    jpeg_read_header(info, TRUE);
    switch (info->num_components) {
    case 1:
    case 3: info->out_color_space = JCS_EXT_RGBX; break;
    case 4: info->out_color_space = JCS_CMYK; break;
    default: fail_with(decoder, "has a number of components that no photograph has");
    }
    size->width = (int32_t)info->image_width;
    size->height = (int32_t)info->image_height;
    return 0;
}

int32_t umae_jpeg_scale(umae_jpeg *decoder, int32_t eighths, umae_image_size *size) {
    j_decompress_ptr info = &decoder->info;
    if (setjmp(decoder->failed)) return -1;
    info->scale_num = (unsigned)eighths;
    info->scale_denom = 8;
    jpeg_calc_output_dimensions(info);
    size->width = (int32_t)info->output_width;
    size->height = (int32_t)info->output_height;
    return 0;
}

// c·(255 − k)/255 rounded, as Pillow's MULDIV255.
static int part_of_255(int a, int b) {
    int product = a * b + 128;
    return ((product >> 8) + product) >> 8;
}

// Inks are stored inverted, whatever the Adobe marker says: Pillow assumes so too, and no other images are known.
static void inks_to_rgb(const JSAMPLE *inks, uint8_t *pixels, int32_t width) {
    for (int32_t x = 0; x < width; x++, inks += 4, pixels += UMAE_PIXEL_BYTES) {
        int light = inks[3];
        for (int ink = 0; ink < 3; ink++) pixels[ink] = (uint8_t)(light - part_of_255(255 - inks[ink], light));
    }
}

int32_t umae_jpeg_decode(
    umae_jpeg *decoder, umae_image_part part, int32_t whole, uint8_t *pixels, size_t row_bytes) {
    j_decompress_ptr info = &decoder->info;
    if (setjmp(decoder->failed)) return -1;
    jpeg_start_decompress(info);
    JDIMENSION first_column = 0, columns = info->output_width;
    if (part.left > MARGIN || part.left + part.width + MARGIN < (int32_t)info->output_width) {
        JDIMENSION end = (JDIMENSION)(part.left + part.width + MARGIN);
        if (end > info->output_width) end = info->output_width;
        first_column = part.left > MARGIN ? (JDIMENSION)(part.left - MARGIN) : 0;
        columns = end - first_column;
        jpeg_crop_scanline(info, &first_column, &columns);
    }
    size_t needed = (size_t)columns * info->output_components;
    if (needed > decoder->row_capacity) {
        JSAMPLE *row = realloc(decoder->row, needed);
        if (!row) fail_with(decoder, "there is no memory for it");
        decoder->row = row;
        decoder->row_capacity = needed;
    }
    // Only this once, and from the first row: later calls give wrong rows in some versions of libjpeg-turbo.
    JDIMENSION skipped = part.top > MARGIN ? (JDIMENSION)(part.top - MARGIN) : 0;
    if (skipped > 0) jpeg_skip_scanlines(info, skipped);
    const JSAMPLE *inside = decoder->row + (size_t)(part.left - (int32_t)first_column) * info->output_components;
    const int32_t end = whole ? (int32_t)info->output_height : part.top + part.height;
    while ((int32_t)info->output_scanline < end) {
        int32_t y = (int32_t)info->output_scanline - part.top;
        if (jpeg_read_scanlines(info, &decoder->row, 1) != 1) fail_with(decoder, "the data end too early");
        if (y < 0 || y >= part.height) continue;
        uint8_t *row = pixels + (size_t)y * row_bytes;
        if (info->out_color_space == JCS_CMYK)
            inks_to_rgb(inside, row, part.width);
        else
            memcpy(row, inside, (size_t)part.width * UMAE_PIXEL_BYTES);
    }
    jpeg_abort_decompress(info);
    return 0;
}
