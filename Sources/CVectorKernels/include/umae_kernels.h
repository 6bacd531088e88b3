// Matrix products, attention, and element-wise and row-wise kernels, built once for each instruction set and picked at run time.
//
// Matrices are row-major; `stride` counts elements between rows. Pointers need no alignment. Unless a comment says
// "adds to", outputs are overwritten. NaN and infinity propagate. Nothing here allocates or starts threads.
#ifndef UMAE_KERNELS_H
#define UMAE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum umae_isa {
    UMAE_ISA_BASELINE = 0,
    UMAE_ISA_AVX2 = 1,
    UMAE_ISA_AVX512 = 2,
    /// AVX-512 with multiply-adds of bfloat16.
    UMAE_ISA_AVX512_BF16 = 3
} umae_isa;

/// The type of what products read. Every instruction set computes with both; only the last is fast with bfloat16.
typedef enum umae_type { UMAE_F32 = 0, UMAE_BF16 = 1 } umae_type;

/// Whether this CPU, and its operating system, can run kernels of that instruction set.
bool umae_cpu_supports(umae_isa isa);
/// The instruction set in use: the best one supported, or what UMAE_MAX_ISA (baseline, avx2, avx512, avx512_bf16) limits it to.
umae_isa umae_kernels_isa(void);
/// Uses another instruction set on this thread from now on; false, and no change, where it is unsupported. What one set
/// packed is of no use to another.
bool umae_kernels_select(umae_isa isa);
/// Uses that instruction set, or the best supported one below it, on all threads from now on, if it is less than the one in
/// use. To be called before any other thread computes and before anything was packed.
void umae_kernels_limit(umae_isa isa);
/// Tells the core that this is a waiting loop.
void umae_cpu_pause(void);

/// From now on products of this thread call `body`, unless it is NULL, after every part of 2 ms or less: for what has to be
/// looked after while a thread computes. It must not call umae_multiply.
void umae_set_meanwhile(void (*body)(void *context), void *context);

/// A matrix product and what is done to its result while it is in the cache.
///
/// v = (A·B + bias)·row_scale + residual; with z: v = v·GELU'(z). Then c = v, y = v, and with g: g = GELU(y), or GELU(z)
/// if there is a z. Whichever of bias, row_scale, residual, z, c, y and g is NULL is left out. Strides count elements.
typedef struct umae_product {
    /// The element type of A, B, y, z and g.
    umae_type type;
    size_t m, n, k;
    /// [m, k], or [k, m] if transposed.
    const void *a;
    size_t a_stride;
    bool a_transposed;
    /// [k, n]; [n, k] if transposed; or what umae_pack made of it.
    const void *b;
    size_t b_stride;
    bool b_transposed, b_packed;
    /// [n]
    const float *bias;
    /// [m]: a factor of each row.
    const float *row_scale;
    /// [m, n]; may be c, which is then added to.
    const float *residual;
    size_t residual_stride;
    /// [m, n]
    float *c;
    size_t c_stride;
    void *y;
    size_t y_stride;
    const void *z;
    size_t z_stride;
    void *g;
    size_t g_stride;
    /// [m]: the sums of A's columns [k, m] are added to it; only if A is transposed.
    float *a_sums;
} umae_product;

/// The gradient of a layer norm with respect to what it was given.
typedef struct umae_layernorm_gradient {
    /// The element type of dy, hat, copy and y.
    umae_type type;
    size_t rows, width;
    /// [rows, width]: the gradient of the result.
    const void *dy;
    size_t dy_stride;
    /// [rows, width] and [rows]: what forward left.
    const void *hat;
    size_t hat_stride;
    const float *rstd;
    /// [width]
    const float *gamma, *beta;
    /// [rows, width]: the gradient of the input, overwritten, or added to if accumulate.
    float *dx;
    size_t dx_stride;
    bool accumulate;
    /// What dx then is, rounded, or NULL; each row times its factor copy_scale [rows], unless that is NULL.
    void *copy;
    size_t copy_stride;
    const float *copy_scale;
    /// The result of forward once more, or NULL.
    void *y;
    size_t y_stride;
    /// [width], added to.
    float *dgamma, *dbeta;
} umae_layernorm_gradient;

