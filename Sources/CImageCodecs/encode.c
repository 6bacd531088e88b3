#include "umae_image_codecs.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

typedef struct encoder {
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    jmp_buf failed;
    unsigned char *bytes;
    unsigned long count;
    char message[JMSG_LENGTH_MAX];
} encoder;

static void fail(j_common_ptr info) {
    encoder *this = info->client_data;
    info->err->format_message(info, this->message);
    longjmp(this->failed, 1);
}

static void compress(encoder *this, const uint8_t *pixels, size_t row_bytes, umae_image_size size, int32_t quality) {
    j_compress_ptr info = &this->info;
    jpeg_mem_dest(info, &this->bytes, &this->count);
    info->image_width = (JDIMENSION)size.width;
    info->image_height = (JDIMENSION)size.height;
    info->input_components = UMAE_PIXEL_BYTES;
    info->in_color_space = JCS_EXT_RGBX;
    jpeg_set_defaults(info);
    jpeg_set_quality(info, quality, TRUE);
    for (int component = 0; component < info->num_components; component++) {
        info->comp_info[component].h_samp_factor = 1;
        info->comp_info[component].v_samp_factor = 1;
    }
    jpeg_start_compress(info, TRUE);
    while (info->next_scanline < info->image_height) {
        JSAMPROW row = (JSAMPROW)(pixels + info->next_scanline * row_bytes);
        jpeg_write_scanlines(info, &row, 1);
    }
    jpeg_finish_compress(info);
}

int64_t umae_jpeg_encode(
    const uint8_t *pixels, size_t row_bytes, umae_image_size size, int32_t quality, uint8_t **bytes, char *message) {
    encoder *this = calloc(1, sizeof *this);
    if (!this) {
        snprintf(message, UMAE_IMAGE_MESSAGE, "there is no memory for it");
        return -1;
    }
    this->info.err = jpeg_std_error(&this->errors);
    this->errors.error_exit = fail;
    this->info.client_data = this;
    int64_t count = -1;
    // What is set between setjmp and longjmp lies in `this`, so that its value is known afterwards.
    if (!setjmp(this->failed)) {
        jpeg_create_compress(&this->info);
        this->info.client_data = this;
        compress(this, pixels, row_bytes, size, quality);
        *bytes = this->bytes;
        count = (int64_t)this->count;
    } else {
        snprintf(message, UMAE_IMAGE_MESSAGE, "%s", this->message);
        free(this->bytes);
    }
    jpeg_destroy_compress(&this->info);
    free(this);
    return count;
}

int64_t umae_png_encode(
    const uint8_t *pixels, size_t row_bytes, umae_image_size size, uint8_t **bytes, char *message) {
    const size_t width = (size_t)size.width, height = (size_t)size.height;
    uint8_t *packed = malloc(3 * width * height);
    uint8_t *target = NULL;
    int64_t count = -1;
    snprintf(message, UMAE_IMAGE_MESSAGE, "there is no memory for it");
    if (!packed) return -1;
    for (size_t y = 0; y < height; y++) umae_pack_pixels(pixels + y * row_bytes, width, packed + 3 * y * width);
    png_image image = {.version = PNG_IMAGE_VERSION, .width = size.width, .height = size.height, .format = PNG_FORMAT_RGB};
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(image);
    target = malloc(room);
    if (target && png_image_write_to_memory(&image, target, &room, 0, packed, 0, NULL)) {
        // Most of the room was for pixels that cannot be compressed.
        uint8_t *fitted = realloc(target, room);
        *bytes = fitted ? fitted : target;
        count = (int64_t)room;
    } else {
        if (target) snprintf(message, UMAE_IMAGE_MESSAGE, "%s", image.message);
        free(target);
        png_image_free(&image);
    }
    free(packed);
    return count;
}
