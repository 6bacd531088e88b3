// Kernels in which every element stands for itself; included by kernels_body.h.

void KERNEL(convert)(umae_type type, const float *x, void *y, size_t count) {
    for (size_t i = 0; i < count; i += LANES) {
        const size_t n = count - i;
        store_element(y, i, load_n(x + i, n), n, type == UMAE_BF16);
    }
}

void KERNEL(add_table_rows)(float *out, size_t out_stride, const float *source, size_t source_stride, const float *table,
                            const int32_t *indices, size_t rows, size_t width) {
    for (size_t r = 0; r < rows; r++) {
        const float *s = source + r * source_stride;
        const float *t = table + (indices ? (size_t)indices[r] : r) * width;
        for (size_t i = 0; i < width; i += LANES) {
            const size_t n = width - i;
            store_n(out + r * out_stride + i, load_n(s + i, n) + load_n(t + i, n), n);
        }
    }
}

void KERNEL(add)(const float *x, float *y, size_t count) {
    for (size_t i = 0; i < count; i += LANES) store_n(y + i, load_n(y + i, count - i) + load_n(x + i, count - i), count - i);
}

// Partial sums wait on a stack for their neighbours: after an even number of terms none of one term is left, and so on.
void KERNEL(sum_terms)(umae_type type, const void *others, size_t stride, const float *own, size_t own_index,
                       size_t terms, float *sum, size_t count) {
    const bool bf = type == UMAE_BF16;
    for (size_t i = 0; i < count; i += LANES) {
        const size_t n = count - i;
        vf waiting[40];
        size_t top = 0;
        const char *other = others;
        for (size_t t = 0; t < terms; t++) {
            vf v;
            if (t == own_index) {
                v = load_n(own + i, n);
            } else {
                v = load_element(other, i, n, bf);
                other += stride * element_size(bf);
            }
            for (size_t k = t; k & 1; k >>= 1) v = waiting[--top] + v;
            waiting[top++] = v;
        }
        vf total = waiting[--top];
        while (top) total = waiting[--top] + total;
        store_n(sum + i, total, n);
    }
}

void KERNEL(widen)(umae_type type, const void *x, float *y, size_t count) {
    for (size_t i = 0; i < count; i += LANES) store_n(y + i, load_element(x, i, count - i, type == UMAE_BF16), count - i);
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