/// Attention of one head of one image: out = softmax(scale·Q·Kᵀ)·V. Strides count elements between tokens.
typedef struct umae_attention {
    umae_type type;
    /// How many tokens ask, at most `tokens`; how many are asked.
    size_t queries, tokens, width;
    float scale;
    /// [queries, width]
    const void *q;
    /// [tokens, width]
    const void *k, *v;
    size_t stride;
    /// [queries, width]; forward only.
    void *out;
    size_t out_stride;
    /// [queries]: log Σ exp of each row of scores; written by forward unless NULL, read by backward.
    float *logsumexp;
    /// Backward only.
    const void *d_out;
    size_t d_out_stride;
    void *dq, *dk, *dv;
    size_t d_stride;
} umae_attention;

#define UMAE_KERNELS(X)                                                                                               \
    /* The dense multiply-add rate of this core: `repeats` rounds of independent multiply-adds on registers; returns   \
       the FLOPs done, for the caller to time. */                                                                     \
    X(double, fma_burst, (umae_type type, int64_t repeats), (type, repeats))                                                                \
    /* hat = (x - mean)·rstd and y = hat·gamma + beta per row, both of `type`; rstd: [rows]. hat and rstd may be NULL. */ \
    X(void, layernorm_forward,                                                                                        \
      (umae_type type, const float *x, size_t x_stride, const float *gamma, const float *beta, void *y,               \
       size_t y_stride, void *hat, size_t hat_stride, float *rstd, size_t rows, size_t width, float eps),             \
      (type, x, x_stride, gamma, beta, y, y_stride, hat, hat_stride, rstd, rows, width, eps))                         \
    X(void, layernorm_backward, (const umae_layernorm_gradient *p), (p))                                              \
    /* Adds the column sums of x to sums. */                                                                          \
    X(void, column_sums, (umae_type type, const void *x, size_t x_stride, float *sums, size_t rows, size_t width),    \
      (type, x, x_stride, sums, rows, width))                                                                         \
    /* y = x / max(|x|, eps) per row; norms: [rows]. */                                                               \
    X(void, l2_normalize_forward,                                                                                     \
      (const float *x, size_t x_stride, float *y, size_t y_stride, float *norms, size_t rows, size_t width,           \
       float eps),                                                                                                    \
      (x, x_stride, y, y_stride, norms, rows, width, eps))                                                            \
    X(void, l2_normalize_backward,                                                                                    \
      (const float *dy, const float *y, const float *norms, float *dx, size_t rows, size_t width, float eps),         \
      (dy, y, norms, dx, rows, width, eps))                                                                           \
    /* The sum over rows of mean((pred - t)²), t the target row, normalised to zero mean and unit unbiased variance if\
       normalize. dpred, of `type`, if not NULL: its gradient times grad_scale. */                                    \
    X(double, pixel_loss,                                                                                             \
      (umae_type type, const float *pred, size_t pred_stride, const float *target, void *dpred, size_t dpred_stride,  \
       size_t rows, size_t width, bool normalize, float grad_scale),                                                  \
      (type, pred, pred_stride, target, dpred, dpred_stride, rows, width, normalize, grad_scale))                     \
    /* out[r] = source[r] + table[indices[r]]; NULL indices mean r itself, a source_stride of 0 the same row for all. */ \
    X(void, add_table_rows,                                                                                           \
      (float *out, size_t out_stride, const float *source, size_t source_stride, const float *table,                  \
       const int32_t *indices, size_t rows, size_t width),                                                            \
      (out, out_stride, source, source_stride, table, indices, rows, width))                                          \
    /* y = x as `type`. */                                                                                            \
    /* One row of an image of four bytes a pixel, resampled to `count` pixels: pixel x is the sum of taps[x] neighbours    \
       from first[x] on, each with its weight in 22 fractional bits, weights[x, tap_stride]; rounded and cut off to a     \
       byte. Source: Pillow's Resample.c, ImagingResampleHorizontal_8bpc. */                                              \
    X(void, resample_pixels,                                                                                          \
      (const uint8_t *source, const int32_t *weights, const int32_t *first, const int32_t *taps, size_t tap_stride,   \
       uint8_t *target, size_t count),                                                                                \
      (source, weights, first, taps, tap_stride, target, count))                                                      \
    /* The same along columns, whatever the bytes are of: `taps` rows, `source_bytes` apart, to one of `count` bytes. */  \
    X(void, resample_bytes,                                                                                           \
      (const uint8_t *source, size_t source_bytes, const int32_t *weights, size_t taps, uint8_t *target,              \
       size_t count),                                                                                                 \
      (source, source_bytes, weights, taps, target, count))                                                           \
    /* (byte / 255 − mean) / deviation of red, green and blue of one row of pixels of four bytes, to three planes,        \
       `plane` floats apart; from right to left if `flip`. */                                                            \
    X(void, normalize_pixels,                                                                                         \
      (const uint8_t *pixels, size_t count, const float *mean, const float *deviation, bool flip, float *target,      \
       size_t plane),                                                                                                 \
      (pixels, count, mean, deviation, flip, target, plane))                                                          \
    X(void, convert, (umae_type type, const float *x, void *y, size_t count), (type, x, y, count))                    \
    /* Bytes of scratch memory, aligned to 64, that the product needs. */                                             \
    X(size_t, multiply_scratch, (const umae_product *p), (p))                                                          \
    X(void, multiply, (const umae_product *p, void *scratch), (p, scratch))                                            \
    /* Columns first_column ..< first_column + columns, multiples of 64 but for the last, of B as products read it:   \
       B is [k, n], or [n, k] if transposed; `packed`, aligned to 64, takes umae_packed_bytes. */                     \
    X(void, pack,                                                                                                     \
      (umae_type type, const float *b, size_t stride, bool transposed, size_t k, size_t first_column, size_t columns, \
       void *packed),                                                                                                 \
      (type, b, stride, transposed, k, first_column, columns, packed))                                                \
    /* Bytes of scratch memory, aligned to 64, for one head. */                                                       \
    X(size_t, attention_scratch, (umae_type type, size_t tokens, size_t width, bool backward),                        \
      (type, tokens, width, backward))                                                                                \
    X(void, attention_forward, (const umae_attention *h, void *scratch), (h, scratch))                                \
    X(void, attention_backward, (const umae_attention *h, void *scratch), (h, scratch))                               \
    X(double, sum_of_squares, (const float *x, size_t count), (x, count))                                             \
    /* y += x */                                                                                                      \
    X(void, add, (const float *x, float *y, size_t count), (x, y, count))                                             \
    /* sum = the sum of `terms` rows of `count` elements, neighbours added in pairs, the pairs in pairs and so on, so \
       that its bits depend on nothing but the terms: row own_index is `own`, which `sum` may be; the others, of `type`,\
       stand `stride` elements apart in order. */                                                                     \
    X(void, sum_terms,                                                                                                \
      (umae_type type, const void *others, size_t stride, const float *own, size_t own_index, size_t terms,           \
       float *sum, size_t count),                                                                                     \
      (type, others, stride, own, own_index, terms, sum, count))                                                      \
    /* y = x, which is of `type`. */                                                                                  \
    X(void, widen, (umae_type type, const void *x, float *y, size_t count), (type, x, y, count))                      \
    /* y = scale·y */                                                                                                 \
    X(void, scale, (float *y, float scale, size_t count), (y, scale, count))                                          \
    /* AdamW (Loshchilov and Hutter 2019) in one pass: g·grad_scale is the gradient; correction1 = 1 - β1^t,          \
       correction2 = 1 - β2^t. */                                                                                     \
    X(void, adamw,                                                                                                    \
      (float *w, const float *g, float *m, float *v, size_t count, float lr, float beta1, float beta2, float eps,     \
       float weight_decay, float correction1, float correction2, float grad_scale),                                   \
      (w, g, m, v, count, lr, beta1, beta2, eps, weight_decay, correction1, correction2, grad_scale))

#define UMAE_DECLARE(result, name, parameters, arguments) result umae_##name parameters;
UMAE_KERNELS(UMAE_DECLARE)
#undef UMAE_DECLARE

/// Bytes of a packed [k, n] matrix.
static inline size_t umae_packed_bytes(umae_type type, size_t k, size_t n) {
    return (type == UMAE_BF16 ? (k + 1) / 2 : k) * ((n + 15) / 16 * 16) * 4;
}

/// Copies patches out of one image [channels, height, width] into rows of patch²·channels.
/// `channels_last`: (p, q, c) order, the reconstruction target's; otherwise (c, p, q), the embedding weight's.
/// `indices`: [count] patch numbers, row-major over the grid, or NULL for all in order.
void umae_gather_patches(const float *image, size_t channels, size_t height, size_t width, size_t patch,
                         const int32_t *indices, size_t count, bool channels_last, float *out, size_t out_stride);

#endif
