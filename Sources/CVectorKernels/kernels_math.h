// Exponential, error function and GELU of sixteen lanes; included by kernels_body.h.

// x, or the limit that it is beyond; NaN stays.
#if defined(KERNELS_AVX512)
INLINE vf limit(vf x, float low, float high) {
    // Where one operand is NaN these return the second.
    return (vf)_mm512_max_ps(_mm512_set1_ps(low), _mm512_min_ps(_mm512_set1_ps(high), (__m512)x));
}
#else
INLINE vf limit(vf x, float low, float high) {
    x = blend(x > high, splat(high), x);
    return blend(x < low, splat(low), x);
}
#endif

// x, or 0 where it is above; NaN stays.
#if defined(KERNELS_AVX512)
INLINE vf not_positive(vf x) { return (vf)_mm512_min_ps(_mm512_setzero_ps(), (__m512)x); }
#else
INLINE vf not_positive(vf x) { return blend(x > 0.0f, splat(0), x); }
#endif

// e^x: x = n·ln2 + r, |r| <= ln2/2, and a polynomial of degree 5 (relative error below 1e-7; coefficients from
// scripts/development/fit-exp.py). Below -87.3 the result is e^-87.3.
#if defined(KERNELS_AVX512)
// As below; scaling by 2^n saturates by itself.
INLINE vf exp_v(vf x) {
    vf c = limit(x, -128.0f, 128.0f);
    vf n = (vf)_mm512_roundscale_ps((__m512)c * 1.44269504088896341f, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    vf r = c - n * 0.693145751953125f;
    r = r - n * 1.428606765330187e-06f;
    vf p = splat(8.297654957e-03f);
    p = p * r + 4.191538199e-02f;
    p = p * r + 1.666757473e-01f;
    p = p * r + 4.999889485e-01f;
    p = p * r + 9.999996920e-01f;
    p = p * r + 1.000000072e+00f;
    return (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
}
#else
INLINE vf exp_v(vf x) {
    const float magic = 12582912.0f;
    x = blend(x < -87.33f, splat(-87.33f), x);
    x = blend(x > 88.72f, splat(INFINITY), x);
    vi infinite = x == INFINITY;
    x = blend(infinite, splat(0), x);
    vf n = (x * 1.44269504088896341f + magic) - magic;
    vf r = x - n * 0.693145751953125f;
    r = r - n * 1.428606765330187e-06f;
    vf p = splat(8.297654957e-03f);
    p = p * r + 4.191538199e-02f;
    p = p * r + 1.666757473e-01f;
    p = p * r + 4.999889485e-01f;
    p = p * r + 9.999996920e-01f;
    p = p * r + 1.000000072e+00f;
    vi exponent = __builtin_convertvector(blend(n == n, n, splat(0)), vi);
    // Two factors, since 2^128 is not a float but e^88.7 is.
    vi half = exponent >> 1;
    vf scale1 = (vf)((half + 127) << 23);
    vf scale2 = (vf)((exponent - half + 127) << 23);
    return blend(infinite, splat(INFINITY), p * scale1 * scale2);
}
#endif

// e^x for results that are rounded to bfloat16: a polynomial of degree 3, relative error below 8e-5; coefficients from
// scripts/development/fit-exp.py. Not for x that may overflow.
INLINE vf rough_exp(vf x) {
#if defined(KERNELS_AVX512)
    const vf c = (vf)_mm512_max_ps(_mm512_set1_ps(-128.0f), (__m512)x);
    const vf n = (vf)_mm512_roundscale_ps((__m512)c * 1.44269504088896341f, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const vf r = c - n * 0.693147180559945f;
    vf p = splat(1.656684179e-01f);
    p = p * r + 5.049632639e-01f;
    p = p * r + 1.000164186e+00f;
    p = p * r + 9.999280736e-01f;
    return (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
    return exp_v(x);
#endif
}
INLINE vf exp_of(vf x, const bool bf) { return bf ? rough_exp(x) : exp_v(x); }

// erf(x) = x·P(x²)/Q(x²) on |x| <= 4, ±1 beyond; coefficients from scripts/development/fit-erf.py.
INLINE vf erf_v(vf x) {
    vf c = limit(x, -4.0f, 4.0f);
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


// Φ and GELU' for results that are rounded to bfloat16: polynomials on |x| <= 4.4, constant beyond, errors below 2e-5
// and 2e-4; coefficients from scripts/development/fit-gelu.py.
INLINE vf rough_cdf(vf x) {
    vf c = limit(x, -4.4f, 4.4f);
    vf u = c * c;
    vf p = splat(4.327940437e-11f);
    p = p * u - 4.411766064e-09f;
    p = p * u + 1.977595474e-07f;
    p = p * u - 5.182082987e-06f;
    p = p * u + 8.940176485e-05f;
    p = p * u - 1.088149380e-03f;
    p = p * u + 9.761590511e-03f;
    p = p * u - 6.628037244e-02f;
    p = p * u + 3.988806903e-01f;
    return limit(c * p + 0.5f, 0.0f, 1.0f);
}
INLINE vf rough_slope(vf x) {
    vf c = limit(x, -4.4f, 4.4f);
    vf u = c * c;
    vf p = splat(-2.578152969e-11f);
    p = p * u + 2.845406133e-09f;
    p = p * u - 1.387897015e-07f;
    p = p * u + 3.963017207e-06f;
    p = p * u - 7.408635429e-05f;
    p = p * u + 9.609618573e-04f;
    p = p * u - 8.900624700e-03f;
    p = p * u + 5.879788101e-02f;
    p = p * u - 2.651138604e-01f;
    p = p * u + 7.976803184e-01f;
    return c * p + 0.5f;
}

// GELU(x) = x·Φ(x), the erf form; GELU(-inf) is 0. To the precision of bfloat16 if bf.
INLINE vf gelu_cdf(vf x, const bool bf) { return bf ? rough_cdf(x) : 0.5f + 0.5f * erf_v(x * 0.70710678118654752f); }
INLINE vf gelu_of(vf x, vf cdf) { return limit(x, -3e38f, INFINITY) * cdf; }
// GELU'(x) = Φ(x) + x·φ(x).
INLINE vf gelu_slope(vf x, vf cdf, const bool bf) {
    if (bf) return rough_slope(x);
    vf bounded = limit(x, -30.0f, 30.0f);
    return cdf + bounded * (0.39894228040143268f * exp_v(-0.5f * bounded * bounded));
}
