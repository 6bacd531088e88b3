// Self-attention of one head whose scores never leave the cache; included by kernels_body.h.

typedef struct attention_scratch {
    /// Operands in panels: Kᵀ and Vᵀ over the head's width; K or V, dO and Q over the tokens.
    uint32_t *key_columns, *value_columns, *key_rows, *output_rows, *query_rows;
    /// Pᵀ and dSᵀ as operands: [units of tokens][tokens].
    uint32_t *p, *ds;
    /// One tile of scores, of their gradient, and of the operand made of them.
    float *scores, *gradients;
    uint32_t *tile_operand;
    size_t count;
} attention_scratch;

INLINE attention_scratch attention_layout(size_t tokens, size_t width, uint32_t *base, bool backward, const bool bf) {
    const size_t columns = round_lanes(tokens), padded = round_lanes(width);
    const size_t across = units_of(width, bf) * columns, along = units_of(tokens, bf) * padded;
    const size_t pairs = units_of(tokens, bf) * columns;
    attention_scratch s = {0};
#define TAKE(member, size) (s.member = (void *)(base + s.count), s.count += round_lanes(size))
    TAKE(key_columns, across);
    TAKE(key_rows, along);
    TAKE(scores, TILE_ROWS * (columns > padded ? columns : padded));
    TAKE(tile_operand, TILE_ROWS * columns);
    if (backward) {
        TAKE(value_columns, across);
        TAKE(output_rows, along);
        TAKE(query_rows, along);
        TAKE(p, pairs);
        TAKE(ds, pairs);
        TAKE(gradients, TILE_ROWS * columns);
    }
#undef TAKE
    return s;
}

size_t KERNEL(attention_scratch)(umae_type type, size_t tokens, size_t width, bool backward) {
    return attention_layout(tokens, width, NULL, backward, type == UMAE_BF16).count * sizeof(uint32_t);
}

// A strip of tiles, [TILE_ROWS][n], of a product with packed panels of n columns.
INLINE void tile_strip(const uint32_t *const rows[TILE_ROWS], size_t step, const uint32_t *panels, size_t units, size_t n,
                       float *result, size_t stride, const bool bf) {
    for (size_t j = 0; j < n; j += PANEL) {
        const size_t width = round_lanes(smaller(PANEL, n - j));
        tile(rows, step, panels, units, NULL, result + j, stride, width, bf);
        panels += units * width;
    }
}

// Writes `rows` rows of `width` columns of a strip as elements, each row times its factor if there are any.
INLINE void store_strip(const float *strip, size_t stride, const float *factors, char *out, size_t row_bytes,
                        size_t rows, size_t width, const bool bf) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < width; j += LANES) {
            vf v = load(strip + i * stride + j);
            if (factors) v *= factors[i];
            store_element(out + i * row_bytes, j, v, width - j, bf);
        }
}

INLINE void attention_forward_of(const umae_attention *h, void *scratch, const bool bf) {
    const size_t queries = h->queries, tokens = h->tokens, width = h->width, columns = round_lanes(tokens), size = element_size(bf);
    const size_t in = h->stride * size, out = h->out_stride * size, padded = round_lanes(width);
    const attention_scratch s = attention_layout(tokens, width, scratch, false, bf);
    pack_panels(h->k, h->stride, true, width, 0, tokens, s.key_columns, bf, bf);
    pack_panels(h->v, h->stride, false, tokens, 0, width, s.key_rows, bf, bf);
    for (size_t row = 0; row < queries; row += TILE_ROWS) {
        const size_t rows = smaller(TILE_ROWS, queries - row);
        const uint32_t *tile_row[TILE_ROWS];
        float factors[TILE_ROWS];
        tile_rows(tile_row, (const char *)h->q + row * in, in, rows);
        tile_strip(tile_row, 1, s.key_columns, units_of(width, bf), tokens, s.scores, columns, bf);
        for (size_t i = 0; i < rows; i++) {
            float *score = s.scores + i * columns;
            char *p = (char *)s.tile_operand + i * columns * size;
            vf highest = splat(-INFINITY);
            for (size_t j = 0; j < tokens; j += LANES) {
                vf v = load(score + j);
                if (tokens - j < LANES) v = mask_tail(v, tokens - j, -INFINITY);
                // NaN may be lost here; its exponential makes the row NaN all the same.
                highest = blend(v > highest, v, highest);
            }
            const float top = max_lanes(highest);
            vf total = splat(0);
            for (size_t j = 0; j < tokens; j += LANES) {
                vf e = exp_of((load(score + j) - top) * h->scale, bf);
                if (tokens - j < LANES) e = tail_mask(e, tokens - j);
                total += e;
                store_element(p, j, e, LANES, bf);
            }
            const float sum = sum_lanes(total);
            factors[i] = 1 / sum;
            if (h->logsumexp) h->logsumexp[row + i] = top * h->scale + logf(sum);
        }
        tile_rows(tile_row, s.tile_operand, columns * size, rows);
        tile_strip(tile_row, 1, s.key_rows, units_of(tokens, bf), width, s.scores, padded, bf);
        store_strip(s.scores, padded, factors, (char *)h->out + row * out, out, rows, width, bf);
    }
}

