// Kernels in which every element stands for itself; included by kernels_body.h.

void KERNEL(bias_gelu_forward)(float *z, const float *bias, float *a, size_t rows, size_t width) {
    for (size_t r = 0; r < rows; r++, z += width, a += width)
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf x = load_n(z + i, n) + load_n(bias + i, n);
            store_n(z + i, x, n);
            vf cdf = 0.5f + 0.5f * erf_v(x * 0.70710678118654752f);
            // -inf · 0 would be NaN; GELU(-inf) is 0.
            vf y = blend(x == -INFINITY, splat(0), x * cdf);
            store_n(a + i, y, n);
        }
}

// GELU'(x) = Φ(x) + x·φ(x).
void KERNEL(gelu_backward)(float *d, const float *z, float *dbias, size_t rows, size_t width) {
    for (size_t r = 0; r < rows; r++, d += width, z += width)
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf x = load_n(z + i, n);
            vf cdf = 0.5f + 0.5f * erf_v(x * 0.70710678118654752f);
            vf pdf = 0.39894228040143268f * exp_v(-0.5f * x * x);
            vf slope = blend((x == INFINITY) | (x == -INFINITY), cdf, cdf + x * pdf);
            vf dz = load_n(d + i, n) * slope;
            store_n(d + i, dz, n);
            store_n(dbias + i, load_n(dbias + i, n) + dz, n);
        }
}

void KERNEL(add_bias)(float *y, size_t y_stride, const float *bias, size_t rows, size_t width) {
    for (size_t r = 0; r < rows; r++, y += y_stride)
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            store_n(y + i, load_n(y + i, n) + load_n(bias + i, n), n);
        }
}

void KERNEL(residual_bias)(const float *residual, const float *bias, float *y, size_t rows, size_t width) {
    for (size_t r = 0; r < rows; r++, y += width, residual += width)
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            store_n(y + i, load_n(residual + i, n) + load_n(bias + i, n), n);
        }
}

void KERNEL(gather_rows)(float *out, size_t out_stride, const float *source, size_t source_stride, const int32_t *si,
                         const float *fallback, const float *table, const int32_t *ti, size_t rows, size_t width) {
    for (size_t r = 0; r < rows; r++, out += out_stride) {
        const float *s = fallback;
        if (!si) s = source + r * source_stride;
        else if (si[r] >= 0) s = source + (size_t)si[r] * source_stride;
        if (!table) {
            memcpy(out, s, width * sizeof(float));
            continue;
        }
        const float *t = table + (ti ? (size_t)ti[r] : r) * width;
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            store_n(out + i, load_n(s + i, n) + load_n(t + i, n), n);
        }
    }
}

void KERNEL(add)(const float *x, float *y, size_t count) {
    for (size_t i = 0; i < count; i += LANES) store_n(y + i, load_n(y + i, count - i) + load_n(x + i, count - i), count - i);
}

void KERNEL(scale)(float *y, float scale, size_t count) {
    for (size_t i = 0; i < count; i += LANES) store_n(y + i, load_n(y + i, count - i) * scale, count - i);
}

// Doubles are formed from blocks of 1024 floats, so that long sums keep their digits.
double KERNEL(sum_of_squares)(const float *x, size_t count) {
    double total = 0;
    for (size_t block = 0; block < count; block += 1024) {
        size_t end = block + 1024 < count ? block + 1024 : count;
        vf partial = splat(0);
        for (size_t i = block; i < end; i += LANES) {
            vf v = load_n(x + i, end - i);
            partial += v * v;
        }
        total += sum_lanes(partial);
    }
    return total;
}

void KERNEL(adamw)(float *w, const float *g, float *m, float *v, size_t count, float lr, float beta1, float beta2,
                   float eps, float weight_decay, float correction1, float correction2, float grad_scale) {
    const float step = lr / correction1;
    const float root = 1.0f / sqrtf(correction2);
    const float keep = 1.0f - lr * weight_decay;
    for (size_t i = 0; i < count; i += LANES) {
        size_t n = count - i;
        vf gradient = load_n(g + i, n) * grad_scale;
        vf first = load_n(m + i, n) * beta1 + gradient * (1.0f - beta1);
        vf second = load_n(v + i, n) * beta2 + gradient * gradient * (1.0f - beta2);
        store_n(m + i, first, n);
        store_n(v + i, second, n);
        vf weight = load_n(w + i, n) * keep;
        store_n(w + i, weight - step * first / (__builtin_elementwise_sqrt(second) * root + eps), n);
    }
}
