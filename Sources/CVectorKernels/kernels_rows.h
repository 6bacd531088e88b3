// Kernels that reduce over a row or over rows; included by kernels_body.h.

INLINE void layernorm_forward_of(const float *x, size_t x_stride, const float *gamma, const float *beta, char *y,
                                 size_t y_bytes, float *mean, float *rstd, size_t rows, size_t width, float eps,
                                 const bool bf) {
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_bytes) {
        vf total = splat(0);
        for (size_t i = 0; i < width; i += LANES) total += load_n(x + i, width - i);
        float m = sum_lanes(total) / (float)width;
        vf squares = splat(0);
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf d = load_n(x + i, n) - m;
            if (n < LANES) d = tail_mask(d, n);
            squares += d * d;
        }
        float s = 1.0f / sqrtf(sum_lanes(squares) / (float)width + eps);
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            store_element(y, i, (load_n(x + i, n) - m) * s * load_n(gamma + i, n) + load_n(beta + i, n), n, bf);
        }
        if (mean) mean[r] = m;
        if (rstd) rstd[r] = s;
    }
}

void KERNEL(layernorm_forward)(umae_type type, const float *x, size_t x_stride, const float *gamma, const float *beta,
                               void *y, size_t y_stride, float *mean, float *rstd, size_t rows, size_t width,
                               float eps) {
    if (type == UMAE_BF16)
        layernorm_forward_of(x, x_stride, gamma, beta, y, y_stride * 2, mean, rstd, rows, width, eps, true);
    else layernorm_forward_of(x, x_stride, gamma, beta, y, y_stride * 4, mean, rstd, rows, width, eps, false);
}

// With x̂ = (x - mean)·rstd and g = dy·gamma: dx = rstd·(g - mean(g) - x̂·mean(g·x̂)).
INLINE void layernorm_backward_of(const char *dy, size_t dy_bytes, const float *x, size_t x_stride,
                                  const float *gamma, const float *mean, const float *rstd, float *dx,
                                  size_t dx_stride, bool accumulate, char *copy, size_t copy_bytes, float *dgamma,
                                  float *dbeta, size_t rows, size_t width, const bool bf) {
    for (size_t r = 0; r < rows; r++, dy += dy_bytes, x += x_stride, dx += dx_stride) {
        float m = mean[r], s = rstd[r];
        vf sum_g = splat(0), sum_gx = splat(0);
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf d = load_element(dy, i, n, bf);
            vf hat = (load_n(x + i, n) - m) * s;
            vf g = d * load_n(gamma + i, n);
            sum_g += g;
            sum_gx += n < LANES ? tail_mask(g * hat, n) : g * hat;
            store_n(dgamma + i, load_n(dgamma + i, n) + d * hat, n);
            store_n(dbeta + i, load_n(dbeta + i, n) + d, n);
        }
        float mean_g = sum_lanes(sum_g) / (float)width;
        float mean_gx = sum_lanes(sum_gx) / (float)width;
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf hat = (load_n(x + i, n) - m) * s;
            vf g = load_element(dy, i, n, bf) * load_n(gamma + i, n);
            vf value = (g - mean_g - hat * mean_gx) * s;
            if (accumulate) value += load_n(dx + i, n);
            store_n(dx + i, value, n);
            if (copy) store_element(copy, i, value, n, bf);
        }
        if (copy) copy += copy_bytes;
    }
}

void KERNEL(layernorm_backward)(umae_type type, const void *dy, size_t dy_stride, const float *x, size_t x_stride,
                                const float *gamma, const float *mean, const float *rstd, float *dx,
                                size_t dx_stride, bool accumulate, void *copy, size_t copy_stride, float *dgamma,
                                float *dbeta, size_t rows, size_t width) {
    if (type == UMAE_BF16)
        layernorm_backward_of(dy, dy_stride * 2, x, x_stride, gamma, mean, rstd, dx, dx_stride, accumulate, copy,
                              copy_stride * 2, dgamma, dbeta, rows, width, true);
    else
        layernorm_backward_of(dy, dy_stride * 4, x, x_stride, gamma, mean, rstd, dx, dx_stride, accumulate, copy,
                              copy_stride * 4, dgamma, dbeta, rows, width, false);
}

