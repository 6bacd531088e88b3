// Kernels that reduce over a row or over rows; included by kernels_body.h.

void KERNEL(layernorm_forward)(const float *x, size_t x_stride, const float *gamma, const float *beta, float *y,
                               size_t y_stride, float *mean, float *rstd, size_t rows, size_t width, float eps) {
    for (size_t r = 0; r < rows; r++, x += x_stride, y += y_stride) {
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
            store_n(y + i, (load_n(x + i, n) - m) * s * load_n(gamma + i, n) + load_n(beta + i, n), n);
        }
        if (mean) mean[r] = m;
        if (rstd) rstd[r] = s;
    }
}

// With x̂ = (x - mean)·rstd and g = dy·gamma: dx = rstd·(g - mean(g) - x̂·mean(g·x̂)).
void KERNEL(layernorm_backward)(const float *dy, size_t dy_stride, const float *x, size_t x_stride,
                                const float *gamma, const float *mean, const float *rstd, float *dx,
                                size_t dx_stride, bool accumulate, float *dgamma, float *dbeta, size_t rows,
                                size_t width) {
    for (size_t r = 0; r < rows; r++, dy += dy_stride, x += x_stride, dx += dx_stride) {
        float m = mean[r], s = rstd[r];
        vf sum_g = splat(0), sum_gx = splat(0);
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf d = load_n(dy + i, n);
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
            vf g = load_n(dy + i, n) * load_n(gamma + i, n);
            vf value = (g - mean_g - hat * mean_gx) * s;
            if (accumulate) value += load_n(dx + i, n);
            store_n(dx + i, value, n);
        }
    }
}

void KERNEL(column_sums)(const float *x, size_t x_stride, float *sums, size_t rows, size_t width) {
    // Four rows at a time quarter the traffic to sums.
    size_t r = 0;
    for (; r + 4 <= rows; r += 4, x += 4 * x_stride)
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf a = load_n(x + i, n) + load_n(x + x_stride + i, n);
            vf b = load_n(x + 2 * x_stride + i, n) + load_n(x + 3 * x_stride + i, n);
            store_n(sums + i, load_n(sums + i, n) + (a + b), n);
        }
    for (; r < rows; r++, x += x_stride)
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            store_n(sums + i, load_n(sums + i, n) + load_n(x + i, n), n);
        }
}

void KERNEL(softmax_forward)(float *s, size_t stride, size_t rows, size_t width, float scale) {
    for (size_t r = 0; r < rows; r++, s += stride) {
        vf highest = splat(-INFINITY);
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf v = load_n(s + i, n);
            if (n < LANES) v = mask_tail(v, n, -INFINITY);
            highest = max_nan(v, highest);
        }
        float top = max_lanes(highest);
        vf total = splat(0);
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            vf e = exp_v((load_n(s + i, n) - top) * scale);
            store_n(s + i, e, n);
            total += n < LANES ? tail_mask(e, n) : e;
        }
        float inverse = 1.0f / sum_lanes(total);
        for (size_t i = 0; i < width; i += LANES) store_n(s + i, load_n(s + i, width - i) * inverse, width - i);
    }
}

void KERNEL(softmax_backward)(const float *p, float *d, size_t stride, size_t rows, size_t width, float scale) {
    for (size_t r = 0; r < rows; r++, p += stride, d += stride) {
        vf total = splat(0);
        for (size_t i = 0; i < width; i += LANES) total += load_n(p + i, width - i) * load_n(d + i, width - i);
        float dot = sum_lanes(total);
        for (size_t i = 0; i < width; i += LANES) {
            size_t n = width - i;
            store_n(d + i, load_n(p + i, n) * (load_n(d + i, n) - dot) * scale, n);
        }
    }
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

double KERNEL(pixel_loss)(const float *pred, size_t pred_stride, const float *target, const float *mask, float *dpred,
                          size_t dpred_stride, size_t rows, size_t width, bool normalize, float grad_scale) {
    double loss = 0;
    for (size_t r = 0; r < rows; r++, pred += pred_stride, target += width) {
        float *d = dpred ? dpred + r * dpred_stride : NULL;
        if (mask[r] == 0) {
            if (d) memset(d, 0, width * sizeof(float));
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
            if (d) store_n(d + i, e * slope, n);
        }
        loss += (double)sum_lanes(squares) / (double)width;
    }
    return loss;
}
