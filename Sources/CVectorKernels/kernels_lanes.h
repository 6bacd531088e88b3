// Loading, storing and reducing sixteen lanes; included by kernels_body.h.

INLINE vf load(const float *p) { return *(const vf_unaligned *)p; }
INLINE void store(float *p, vf v) { *(vf_unaligned *)p = v; }
INLINE vf splat(float x) { return (vf)(x); }
// The last n < LANES elements of a row; the lanes past them read zero and are not written.
#if defined(KERNELS_AVX512)
INLINE __mmask16 first_lanes(size_t n) { return (__mmask16)((1u << n) - 1); }
INLINE vf load_tail(const float *p, size_t n) { return (vf)_mm512_maskz_loadu_ps(first_lanes(n), p); }
INLINE void store_tail(float *p, vf v, size_t n) { _mm512_mask_storeu_ps(p, first_lanes(n), (__m512)v); }
INLINE vu16 load_tail_u16(const uint16_t *p, size_t n) { return (vu16)_mm256_maskz_loadu_epi16(first_lanes(n), p); }
INLINE void store_tail_u16(uint16_t *p, vu16 v, size_t n) {
    _mm256_mask_storeu_epi16(p, first_lanes(n), (__m256i)v);
}
#else
INLINE vf load_tail(const float *p, size_t n) {
    vf v = splat(0);
    for (size_t i = 0; i < n; i++) v[i] = p[i];
    return v;
}
INLINE void store_tail(float *p, vf v, size_t n) {
    for (size_t i = 0; i < n; i++) p[i] = v[i];
}
INLINE vu16 load_tail_u16(const uint16_t *p, size_t n) {
    vu16 v = (vu16)(0);
    for (size_t i = 0; i < n; i++) v[i] = p[i];
    return v;
}
INLINE void store_tail_u16(uint16_t *p, vu16 v, size_t n) {
    for (size_t i = 0; i < n; i++) p[i] = v[i];
}
#endif
INLINE vf load_n(const float *p, size_t n) { return n >= LANES ? load(p) : load_tail(p, n); }
INLINE void store_n(float *p, vf v, size_t n) {
    if (n >= LANES) store(p, v);
    else store_tail(p, v, n);
}
INLINE vu16 load_u16(const uint16_t *p, size_t n) {
    return n >= LANES ? *(const vu16_unaligned *)p : load_tail_u16(p, n);
}
INLINE void store_u16(uint16_t *p, vu16 v, size_t n) {
    if (n >= LANES) *(vu16_unaligned *)p = v;
    else store_tail_u16(p, v, n);
}
INLINE vf blend(vi mask, vf a, vf b) { return (vf)((mask & (vi)a) | (~mask & (vi)b)); }

// bfloat16 is the upper half of a float; narrowing rounds to nearest, ties to even, and keeps NaN.
INLINE vf widen(vu16 v) { return (vf)(__builtin_convertvector(v, vu) << 16); }
#if defined(KERNELS_BF16)
INLINE vu16 narrow(vf v) { return (vu16)_mm512_cvtneps_pbh((__m512)v); }
#else
INLINE vu16 narrow(vf v) {
    vu bits = (vu)v;
    vu rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    vu quiet = (bits >> 16) | 0x40;
    vi is_nan = v != v;
    return __builtin_convertvector(((vu)is_nan & quiet) | (~(vu)is_nan & rounded), vu16);
}
#endif

// Elements i ..< i + n of a row of floats or, if bf, of bfloat16.
INLINE vf load_element(const void *row, size_t i, size_t n, const bool bf) {
    return bf ? widen(load_u16((const uint16_t *)row + i, n)) : load_n((const float *)row + i, n);
}
INLINE void store_element(void *row, size_t i, vf v, size_t n, const bool bf) {
    if (bf) store_u16((uint16_t *)row + i, narrow(v), n);
    else store_n((float *)row + i, v, n);
}
INLINE size_t element_size(const bool bf) { return bf ? sizeof(uint16_t) : sizeof(float); }

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
