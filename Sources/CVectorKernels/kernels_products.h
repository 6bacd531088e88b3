// Matrix products with what follows them; included by kernels_body.h.

// Rows of C whose operand A stays in the second-level cache, and columns whose partial sums do.
#define BLOCK_ROWS (16 * TILE_ROWS)
#define BLOCK_COLUMNS 768
// Units of K after which a panel of B would no longer stay near the core.
INLINE size_t block_units(const bool bf) { return bf ? 384 : 256; }

// Rows of both operands of a weight gradient that are packed at once.
INLINE size_t piece_rows(const bool bf) { return bf ? 3072 : 1024; }

// Which parts of a product there are; see umae_product.
enum { BIAS = 1, RESIDUAL = 2, RESULT = 4, OUTPUT = 8, GELU_INPUT = 16, GELU = 32, ROW_SCALE = 64 };

INLINE int parts_of(const umae_product *p) {
    return (p->bias ? BIAS : 0) | (p->residual ? RESIDUAL : 0) | (p->c ? RESULT : 0) | (p->y ? OUTPUT : 0) |
           (p->z ? GELU_INPUT : 0) | (p->g ? GELU : 0) | (p->row_scale ? ROW_SCALE : 0);
}

// Bias, factor, residual, GELU and conversion of one tile, whose sums are in `sums`.
INLINE void finish_parts(const umae_product *p, const float *sums, size_t row0, size_t rows, size_t column0,
                         size_t columns, const int parts, const bool is_whole, const bool bf) {
    const size_t size = element_size(bf);
    for (size_t i = 0; i < rows; i++) {
        const size_t row = row0 + i;
        const float *residual = p->residual + row * p->residual_stride + column0;
        float *c = p->c + row * p->c_stride + column0;
        char *y = (char *)p->y + (row * p->y_stride + column0) * size;
        char *g = (char *)p->g + (row * p->g_stride + column0) * size;
        const char *z = (const char *)p->z + (row * p->z_stride + column0) * size;
        for (size_t j = 0; j < columns; j += LANES) {
            const size_t n = is_whole ? LANES : columns - j;
            vf v = load(sums + i * PANEL + j);
            if (parts & BIAS) v += load_n(p->bias + column0 + j, n);
            if (parts & ROW_SCALE) v *= p->row_scale[row];
            if (parts & RESIDUAL) v += load_n(residual + j, n);
            if (parts & GELU_INPUT) {
                vf x = load_element(z, j, n, bf);
                vf cdf = gelu_cdf(x, bf);
                v *= gelu_slope(x, cdf, bf);
                if (parts & GELU) store_element(g, j, gelu_of(x, cdf), n, bf);
            }
            if (parts & RESULT) store_n(c + j, v, n);
            if (parts & OUTPUT) store_element(y, j, v, n, bf);
            if ((parts & GELU) && !(parts & GELU_INPUT)) {
                // Rounded as stored, so that backward finds the same.
                if (bf) v = widen(narrow(v));
                store_element(g, j, gelu_of(v, gelu_cdf(v, bf)), n, bf);
            }
        }
    }
}

// The combinations that layers use are compiled on their own, so that nothing is decided inside the loops.
INLINE void finish_tile(const umae_product *p, const float *sums, size_t row, size_t rows, size_t column,
                        size_t columns, const int parts, const bool bf) {
#define FINISH(parts, is_whole) finish_parts(p, sums, row, rows, column, columns, parts, is_whole, bf)
#define CASE(constant)                                                                                                \
    case constant:                                                                                                    \
        FINISH(constant, true);                                                                                       \
        break
    switch (columns % LANES == 0 ? parts : -1) {
        CASE(BIAS | OUTPUT);
        CASE(BIAS | OUTPUT | GELU);
        CASE(BIAS | GELU);
        CASE(BIAS | RESIDUAL | RESULT);
        CASE(BIAS | ROW_SCALE | RESIDUAL | RESULT);
        CASE(BIAS | RESULT);
        CASE(OUTPUT);
        CASE(OUTPUT | GELU_INPUT | GELU);
        CASE(RESULT);
        CASE(RESIDUAL | RESULT);
    default: FINISH(parts, false);
    }
#undef CASE
#undef FINISH
}

typedef struct product_scratch {
    uint32_t *a, *b;
    float *partial;
    size_t count;
} product_scratch;

// Where in `base`, in units of 32 bits, the parts of the scratch memory lie.
INLINE product_scratch lay_out(const umae_product *p, uint32_t *base, const bool bf) {
    const size_t units = units_of(p->k, bf);
    product_scratch s = {0};
    s.a = base;
    s.count += p->a_transposed ? units * round_lanes(BLOCK_ROWS) : 0;
    s.b = base + s.count;
    s.count += p->b_packed ? 0 : units * round_lanes(smaller(p->n, BLOCK_COLUMNS));
    s.partial = (float *)(base + s.count);
    s.count += units > block_units(bf) ? BLOCK_ROWS * round_lanes(smaller(p->n, BLOCK_COLUMNS)) : 0;
    return s;
}

// Whether the sum is formed in pieces: a product of two tall operands that goes to C alone.
INLINE bool is_divided(const umae_product *p) {
    return p->a_transposed && !p->b_packed && !p->b_transposed && (parts_of(p) & ~(RESIDUAL | RESULT)) == 0;
}

size_t KERNEL(multiply_scratch)(const umae_product *p) {
    const bool bf = p->type == UMAE_BF16;
    umae_product part = *p;
    if (is_divided(p)) part.k = smaller(p->k, piece_rows(bf));
    return lay_out(&part, NULL, bf).count * sizeof(uint32_t);
}

