#include "umae_image_codecs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

struct umae_png {
    png_structp png;
    png_infop info;
    const uint8_t *next;
    size_t left;
    uint8_t *rows;
    size_t capacity;
    char message[UMAE_IMAGE_MESSAGE];
};

static void fail(png_structp png, png_const_charp message) {
    umae_png *decoder = png_get_error_ptr(png);
    snprintf(decoder->message, sizeof decoder->message, "%s", message);
    png_longjmp(png, 1);
}

static void ignore(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static void read_bytes(png_structp png, png_bytep bytes, size_t count) {
    umae_png *decoder = png_get_io_ptr(png);
    if (count > decoder->left) fail(png, "the data end too early");
    memcpy(bytes, decoder->next, count);
    decoder->next += count;
    decoder->left -= count;
}

umae_png *umae_png_create(void) { return calloc(1, sizeof(umae_png)); }

void umae_png_destroy(umae_png *decoder) {
    if (!decoder) return;
    png_destroy_read_struct(&decoder->png, &decoder->info, NULL);
    free(decoder->rows);
    free(decoder);
}

const char *umae_png_message(const umae_png *decoder) { return decoder->message; }

// What Pillow's convert("RGB") does with each kind of PNG: transparency and gamma are left out of account, 16 bits of a
// colour lose the lower eight, and those of grey are cut off at 255.
static void ask_for_rgb(png_structp png, png_infop info) {
    int kind = png_get_color_type(png, info);
    int bits = png_get_bit_depth(png, info);
    if (kind == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (kind == PNG_COLOR_TYPE_GRAY && bits < 8) png_set_expand_gray_1_2_4_to_8(png);
    if (bits == 16 && kind != PNG_COLOR_TYPE_GRAY) png_set_strip_16(png);
    if (kind & PNG_COLOR_MASK_ALPHA || (kind == PNG_COLOR_TYPE_PALETTE && png_get_valid(png, info, PNG_INFO_tRNS)))
        png_set_strip_alpha(png);
    if (bits == 16 && kind == PNG_COLOR_TYPE_GRAY) return;
    if (!(kind & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png);
    png_set_filler(png, 0, PNG_FILLER_AFTER);
}

int32_t umae_png_begin(umae_png *decoder, const uint8_t *bytes, size_t count, umae_image_size *size) {
    png_destroy_read_struct(&decoder->png, &decoder->info, NULL);
    decoder->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, decoder, fail, ignore);
    decoder->info = decoder->png ? png_create_info_struct(decoder->png) : NULL;
    if (!decoder->info) {
        snprintf(decoder->message, sizeof decoder->message, "there is no memory for it");
        return -1;
    }
    decoder->next = bytes;
    decoder->left = count;
    if (setjmp(png_jmpbuf(decoder->png))) return -1;
    png_set_read_fn(decoder->png, decoder, read_bytes);
    // Text and profiles are of no use here, and may be anything.
    png_set_keep_unknown_chunks(decoder->png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    png_set_benign_errors(decoder->png, 1);
    png_read_info(decoder->png, decoder->info);
    size->width = (int32_t)png_get_image_width(decoder->png, decoder->info);
    size->height = (int32_t)png_get_image_height(decoder->png, decoder->info);
    return 0;
}

static void copy_row(const uint8_t *row, int grey16, umae_image_part part, uint8_t *pixels) {
    if (!grey16) {
        memcpy(pixels, row + (size_t)part.left * UMAE_PIXEL_BYTES, (size_t)part.width * UMAE_PIXEL_BYTES);
        return;
    }
    row += (size_t)part.left * 2;
    for (int32_t x = 0; x < part.width; x++, row += 2, pixels += UMAE_PIXEL_BYTES) {
        uint8_t grey = row[0] ? 255 : row[1];
        pixels[0] = pixels[1] = pixels[2] = grey;
    }
}

int32_t umae_png_decode(umae_png *decoder, umae_image_part part, uint8_t *pixels, size_t row_bytes) {
    png_structp png = decoder->png;
    if (setjmp(png_jmpbuf(png))) return -1;
    ask_for_rgb(png, decoder->info);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, decoder->info);
    const int grey16 = png_get_bit_depth(png, decoder->info) == 16;
    const size_t bytes = png_get_rowbytes(png, decoder->info);
    const int32_t height = (int32_t)png_get_image_height(png, decoder->info);
    // Passes of an interlaced image add to its rows, so all of them are kept.
    const int32_t rows = passes > 1 ? height : 1;
    if (bytes * (size_t)rows > decoder->capacity) {
        uint8_t *memory = realloc(decoder->rows, bytes * (size_t)rows);
        if (!memory) fail(png, "there is no memory for it");
        decoder->rows = memory;
        decoder->capacity = bytes * (size_t)rows;
    }
    const int32_t end = part.top + part.height;
    for (int pass = 0; pass < passes; pass++)
        for (int32_t y = 0; y < (passes > 1 ? height : end); y++) {
            uint8_t *row = decoder->rows + (passes > 1 ? bytes * (size_t)y : 0);
            png_read_row(png, row, NULL);
            if (pass == passes - 1 && y >= part.top && y < end)
                copy_row(row, grey16, part, pixels + (size_t)(y - part.top) * row_bytes);
        }
    return 0;
}
