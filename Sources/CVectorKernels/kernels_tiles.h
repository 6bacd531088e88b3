// The inner tile of every matrix product, and the packing it reads; included by kernels_body.h.
//
// Products advance along K by units of 32 bits: one float, or two bfloat16 that a single instruction multiplies and
// adds. A float matrix and a bfloat16 matrix of twice the columns are then the same to everything but the multiply-add
// and the packing of neighbouring rows.

#if defined(KERNELS_AVX512)
#define TILE_ROWS 6
#define TILE_VECTORS 4
#elif defined(__aarch64__) || defined(KERNELS_AVX2)
#define TILE_ROWS 6
#define TILE_VECTORS 1
#else
#define TILE_ROWS 2
#define TILE_VECTORS 1
#endif
// Independent chains of multiply-adds that hide their latency and fit in the registers.
#if defined(KERNELS_AVX512)
#define BURST 20
#elif defined(__aarch64__) || defined(KERNELS_AVX2)
#define BURST 6
#else
#define BURST 3
#endif
#define PANEL (TILE_VECTORS * LANES)

INLINE size_t units_of(size_t k, const bool bf) { return bf ? (k + 1) / 2 : k; }
INLINE size_t round_lanes(size_t n) { return (n + LANES - 1) / LANES * LANES; }
INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

// sum + a·b of one unit, the float a or pair of bfloat16 in all lanes.
INLINE vf multiply_add(vf sum, uint32_t a, vu b, const bool bf) {
    if (!bf) {
        float scalar;
        memcpy(&scalar, &a, sizeof scalar);
        return scalar * (vf)b + sum;
    }
#if defined(KERNELS_BF16)
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)b);
#else
    vu both = (vu)(a);
    sum = (vf)(both << 16) * (vf)(b << 16) + sum;
    return (vf)(both & 0xffff0000u) * (vf)(b & 0xffff0000u) + sum;
#endif
}

// result[i][0 ..< vectors·16] = Σ over units of rows[i][u·step] · panel[u], starting from `start` if it is not NULL.
INLINE void tile_of(const uint32_t *const rows[TILE_ROWS], size_t step, const uint32_t *panel, size_t units,
                    const float *start, float *result, size_t stride, const int vectors, const bool bf) {
    vf sums[TILE_ROWS][TILE_VECTORS];
#pragma clang loop unroll(full)
    for (int i = 0; i < TILE_ROWS; i++)
#pragma clang loop unroll(full)
        for (int j = 0; j < vectors; j++) sums[i][j] = start ? load(start + i * stride + j * LANES) : splat(0);
    size_t offset = 0;
#pragma clang loop unroll_count(2)
    for (size_t u = 0; u < units; u++) {
        vu b[TILE_VECTORS];
#pragma clang loop unroll(full)
        for (int j = 0; j < vectors; j++) b[j] = *(const vu *)(panel + j * LANES);
#pragma clang loop unroll(full)
        for (int i = 0; i < TILE_ROWS; i++) {
            uint32_t a = rows[i][offset];
#pragma clang loop unroll(full)
            for (int j = 0; j < vectors; j++) sums[i][j] = multiply_add(sums[i][j], a, b[j], bf);
        }
        offset += step;
        panel += vectors * LANES;
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < TILE_ROWS; i++)
#pragma clang loop unroll(full)
        for (int j = 0; j < vectors; j++) store(result + i * stride + j * LANES, sums[i][j]);
}

INLINE void tile(const uint32_t *const rows[TILE_ROWS], size_t step, const uint32_t *panel, size_t units,
                 const float *start, float *result, size_t stride, size_t width, const bool bf) {
    switch (width / LANES) {
    case 1: tile_of(rows, step, panel, units, start, result, stride, 1, bf); break;
#if TILE_VECTORS > 1
    case 2: tile_of(rows, step, panel, units, start, result, stride, 2, bf); break;
    case 3: tile_of(rows, step, panel, units, start, result, stride, 3, bf); break;
    case 4: tile_of(rows, step, panel, units, start, result, stride, 4, bf); break;
#endif
    }
}

// The rows of a tile that starts `first` rows into `base`; where fewer than a tile's are left the last one repeats.
INLINE void tile_rows(const uint32_t *rows[TILE_ROWS], const void *base, size_t row_bytes, size_t count) {
    for (size_t i = 0; i < TILE_ROWS; i++)
        rows[i] = (const uint32_t *)((const char *)base + smaller(i, count - 1) * row_bytes);
}

// Sixteen units of a row, from column `column` on; `left` columns remain in it.
INLINE vu row_units(const char *row, size_t column, size_t left, const bool source_bf, const bool bf) {
    if (!bf) return (vu)load_n((const float *)row + column, left);
    if (source_bf) {
        const uint16_t *p = (const uint16_t *)row + column;
        if (left >= 2 * LANES) return *(const vu_unaligned *)p;
        uint16_t padded[2 * LANES] = {0};
        memcpy(padded, p, left * sizeof(uint16_t));
        vu units;
        memcpy(&units, padded, sizeof units);
        return units;
    }
    const float *p = (const float *)row + column;
    vu16 low = narrow(load_n(p, left));
    vu16 high = left > LANES ? narrow(load_n(p + LANES, left - LANES)) : (vu16)(0);
    return (vu)__builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
                                       20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
}

