#include "umae_image_codecs.h"

#include <string.h>

void umae_pack_pixels(const uint8_t *pixels, size_t count, uint8_t *rgb) {
    for (size_t pixel = 0; pixel < count; pixel++) memcpy(rgb + 3 * pixel, pixels + UMAE_PIXEL_BYTES * pixel, 3);
}

void umae_unpack_pixels(const uint8_t *rgb, size_t count, uint8_t *pixels) {
    if (count == 0) return;
    // A word of 4 bytes at a time, of which the last belongs to the pixel behind.
    for (size_t pixel = 0; pixel < count - 1; pixel++) memcpy(pixels + UMAE_PIXEL_BYTES * pixel, rgb + 3 * pixel, 4);
    memcpy(pixels + UMAE_PIXEL_BYTES * (count - 1), rgb + 3 * (count - 1), 3);
}