// Rows row0 ..< row0 + rows and columns column0 ..< column0 + columns of the product.
INLINE void product_block(const umae_product *p, const uint32_t *b, product_scratch s, size_t row0, size_t rows,
                          size_t column0, size_t columns, const bool bf) {
    const size_t units = units_of(p->k, bf), most = block_units(bf);
    const size_t row_bytes = p->a_transposed ? sizeof(uint32_t) : p->a_stride * element_size(bf);
    const size_t step = p->a_transposed ? round_lanes(BLOCK_ROWS) : 1;
    const char *a = p->a_transposed ? (const char *)s.a : (const char *)p->a + row0 * row_bytes;
    const int parts = parts_of(p);
    const size_t partial_stride = round_lanes(smaller(p->n, BLOCK_COLUMNS));
    for (size_t first = 0; first < units; first += most) {
        const size_t count = smaller(most, units - first);
        const bool is_last = first + count == units;
        const uint32_t *panels = b;
        for (size_t j = 0; j < columns; j += PANEL) {
            const size_t valid = smaller(PANEL, columns - j), width = round_lanes(valid);
            const uint32_t *panel = panels + first * width;
            panels += units * width;
            for (size_t i = 0; i < rows; i += TILE_ROWS) {
                const uint32_t *tile_row[TILE_ROWS];
                tile_rows(tile_row, a + i * row_bytes + first * step * sizeof(uint32_t), row_bytes, rows - i);
                float *partial = s.partial + i * partial_stride + j;
                if (!is_last) {
                    tile(tile_row, step, panel, count, first ? partial : NULL, partial, partial_stride, width, bf);
                    continue;
                }
                _Alignas(64) float sums[TILE_ROWS * PANEL];
                if (first) // The partial sums have another stride than the tile.
                    for (size_t r = 0; r < TILE_ROWS; r++)
                        memcpy(sums + r * PANEL, partial + r * partial_stride, width * sizeof(float));
                tile(tile_row, step, panel, count, first ? sums : NULL, sums, PANEL, width, bf);
                finish_tile(p, sums, row0 + i, smaller(TILE_ROWS, rows - i), column0 + j, valid, parts, bf);
            }
        }
    }
}

INLINE void product_of(const umae_product *p, void *scratch, const bool bf) {
    const product_scratch s = lay_out(p, scratch, bf);
    const size_t units = units_of(p->k, bf);
    for (size_t column = 0; column < p->n; column += BLOCK_COLUMNS) {
        const size_t columns = smaller(BLOCK_COLUMNS, p->n - column);
        const uint32_t *b = s.b;
        if (p->b_packed) b = (const uint32_t *)p->b + units * column;
        else pack_panels(p->b, p->b_stride, p->b_transposed, p->k, column, columns, s.b, bf, bf);
        for (size_t row = 0; row < p->m; row += BLOCK_ROWS) {
            const size_t rows = smaller(BLOCK_ROWS, p->m - row);
            if (p->a_transposed) {
                const bool adds = p->a_sums && column == 0;
                // The columns of A are summed while they pass by.
                vf sums[BLOCK_ROWS / LANES + 1] = {0};
                if (adds)
                    pack_strip(p->a, p->a_stride, false, p->k, row, rows, round_lanes(BLOCK_ROWS), 0, units, s.a, sums,
                               bf, bf);
                else
                    pack_strip(p->a, p->a_stride, false, p->k, row, rows, round_lanes(BLOCK_ROWS), 0, units, s.a, NULL,
                               bf, bf);
                for (size_t i = 0; adds && i < rows; i += LANES) {
                    float *total = p->a_sums + row + i;
                    store_n(total, load_n(total, rows - i) + sums[i / LANES], rows - i);
                }
            }
            product_block(p, b, s, row, rows, column, columns, bf);
            if (umae_meanwhile.body) umae_meanwhile.body(umae_meanwhile.context);
        }
    }
}

// A weight gradient sums over many rows: in pieces whose packed operands stay in the caches, each added to the result.
INLINE void product_in_pieces(const umae_product *whole, void *scratch, const bool bf) {
    const size_t piece = piece_rows(bf), size = element_size(bf);
    if (whole->k <= piece || !is_divided(whole)) {
        product_of(whole, scratch, bf);
        return;
    }
    umae_product p = *whole;
    for (size_t row = 0; row < whole->k; row += piece) {
        p.k = smaller(piece, whole->k - row);
        p.a = (const char *)whole->a + row * whole->a_stride * size;
        p.b = (const char *)whole->b + row * whole->b_stride * size;
        if (row > 0) {
            p.residual = whole->c;
            p.residual_stride = whole->c_stride;
        }
        product_of(&p, scratch, bf);
    }
}

void KERNEL(multiply)(const umae_product *p, void *scratch) {
    if (p->type == UMAE_BF16) product_in_pieces(p, scratch, true);
    else product_in_pieces(p, scratch, false);
}

void KERNEL(pack)(umae_type type, const float *b, size_t stride, bool transposed, size_t k, size_t first_column,
                  size_t columns, void *packed) {
    uint32_t *out = (uint32_t *)packed + units_of(k, type == UMAE_BF16) * first_column;
    if (type == UMAE_BF16) pack_panels(b, stride, transposed, k, first_column, columns, out, false, true);
    else pack_panels(b, stride, transposed, k, first_column, columns, out, false, false);
}