// dX [tokens, width] = Xᵀ-operand · panels, X being P or dS.
INLINE void attention_columns(const uint32_t *operand, const uint32_t *panels, void *d, size_t row_bytes,
                              const umae_attention *h, float *strip, const bool bf) {
    const size_t tokens = h->tokens, columns = round_lanes(tokens), padded = round_lanes(h->width);
    for (size_t row = 0; row < tokens; row += TILE_ROWS) {
        const size_t rows = smaller(TILE_ROWS, tokens - row);
        const uint32_t *tile_row[TILE_ROWS];
        tile_rows(tile_row, operand + row, sizeof(uint32_t), rows);
        tile_strip(tile_row, columns, panels, units_of(h->queries, bf), h->width, strip, padded, bf);
        store_strip(strip, padded, NULL, (char *)d + row * row_bytes, row_bytes, rows, h->width, bf);
    }
}

// Keeps a tile of P or dS for the products over the tokens: rows as they are, or two rows in one unit.
INLINE void keep_tile(const float *strip, uint32_t *operand, size_t row, size_t rows, size_t columns, const bool bf) {
    for (size_t i = 0; i < rows; i += bf ? 2 : 1) {
        uint32_t *out = operand + units_of(row + i, bf) * columns;
        const char *first = (const char *)(strip + i * columns);
        const char *second = bf && i + 1 < rows ? first + columns * sizeof(float) : NULL;
        for (size_t j = 0; j < columns; j += LANES)
            *(vu_unaligned *)(out + j) = column_units(first, second, j, LANES, NULL, false, bf);
    }
}

// With P = softmax(scale·QKᵀ) and dP = dO·Vᵀ: dV = Pᵀ·dO, dS = scale·P∘(dP - Σ P∘dP), dQ = dS·K, dK = dSᵀ·Q.
INLINE void attention_backward_of(const umae_attention *h, void *scratch, const bool bf) {
    const size_t queries = h->queries, tokens = h->tokens, width = h->width, columns = round_lanes(tokens);
    const size_t size = element_size(bf);
    const size_t in = h->stride * size, upstream = h->d_out_stride * size, down = h->d_stride * size;
    const size_t padded = round_lanes(width);
    const attention_scratch s = attention_layout(tokens, width, scratch, true, bf);
    pack_panels(h->k, h->stride, true, width, 0, tokens, s.key_columns, bf, bf);
    pack_panels(h->v, h->stride, true, width, 0, tokens, s.value_columns, bf, bf);
    pack_panels(h->k, h->stride, false, tokens, 0, width, s.key_rows, bf, bf);
    pack_panels(h->q, h->stride, false, queries, 0, width, s.query_rows, bf, bf);
    pack_panels(h->d_out, h->d_out_stride, false, queries, 0, width, s.output_rows, bf, bf);
    for (size_t row = 0; row < queries; row += TILE_ROWS) {
        const size_t rows = smaller(TILE_ROWS, queries - row);
        const uint32_t *tile_row[TILE_ROWS];
        tile_rows(tile_row, (const char *)h->q + row * in, in, rows);
        tile_strip(tile_row, 1, s.key_columns, units_of(width, bf), tokens, s.scores, columns, bf);
        tile_rows(tile_row, (const char *)h->d_out + row * upstream, upstream, rows);
        tile_strip(tile_row, 1, s.value_columns, units_of(width, bf), tokens, s.gradients, columns, bf);
        for (size_t i = 0; i < rows; i++) {
            float *score = s.scores + i * columns, *gradient = s.gradients + i * columns;
            char *operand = (char *)s.tile_operand + i * columns * size;
            const float shift = h->logsumexp[row + i];
            vf total = splat(0);
            for (size_t j = 0; j < tokens; j += LANES) {
                // At most 1; of large scores the sum's logarithm may be rounded to far less than the largest of them.
                vf p = exp_of(not_positive(load(score + j) * h->scale - shift), bf);
                if (tokens - j < LANES) p = tail_mask(p, tokens - j);
                store(score + j, p);
                total += p * load(gradient + j);
            }
            const float dot = sum_lanes(total);
            for (size_t j = 0; j < tokens; j += LANES) {
                vf d = load(score + j) * (load(gradient + j) - dot) * h->scale;
                store(gradient + j, d);
                store_element(operand, j, d, LANES, bf);
            }
        }
        keep_tile(s.scores, s.p, row, rows, columns, bf);
        keep_tile(s.gradients, s.ds, row, rows, columns, bf);
        tile_rows(tile_row, s.tile_operand, columns * size, rows);
        tile_strip(tile_row, 1, s.key_rows, units_of(tokens, bf), width, s.scores, padded, bf);
        store_strip(s.scores, padded, NULL, (char *)h->dq + row * down, down, rows, width, bf);
    }
    attention_columns(s.p, s.output_rows, h->dv, down, h, s.scores, bf);
    attention_columns(s.ds, s.query_rows, h->dk, down, h, s.scores, bf);
}

void KERNEL(attention_forward)(const umae_attention *h, void *scratch) {
    if (h->type == UMAE_BF16) attention_forward_of(h, scratch, true);
    else attention_forward_of(h, scratch, false);
}

void KERNEL(attention_backward)(const umae_attention *h, void *scratch) {
    if (h->type == UMAE_BF16) attention_backward_of(h, scratch, true);
    else attention_backward_of(h, scratch, false);
}
