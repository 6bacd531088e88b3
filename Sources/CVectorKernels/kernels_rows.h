// Kernels that reduce over a row or over rows; included by kernels_body.h.

// x̂ = (x - mean)·rstd is kept as an operand, and y made of what is kept, so that backward can make the same y. Where
// nothing is kept (hat and rstd NULL) y is the same.
INLINE void layernorm_forward_of(const float *x, size_t x_stride, const float *gamma, const float *beta, char *y,
                                 size_t y_bytes, char *hat, size_t hat_bytes, float *rstd, size_t rows, size_t width,
                                 float eps, const bool bf) {
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_bytes, hat += hat_bytes) {
        vf total = splat(0);
        for (size_t i = 0; i < width; i += LANES) total += load_n(x + i, width - i);
        const float m = sum_lanes(total) / (float)width;
        vf squares = splat(0);
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf d = load_n(x + i, n) - m;
            if (n < LANES) d = tail_mask(d, n);
            squares += d * d;
        }
        const float s = 1.0f / sqrtf(sum_lanes(squares) / (float)width + eps);
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf v = (load_n(x + i, n) - m) * s;
            if (hat) store_element(hat, i, v, n, bf);
            if (bf) v = widen(narrow(v));
            store_element(y, i, v * load_n(gamma + i, n) + load_n(beta + i, n), n, bf);
        }
        if (rstd) rstd[r] = s;
    }
}

void KERNEL(layernorm_forward)(umae_type type, const float *x, size_t x_stride, const float *gamma, const float *beta,
                               void *y, size_t y_stride, void *hat, size_t hat_stride, float *rstd, size_t rows,
                               size_t width, float eps) {
    if (type == UMAE_BF16)
        layernorm_forward_of(x, x_stride, gamma, beta, y, y_stride * 2, hat, hat_stride * 2, rstd, rows, width, eps,
                             true);
    else
        layernorm_forward_of(x, x_stride, gamma, beta, y, y_stride * 4, hat, hat_stride * 4, rstd, rows, width, eps,
                             false);
}

// With g = dy·gamma: dx = rstd·(g - mean(g) - x̂·mean(g·x̂)).
INLINE void layernorm_backward_of(const umae_layernorm_gradient *p, const bool bf) {
    const size_t size = element_size(bf), width = p->width;
    const float *gamma = p->gamma;
    for (size_t r = 0; r < p->rows; r++) {
        const char *dy = (const char *)p->dy + r * p->dy_stride * size;
        const char *hat = (const char *)p->hat + r * p->hat_stride * size;
        char *y = p->y ? (char *)p->y + r * p->y_stride * size : NULL;
        char *copy = p->copy ? (char *)p->copy + r * p->copy_stride * size : NULL;
        float *dx = p->dx + r * p->dx_stride;
        const float s = p->rstd[r];
        vf sum_g = splat(0), sum_gx = splat(0);
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf d = load_element(dy, i, n, bf), h = load_element(hat, i, n, bf), g = d * load_n(gamma + i, n);
            sum_g += g;
            sum_gx += n < LANES ? tail_mask(g * h, n) : g * h;
            store_n(p->dgamma + i, load_n(p->dgamma + i, n) + d * h, n);
            store_n(p->dbeta + i, load_n(p->dbeta + i, n) + d, n);
        }
        const float mean_g = sum_lanes(sum_g) / (float)width, mean_gx = sum_lanes(sum_gx) / (float)width;
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf h = load_element(hat, i, n, bf), weight = load_n(gamma + i, n);
            vf g = load_element(dy, i, n, bf) * weight;
            vf value = (g - mean_g - h * mean_gx) * s;
            if (p->accumulate) value += load_n(dx + i, n);
            store_n(dx + i, value, n);
            if (copy) store_element(copy, i, p->copy_scale ? value * p->copy_scale[r] : value, n, bf);
            if (y) store_element(y, i, h * weight + load_n(p->beta + i, n), n, bf);
        }
    }
}

void KERNEL(layernorm_backward)(const umae_layernorm_gradient *p) {
    if (p->type == UMAE_BF16) layernorm_backward_of(p, true);
    else layernorm_backward_of(p, false);
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

void KERNEL(column_sums)(umae_type type, const void *x, size_t x_stride, float *sums, size_t rows, size_t width) {
    if (type == UMAE_BF16) add_column_sums(x, x_stride, sums, rows, width, true);
    else add_column_sums(x, x_stride, sums, rows, width, false);
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
                          void *dpred, size_t dpred_stride, size_t rows, size_t width,
                          bool normalize, float grad_scale) {
    const bool bf = type == UMAE_BF16;
    double loss = 0;
    for (size_t r = 0; r < rows; r++, pred += pred_stride, target += width) {
        char *d = dpred ? (char *)dpred + r * dpred_stride * element_size(bf) : NULL;
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
