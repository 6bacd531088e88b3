#include "umae_kernels.h"

#include <string.h>

void umae_gather_patches(const float *image, size_t channels, size_t height, size_t width, size_t patch,
                         const int32_t *indices, size_t count, bool channels_last, float *out, size_t out_stride) {
    const size_t columns = width / patch, plane = height * width;
    for (size_t k = 0; k < count; k++, out += out_stride) {
        const size_t index = indices ? (size_t)indices[k] : k;
        const float *corner = image + (index / columns) * patch * width + (index % columns) * patch;
        float *o = out;
        if (!channels_last || channels == 1) {
            for (size_t c = 0; c < channels; c++)
                for (size_t p = 0; p < patch; p++, o += patch)
                    memcpy(o, corner + c * plane + p * width, patch * sizeof(float));
        } else {
            for (size_t p = 0; p < patch; p++)
                for (size_t q = 0; q < patch; q++)
                    for (size_t c = 0; c < channels; c++) *o++ = corner[c * plane + p * width + q];
        }
    }
}