// One unit of sixteen columns: a float of each, or the bfloat16 of two rows, of which the second may be missing.
INLINE vu column_units(const char *row, const char *next, size_t column, size_t left, vf *sum, const bool source_bf,
                       const bool bf) {
    vf low = load_element(row, column, left, source_bf);
    if (sum) *sum += low;
    if (!bf) return (vu)low;
    vf high = next ? load_element(next, column, left, source_bf) : splat(0);
    if (sum) *sum += high;
    if (source_bf) return ((vu)low >> 16) | (vu)high;
    return __builtin_convertvector(narrow(low), vu) | (__builtin_convertvector(narrow(high), vu) << 16);
}

// Sixteen rows of sixteen become columns.
INLINE void transpose(vu rows[LANES]) {
    for (int round = 0; round < 4; round++) {
        vu next[LANES];
#pragma clang loop unroll(full)
        for (int i = 0; i < LANES / 2; i++) {
            vu a = rows[i], b = rows[i + LANES / 2];
            next[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            next[2 * i + 1] =
                __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
#pragma clang loop unroll(full)
        for (int i = 0; i < LANES; i++) rows[i] = next[i];
    }
}

// Writes units first ..< last of columns column ..< column + count of B [k, n] as [units][width], zero past `count` and
// past k. B is given as [k, n], or as [n, k] if transposed; only in the first case may there be `sums`, which the columns are added
// to.
INLINE void pack_strip(const void *source, size_t stride, bool transposed, size_t k, size_t column, size_t count,
                       size_t width, size_t first, size_t last, uint32_t *out, vf *sums, const bool source_bf,
                       const bool bf) {
    const size_t row_bytes = stride * element_size(source_bf), per_unit = bf ? 2 : 1;
    if (transposed) {
        for (size_t j = 0; j < width; j += LANES)
            for (size_t u = first; u < last; u += LANES) {
                vu rows[LANES];
                for (size_t i = 0; i < LANES; i++) {
                    const char *row = (const char *)source + (column + j + i) * row_bytes;
                    rows[i] = j + i < count ? row_units(row, u * per_unit, k - u * per_unit, source_bf, bf) : (vu)(0);
                }
                transpose(rows);
                for (size_t i = 0; i < LANES && u + i < last; i++)
                    *(vu_unaligned *)(out + (u + i - first) * width + j) = rows[i];
            }
    } else {
        for (size_t u = first; u < last; u++, out += width) {
            const char *row = (const char *)source + u * per_unit * row_bytes;
            const char *next = bf && 2 * u + 1 < k ? row + row_bytes : NULL;
            for (size_t j = 0; j < width; j += LANES)
                *(vu_unaligned *)(out + j) =
                    j < count ? column_units(row, next, column + j, count - j, sums ? sums + j / LANES : NULL, source_bf, bf)
                              : (vu)(0);
        }
    }
}

// All of B in panels of PANEL columns, the last one as narrow as it can be.
INLINE void pack_panels(const void *source, size_t stride, bool transposed, size_t k, size_t first_column, size_t n,
                        uint32_t *out, const bool source_bf, const bool bf) {
    const size_t units = units_of(k, bf);
    for (size_t j = 0; j < n; j += PANEL) {
        const size_t count = smaller(PANEL, n - j), width = round_lanes(count);
        pack_strip(source, stride, transposed, k, first_column + j, count, width, 0, units, out, NULL, source_bf, bf);
        out += units * width;
    }
}

// The dense multiply-add rate of this core: independent multiply-adds on registers; returns the FLOPs done.
double KERNEL(fma_burst)(umae_type type, int64_t repeats) {
    vf sums[BURST];
    for (int i = 0; i < BURST; i++) sums[i] = splat(1.0f + (float)i);
    const bool bf = type == UMAE_BF16;
    // One float, or two bfloat16, that change the sums by next to nothing.
    const uint32_t a = bf ? 0x33803380u : 0x33800000u;
    vu b = (vu)(a);
    if (bf) {
        for (int64_t r = 0; r < repeats; r++)
            for (int i = 0; i < BURST; i++) sums[i] = multiply_add(sums[i], a, b, true);
    } else {
        for (int64_t r = 0; r < repeats; r++)
            for (int i = 0; i < BURST; i++) sums[i] = multiply_add(sums[i], a, b, false);
    }
    vf total = sums[0];
    for (int i = 1; i < BURST; i++) total += sums[i];
    // The result is used, so that the loop is not removed.
    volatile float sink = sum_lanes(total);
    (void)sink;
    return (double)repeats * BURST * LANES * (bf ? 4 : 2);
}
