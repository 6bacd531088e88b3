// Element-wise and row-wise fp32 kernels, built once for each instruction set and picked at run time.
//
// Matrices are row-major; `stride` counts elements between rows. Pointers need no alignment. Unless a comment says
// "adds to", outputs are overwritten. NaN and infinity propagate. Nothing here allocates or starts threads.
#ifndef UMAE_KERNELS_H
#define UMAE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum umae_isa { UMAE_ISA_BASELINE = 0, UMAE_ISA_AVX2 = 1, UMAE_ISA_AVX512 = 2 } umae_isa;

/// Whether this CPU, and its operating system, can run kernels of that instruction set.
bool umae_cpu_supports(umae_isa isa);
/// The instruction set in use: the best one supported, or what UMAE_MAX_ISA (baseline, avx2, avx512) limits it to.
umae_isa umae_kernels_isa(void);
/// Uses another instruction set from now on; false, and no change, where it is unsupported. Not while kernels run.
bool umae_kernels_select(umae_isa isa);
/// Tells the core that this is a waiting loop.
void umae_cpu_pause(void);

/// The dense multiply-add rate of this core in FLOP/s: `repeats` rounds of independent FMAs on registers; returns the
/// FLOPs done, for the caller to time.
#define UMAE_KERNELS(X)                                                                                               \
    X(double, fma_burst, (int64_t repeats), (repeats))                                                                \
    /* y = (x - mean)·rstd·gamma + beta per row; mean, rstd: [rows], kept for backward, or NULL. */                   \
    X(void, layernorm_forward,                                                                                        \
      (const float *x, size_t x_stride, const float *gamma, const float *beta, float *y, size_t y_stride,             \
       float *mean, float *rstd, size_t rows, size_t width, float eps),                                               \
      (x, x_stride, gamma, beta, y, y_stride, mean, rstd, rows, width, eps))                                          \
    /* dx, or adds to dx if accumulate; adds to dgamma and dbeta. */                                                  \
    X(void, layernorm_backward,                                                                                       \
      (const float *dy, size_t dy_stride, const float *x, size_t x_stride, const float *gamma, const float *mean,     \
       const float *rstd, float *dx, size_t dx_stride, bool accumulate, float *dgamma, float *dbeta, size_t rows,     \
       size_t width),                                                                                                 \
      (dy, dy_stride, x, x_stride, gamma, mean, rstd, dx, dx_stride, accumulate, dgamma, dbeta, rows, width))         \
    /* z += bias; a = GELU(z), the exact erf form. */                                                                 \
    X(void, bias_gelu_forward, (float *z, const float *bias, float *a, size_t rows, size_t width),                    \
      (z, bias, a, rows, width))                                                                                      \
    /* d: da on entry, dz on return; adds its column sums to dbias. */                                                \
    X(void, gelu_backward, (float *d, const float *z, float *dbias, size_t rows, size_t width),                       \
      (d, z, dbias, rows, width))                                                                                     \
    X(void, add_bias, (float *y, size_t y_stride, const float *bias, size_t rows, size_t width),                      \
      (y, y_stride, bias, rows, width))                                                                               \
    /* y = residual + bias. */                                                                                        \
    X(void, residual_bias, (const float *residual, const float *bias, float *y, size_t rows, size_t width),           \
      (residual, bias, y, rows, width))                                                                               \
    /* Adds the column sums of x to sums. */                                                                          \
    X(void, column_sums, (const float *x, size_t x_stride, float *sums, size_t rows, size_t width),                   \
      (x, x_stride, sums, rows, width))                                                                               \
    /* In place: each row becomes softmax(scale·row). */                                                              \
    X(void, softmax_forward, (float *s, size_t stride, size_t rows, size_t width, float scale),                       \
      (s, stride, rows, width, scale))                                                                                \
    /* d: dP on entry, dS on return, where P = softmax(scale·S). */                                                   \
    X(void, softmax_backward, (const float *p, float *d, size_t stride, size_t rows, size_t width, float scale),      \
      (p, d, stride, rows, width, scale))                                                                             \
    /* y = x / max(|x|, eps) per row; norms: [rows]. */                                                               \
    X(void, l2_normalize_forward,                                                                                     \
      (const float *x, size_t x_stride, float *y, size_t y_stride, float *norms, size_t rows, size_t width,           \
       float eps),                                                                                                    \
      (x, x_stride, y, y_stride, norms, rows, width, eps))                                                            \
    X(void, l2_normalize_backward,                                                                                    \
      (const float *dy, const float *y, const float *norms, float *dx, size_t rows, size_t width, float eps),         \
      (dy, y, norms, dx, rows, width, eps))                                                                           \
    /* The sum over rows with mask != 0 of mean((pred - t)²), t the target row, normalised to zero mean and unit    \
       unbiased variance if normalize. dpred, if not NULL: its gradient times grad_scale, zero where mask is 0. */    \
    X(double, pixel_loss,                                                                                             \
      (const float *pred, size_t pred_stride, const float *target, const float *mask, float *dpred,                   \
       size_t dpred_stride, size_t rows, size_t width, bool normalize, float grad_scale),                             \
      (pred, pred_stride, target, mask, dpred, dpred_stride, rows, width, normalize, grad_scale))                     \
    /* out[r] = source[si[r]] + table[ti[r]]; a negative si takes `fallback`; NULL indices mean r itself; a NULL      \
       table adds nothing. */                                                                                         \
    X(void, gather_rows,                                                                                              \
      (float *out, size_t out_stride, const float *source, size_t source_stride, const int32_t *si,                   \
       const float *fallback, const float *table, const int32_t *ti, size_t rows, size_t width),                      \
      (out, out_stride, source, source_stride, si, fallback, table, ti, rows, width))                                 \
    X(double, sum_of_squares, (const float *x, size_t count), (x, count))                                             \
    /* y += x */                                                                                                      \
    X(void, add, (const float *x, float *y, size_t count), (x, y, count))                                             \
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

/// Copies patches out of one image [channels, height, width] into rows of patch²·channels.
/// `channels_last`: (p, q, c) order, the reconstruction target's; otherwise (c, p, q), the embedding weight's.
/// `indices`: [count] patch numbers, row-major over the grid, or NULL for all in order.
void umae_gather_patches(const float *image, size_t channels, size_t height, size_t width, size_t patch,
                         const int32_t *indices, size_t count, bool channels_last, float *out, size_t out_stride);

#endif
