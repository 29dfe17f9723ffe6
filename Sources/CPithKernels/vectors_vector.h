// Rows of sums of codewords, decoded or multiplied with one token, a part of kernels_vector.h. A codeword is read as
// it lies, in float16: its table stays in the first cache, and one load and one conversion give 8 weights, fewer
// than a table of the codewords' products with the token would cost to make.

typedef _Float16 f16x8 __attribute__((vector_size(16)));
typedef _Float16 f16x4 __attribute__((vector_size(8)));

INLINE f32x8 eight_halves(const uint8_t *p) {
  f16x8 v;
  memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, f32x8);
}

INLINE f32x4 four_halves(const uint8_t *p) {
  f16x4 v;
  memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, f32x4);
}

/// Where the codewords of a run lie.
typedef struct {
  const uint8_t *codewords[16];
} vector_run;

INLINE size_t code_at(const int bits, const uint8_t *row, size_t index, pith_code_stream *codes) {
  return bits == 8 ? row[index] : pith_next_code(codes);
}

/// Writes, or multiplies with x and adds up, the sums of the `books` codewords of every run of a row.
INLINE float vectors_row(
  const int bits, const size_t books, const size_t dimension, const pith_vectors *m, size_t row, const float *x,
  float *out) {
  const size_t book_bytes = (dimension * 2) << m->bits, set_bytes = book_bytes * books;
  const uint8_t *row_codes = m->codes + row * m->row_bytes;
  pith_code_stream codes = pith_codes_of_row(m, row);
  const float scale = pith_vectors_scale(m, row);
  f32x8 sums = {0};
  f32x4 short_sums = {0};
  float rest = 0;
  size_t index = 0, set = 0;
  for (size_t start = 0; start < m->columns; start += dimension) {
    vector_run run;
    const uint8_t *book = m->tables + set * set_bytes;
    for (size_t b = 0; b < books; b++, book += book_bytes) {
      run.codewords[b] = book + code_at(bits, row_codes, index++, &codes) * dimension * 2;
    }
    if (++set == m->sets) set = 0;
    const size_t count = smaller(dimension, m->columns - start);
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
      f32x8 value = eight_halves(run.codewords[0] + 2 * i);
      for (size_t b = 1; b < books; b++) value += eight_halves(run.codewords[b] + 2 * i);
      if (out) {
        value *= scale;
        memcpy(out + start + i, &value, sizeof value);
      } else {
        f32x8 activation;
        memcpy(&activation, x + start + i, sizeof activation);
        sums += value * activation;
      }
    }
    if (i + 4 <= count) {
      f32x4 value = four_halves(run.codewords[0] + 2 * i);
      for (size_t b = 1; b < books; b++) value += four_halves(run.codewords[b] + 2 * i);
      if (out) {
        value *= scale;
        memcpy(out + start + i, &value, sizeof value);
      } else {
        f32x4 activation;
        memcpy(&activation, x + start + i, sizeof activation);
        short_sums += value * activation;
      }
      i += 4;
    }
    for (; i < count; i++) {
      float value = half_at(run.codewords[0] + 2 * i);
      for (size_t b = 1; b < books; b++) value += half_at(run.codewords[b] + 2 * i);
      if (out) {
        out[start + i] = value * scale;
      } else {
        rest += value * x[start + i];
      }
    }
  }
  short_sums += __builtin_shufflevector(sums, sums, 0, 1, 2, 3) + __builtin_shufflevector(sums, sums, 4, 5, 6, 7);
  return (((short_sums[0] + short_sums[1]) + (short_sums[2] + short_sums[3])) + rest) * scale;
}

TARGET static void vectors_decode(const pith_vectors *m, size_t row, float *out) {
  if (m->bits == 8 && m->dimension == 8 && m->codebooks == 2) {
    vectors_row(8, 2, 8, m, row, NULL, out);
  } else {
    vectors_row(0, m->codebooks, m->dimension, m, row, NULL, out);
  }
}

TARGET static void vectors_product(const pith_vectors *m, const float *x, size_t first, size_t last, float *y) {
  for (size_t row = first; row < last; row++) {
    if (m->bits == 8 && m->dimension == 8 && m->codebooks == 2) {
      y[row] = vectors_row(8, 2, 8, m, row, x, NULL);
    } else if (m->bits == 8 && m->dimension == 4 && m->codebooks == 1) {
      y[row] = vectors_row(8, 1, 4, m, row, x, NULL);
    } else {
      y[row] = vectors_row(0, m->codebooks, m->dimension, m, row, x, NULL);
    }
  }
}

// --- The search for codewords ---

TARGET static void subtract_products(
  const float *base, const float *factors, const float *rows, size_t row_count, size_t count, float *out) {
  size_t k = 0;
  for (; k + 2 * LANES <= count; k += 2 * LANES) {
    lanes a = load(base + k), b = load(base + k + LANES);
    for (size_t j = 0; j < row_count; j++) {
      a -= factors[j] * load(rows + j * count + k);
      b -= factors[j] * load(rows + j * count + k + LANES);
    }
    store(out + k, a);
    store(out + k + LANES, b);
  }
  for (; k < count; k++) {
    float value = base[k];
    for (size_t j = 0; j < row_count; j++) value -= factors[j] * rows[j * count + k];
    out[k] = value;
  }
}

TARGET static void sum_rows(
  const float *base, const float *const *rows, size_t row_count, size_t count, float *out) {
  size_t k = 0;
  for (; k + LANES <= count; k += LANES) {
    lanes sum = load(base + k);
    for (size_t j = 0; j < row_count; j++) sum += load(rows[j] + k);
    store(out + k, sum);
  }
  for (; k < count; k++) {
    float sum = base[k];
    for (size_t j = 0; j < row_count; j++) sum += rows[j][k];
    out[k] = sum;
  }
}

INLINE ints count_up(void) {
  ints v;
  UNROLLED for (int lane = 0; lane < LANES; lane++) v[lane] = lane;
  return v;
}

/// The search with a number of rows that the compiler may know.
INLINE size_t lowest_of(
  const float *base, const float *const *rows, const size_t row_count, size_t count, float *lowest) {
  // The smallest sum of each lane, and where it was first found.
  lanes least = all(INFINITY);
  ints places = {0}, here = count_up();
  size_t k = 0;
  for (; k + LANES <= count; k += LANES) {
    lanes sum = load(base + k);
    for (size_t j = 0; j < row_count; j++) sum += load(rows[j] + k);
    const ints is_less = sum < least;
    least = (lanes)(((ints)sum & is_less) | ((ints)least & ~is_less));
    places = (here & is_less) | (places & ~is_less);
    here += LANES;
  }
  *lowest = __builtin_reduce_min(least);
  const ints is_lowest = least == all(*lowest);
  size_t index = (size_t)__builtin_reduce_min((places & is_lowest) | (INT32_MAX & ~is_lowest));
  for (; k < count; k++) {
    float sum = base[k];
    for (size_t j = 0; j < row_count; j++) sum += rows[j][k];
    if (sum < *lowest) {
      *lowest = sum;
      index = k;
    }
  }
  return index;
}

TARGET static size_t lowest_sum(
  const float *base, const float *const *rows, size_t row_count, size_t count, float *lowest) {
  if (count < LANES) return pith_kernels_scalar.lowest_sum(base, rows, row_count, count, lowest);
  switch (row_count) {
  case 0: return lowest_of(base, rows, 0, count, lowest);
  case 1: return lowest_of(base, rows, 1, count, lowest);
  default: return lowest_of(base, rows, row_count, count, lowest);
  }
}
