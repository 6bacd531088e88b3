// The kernels of umae_kernels.h, included once for each instruction set with KERNEL(name) giving its suffix.
#include "vector.h"

// Sixteen lanes are passed differently with and without AVX-512; every function that takes them is inlined.
#pragma clang diagnostic ignored "-Wpsabi"

INLINE vf load(const float *p) { return *(const vf_unaligned *)p; }
INLINE void store(float *p, vf v) { *(vf_unaligned *)p = v; }
INLINE vf splat(float x) { return (vf)(x); }
// The last n < LANES elements of a row; the lanes past them read zero and are not written.
#if defined(KERNELS_AVX512)
INLINE vf load_tail(const float *p, size_t n) {
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
INLINE void store_tail(float *p, vf v, size_t n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v); }
#else
INLINE vf load_tail(const float *p, size_t n) {
    vf v = splat(0);
    for (size_t i = 0; i < n; i++) v[i] = p[i];
    return v;
}
INLINE void store_tail(float *p, vf v, size_t n) {
    for (size_t i = 0; i < n; i++) p[i] = v[i];
}
#endif
INLINE vf load_n(const float *p, size_t n) { return n >= LANES ? load(p) : load_tail(p, n); }
INLINE void store_n(float *p, vf v, size_t n) {
    if (n >= LANES) store(p, v);
    else store_tail(p, v, n);
}
INLINE vf blend(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }
INLINE vf mask_tail(vf v, size_t n, float rest) {
    const vi lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    return blend(lane < (vi)((int32_t)n), v, splat(rest));
}
INLINE vf tail_mask(vf v, size_t n) { return mask_tail(v, n, 0); }
INLINE float sum_lanes(vf v) {
    vf8 a = v.lo + v.hi;
    vf4 b = a.lo + a.hi;
    return (b.x + b.z) + (b.y + b.w);
}
// NaN in either operand is kept.
INLINE vf max_nan(vf a, vf b) { return blend((a > b) | (a != a), a, b); }
INLINE float max_lanes(vf v) {
    v = max_nan(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
    v = max_nan(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11));
    v = max_nan(v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13));
    v = max_nan(v, __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
    return v[0];
}

// e^x: x = n·ln2 + r, |r| <= ln2/2, Taylor to r^7 (relative error below 1e-7). Below -87.3 the result is e^-87.3.
INLINE vf exp_v(vf x) {
    const float magic = 12582912.0f;
    x = blend(x < -87.33f, splat(-87.33f), x);
    x = blend(x > 88.72f, splat(INFINITY), x);
    vi infinite = x == INFINITY;
    x = blend(infinite, splat(0), x);
    vf n = (x * 1.44269504088896341f + magic) - magic;
    vf r = x - n * 0.693145751953125f;
    r = r - n * 1.428606765330187e-06f;
    vf p = splat(1.0f / 5040);
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    vi exponent = __builtin_convertvector(blend(n == n, n, splat(0)), vi);
    // Two factors, since 2^128 is not a float but e^88.7 is.
    vi half = exponent >> 1;
    vf scale1 = (vf)((half + 127) << 23);
    vf scale2 = (vf)((exponent - half + 127) << 23);
    return blend(infinite, splat(INFINITY), p * scale1 * scale2);
}

// erf(x) = x·P(x²)/Q(x²) on |x| <= 4, ±1 beyond; coefficients from scripts/development/fit-erf.py.
INLINE vf erf_v(vf x) {
    vf c = blend(x > 4.0f, splat(4.0f), x);
    c = blend(c < -4.0f, splat(-4.0f), c);
    vf u = c * c;
    vf p = splat(-1.320024001e-08f);
    p = p * u + 4.684352007e-06f;
    p = p * u + 3.795958182e-04f;
    p = p * u + 3.849693807e-03f;
    p = p * u + 5.431697145e-02f;
    p = p * u + 1.852063388e-01f;
    p = p * u + 1.128379226e+00f;
    vf q = splat(6.310657045e-05f);
    q = q * u + 1.307569211e-03f;
    q = q * u + 1.546220854e-02f;
    q = q * u + 1.139593944e-01f;
    q = q * u + 4.974682629e-01f;
    q = q * u + 1.0f;
    return c * p / q;
}

double KERNEL(fma_burst)(int64_t repeats) {
    // Twelve independent chains hide the latency of the multiply-add on every core measured.
    vf a[12];
    for (int i = 0; i < 12; i++) a[i] = splat(1.0f + (float)i);
    vf x = splat(0.999999f), y = splat(1e-6f);
    for (int64_t r = 0; r < repeats; r++)
        for (int i = 0; i < 12; i++) a[i] = a[i] * x + y;
    vf total = a[0];
    for (int i = 1; i < 12; i++) total += a[i];
    // The result is used, so that the loop is not removed.
    volatile float sink = sum_lanes(total);
    (void)sink;
    return (double)repeats * 12 * LANES * 2;
}

#include "kernels_elementwise.h"
#include "kernels_rows.h"
