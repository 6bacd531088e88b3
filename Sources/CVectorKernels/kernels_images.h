// Images of bytes: resampling in fixed point, and bytes to floats; included by kernels_body.h.

typedef uint8_t vu8 __attribute__((ext_vector_type(16)));
typedef vu8 vu8_unaligned __attribute__((aligned(1)));
typedef int32_t vi4 __attribute__((ext_vector_type(4)));
typedef vi4 vi4_unaligned __attribute__((aligned(4)));
typedef int32_t vi8 __attribute__((ext_vector_type(8)));

// Weights have 22 fractional bits; half a unit is in the sum already.
enum { FRACTION_BITS = 22 };
INLINE uint8_t byte_of(int32_t sum) {
    const int32_t value = sum >> FRACTION_BITS;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}
INLINE vi bytes_of(vi sum) {
    vi value = sum >> FRACTION_BITS;
    value &= value > 0;
    const vi most = (vi)(255);
    const vi above = value > most;
    return (above & most) | (~above & value);
}

void KERNEL(resample_pixels)(const uint8_t *source, const int32_t *weights, const int32_t *first, const int32_t *taps,
                             size_t tap_stride, uint8_t *target, size_t count) {
    for (size_t x = 0; x < count; x++) {
        const int32_t *w = weights + x * tap_stride;
        const uint8_t *pixels = source + (size_t)first[x] * 4;
        // Four neighbours of four channels at a time.
        vi sum = (vi)(0);
        size_t tap = 0;
        for (; tap + 4 <= (size_t)taps[x]; tap += 4) {
            const vi4 four = *(const vi4_unaligned *)(w + tap);
            const vi weight = __builtin_shufflevector(four, four, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
            sum += __builtin_convertvector(*(const vu8_unaligned *)(pixels + tap * 4), vi) * weight;
        }
        const vi8 halves = sum.lo + sum.hi;
        vi4 total = halves.lo + halves.hi + (1 << (FRACTION_BITS - 1));
        for (; tap < (size_t)taps[x]; tap++) {
            const uint8_t *p = pixels + tap * 4;
            total += (vi4){p[0], p[1], p[2], p[3]} * w[tap];
        }
        for (int c = 0; c < 4; c++) target[x * 4 + c] = byte_of(total[c]);
    }
}

void KERNEL(resample_bytes)(const uint8_t *source, size_t source_bytes, const int32_t *weights, size_t taps,
                            uint8_t *target, size_t count) {
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        vi sum = (vi)(1 << (FRACTION_BITS - 1));
        const uint8_t *p = source + i;
        for (size_t tap = 0; tap < taps; tap++, p += source_bytes)
            sum += __builtin_convertvector(*(const vu8_unaligned *)p, vi) * weights[tap];
        *(vu8_unaligned *)(target + i) = __builtin_convertvector(bytes_of(sum), vu8);
    }
    for (; i < count; i++) {
        int32_t sum = 1 << (FRACTION_BITS - 1);
        for (size_t tap = 0; tap < taps; tap++) sum += source[tap * source_bytes + i] * weights[tap];
        target[i] = byte_of(sum);
    }
}

// Divisions, not products with reciprocals: what torchvision computes, to the last bit.
INLINE vf normalize_lanes(vi bytes, float mean, float deviation) {
    return (__builtin_convertvector(bytes, vf) / splat(255) - splat(mean)) / splat(deviation);
}
INLINE vf reverse_lanes(vf v) { return __builtin_shufflevector(v, v, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0); }

void KERNEL(normalize_pixels)(const uint8_t *pixels, size_t count, const float *mean, const float *deviation, bool flip,
                              float *target, size_t plane) {
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        vu four;
        memcpy(&four, pixels + i * 4, sizeof four);
        for (int c = 0; c < 3; c++) {
            const vf v = normalize_lanes((vi)((four >> (8 * c)) & 255), mean[c], deviation[c]);
            if (flip) store(target + c * plane + count - i - LANES, reverse_lanes(v));
            else store(target + c * plane + i, v);
        }
    }
    for (; i < count; i++)
        for (int c = 0; c < 3; c++)
            target[c * plane + (flip ? count - 1 - i : i)] =
                ((float)pixels[i * 4 + c] / 255 - mean[c]) / deviation[c];
}