INLINE void add_column_sums(const void *x, size_t stride, float *sums, size_t rows, size_t width, const bool bf) {
    const size_t row_bytes = stride * element_size(bf);
    const char *row = x;
    // Four rows at a time quarter the traffic to sums.
    size_t r = 0;
    for (; r + 4 <= rows; r += 4, row += 4 * row_bytes)
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf a = load_element(row, i, n, bf) + load_element(row + row_bytes, i, n, bf);
            vf b = load_element(row + 2 * row_bytes, i, n, bf) + load_element(row + 3 * row_bytes, i, n, bf);
            store_n(sums + i, load_n(sums + i, n) + (a + b), n);
        }
    for (; r < rows; r++, row += row_bytes)
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            store_n(sums + i, load_n(sums + i, n) + load_element(row, i, n, bf), n);
        }
}

void KERNEL(column_sums)(const float *x, size_t x_stride, float *sums, size_t rows, size_t width) {
    add_column_sums(x, x_stride, sums, rows, width, false);
}

void KERNEL(l2_normalize_forward)(const float *x, size_t x_stride, float *y, size_t y_stride, float *norms,
                                  size_t rows, size_t width, float eps) {
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
        vf squares = splat(0);
        for (size_t i = 0; i < width; i += LANES) {
            vf v = load_n(x + i, width - i);
            squares += v * v;
        }
        float norm = sqrtf(sum_lanes(squares));
        norms[r] = norm;
        float inverse = 1.0f / (norm < eps ? eps : norm);
        for (size_t i = 0; i < width; i += LANES) store_n(y + i, load_n(x + i, width - i) * inverse, width - i);
    }
}

// dx = (dy - y·(y·dy)) / |x|; where |x| was below eps the norm is a constant.
void KERNEL(l2_normalize_backward)(const float *dy, const float *y, const float *norms, float *dx, size_t rows,
                                   size_t width, float eps) {
    for (size_t r = 0; r < rows; r++, dy += width, y += width, dx += width) {
        vf total = splat(0);
        for (size_t i = 0; i < width; i += LANES) total += load_n(dy + i, width - i) * load_n(y + i, width - i);
        bool tiny = norms[r] < eps;
        float dot = tiny ? 0 : sum_lanes(total);
        float inverse = 1.0f / (tiny ? eps : norms[r]);
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            store_n(dx + i, (load_n(dy + i, n) - load_n(y + i, n) * dot) * inverse, n);
        }
    }
}

double KERNEL(pixel_loss)(umae_type type, const float *pred, size_t pred_stride, const float *target,
                          const float *mask, void *dpred, size_t dpred_stride, size_t rows, size_t width,
                          bool normalize, float grad_scale) {
    const bool bf = type == UMAE_BF16;
    double loss = 0;
    for (size_t r = 0; r < rows; r++, pred += pred_stride, target += width) {
        char *d = dpred ? (char *)dpred + r * dpred_stride * element_size(bf) : NULL;
        if (mask[r] == 0) {
            if (d) memset(d, 0, width * element_size(bf));
            continue;
        }
        float mean = 0, scale = 1;
        if (normalize) {
            vf total = splat(0);
            for (size_t i = 0; i < width; i += LANES) total += load_n(target + i, width - i);
            mean = sum_lanes(total) / (float)width;
            vf squares = splat(0);
            for (size_t i = 0; i < width; i += LANES) {
                size_t n = width - i;
                vf v = load_n(target + i, n) - mean;
                if (n < LANES) v = tail_mask(v, n);
                squares += v * v;
            }
            scale = 1.0f / sqrtf(sum_lanes(squares) / (float)(width - 1) + 1e-6f);
        }
        vf squares = splat(0);
        const float slope = 2.0f * grad_scale / (float)width;
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf e = load_n(pred + i, n) - (load_n(target + i, n) - mean) * scale;
            if (n < LANES) e = tail_mask(e, n);
            squares += e * e;
            if (d) store_element(d, i, e * slope, n, bf);
        }
        loss += (double)sum_lanes(squares) / (double)width;
    }
    return loss;
}
