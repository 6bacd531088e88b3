// JPEG and PNG images in memory, decoded to RGB as Pillow's convert("RGB") gives them.
//
// libjpeg and libpng report errors by longjmp, which must not pass Swift frames: it stays inside these functions, which
// return a code. A decoder keeps its memory from one image to the next; one thread at a time uses it.
#ifndef UMAE_IMAGE_CODECS_H
#define UMAE_IMAGE_CODECS_H

#include <stddef.h>
#include <stdint.h>

/// Bytes of a decoded pixel: red, green, blue, and one that means nothing.
enum { UMAE_PIXEL_BYTES = 4 };

typedef struct umae_image_size {
    int32_t width, height;
} umae_image_size;

/// A part of an image, in pixels.
typedef struct umae_image_part {
    int32_t left, top, width, height;
} umae_image_part;

/// Room for the message of an error, with its end.
enum { UMAE_IMAGE_MESSAGE = 256 };

typedef struct umae_jpeg umae_jpeg;

/// NULL where there is no memory.
umae_jpeg *umae_jpeg_create(void);
void umae_jpeg_destroy(umae_jpeg *decoder);

/// Begins an image and reads its header. `bytes` stay in place until it is decoded or another is begun. 0, or −1 with
/// the reason in umae_jpeg_message.
int32_t umae_jpeg_begin(umae_jpeg *decoder, const uint8_t *bytes, size_t count, umae_image_size *size);

/// Has the image that was begun scaled to so many eighths while it is decoded, 1 ... 8. `size` is what comes of that.
int32_t umae_jpeg_scale(umae_jpeg *decoder, int32_t eighths, umae_image_size *size);

/// Decodes a part of the image that was begun, as it is scaled, and of the rest no more than it takes. `pixels`: [height, width, 4] of the
/// part, rows `row_bytes` apart. With `whole`, all rows are read, so that data which end too early are noticed wherever
/// that is.
int32_t umae_jpeg_decode(
    umae_jpeg *decoder, umae_image_part part, int32_t whole, uint8_t *pixels, size_t row_bytes);

const char *umae_jpeg_message(const umae_jpeg *decoder);

typedef struct umae_png umae_png;

umae_png *umae_png_create(void);
void umae_png_destroy(umae_png *decoder);
/// As umae_jpeg_begin.
int32_t umae_png_begin(umae_png *decoder, const uint8_t *bytes, size_t count, umae_image_size *size);
/// As umae_jpeg_decode; rows below the part are never read.
int32_t umae_png_decode(umae_png *decoder, umae_image_part part, uint8_t *pixels, size_t row_bytes);
const char *umae_png_message(const umae_png *decoder);

/// How many bytes an encoded image has, or −1 with the reason in `message`, which has room for UMAE_IMAGE_MESSAGE. The
/// bytes are at `*bytes`, for `free`. `pixels`: [height, width, 4], rows `row_bytes` apart.
///
/// JPEG: baseline, chroma at full resolution, `quality` 1 ... 100 as Pillow counts it.
int64_t umae_jpeg_encode(
    const uint8_t *pixels, size_t row_bytes, umae_image_size size, int32_t quality, uint8_t **bytes, char *message);
/// PNG: 8 bits of red, green and blue.
int64_t umae_png_encode(
    const uint8_t *pixels, size_t row_bytes, umae_image_size size, uint8_t **bytes, char *message);

/// Copies `count` pixels of 4 bytes as 3, and back.
void umae_pack_pixels(const uint8_t *pixels, size_t count, uint8_t *rgb);
void umae_unpack_pixels(const uint8_t *rgb, size_t count, uint8_t *pixels);

#endif
