// Rows of sums of codewords, decoded or multiplied with one token, and the search for codewords; a part of
// kernels_vector.h. A codeword is read as it lies, in float16: small tables stay in the first cache.

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

/// What the runs of a row have added up to.
typedef struct {
  f32x8 eights;
  f32x4 fours;
  float ones;
} vector_sums;

/// Writes the sum of a run's codewords, or multiplies it with x and adds it up.
INLINE void vectors_run(
  const size_t books, const size_t count, const uint8_t *const *words, float scale, const float *x, float *out,
  size_t start, vector_sums *sums) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    f32x8 value = eight_halves(words[0] + 2 * i);
    for (size_t b = 1; b < books; b++) value += eight_halves(words[b] + 2 * i);
    if (out) {
      value *= scale;
      memcpy(out + start + i, &value, sizeof value);
    } else {
      f32x8 activation;
      memcpy(&activation, x + start + i, sizeof activation);
      sums->eights += value * activation;
    }
  }
  if (i + 4 <= count) {
    f32x4 value = four_halves(words[0] + 2 * i);
    for (size_t b = 1; b < books; b++) value += four_halves(words[b] + 2 * i);
    if (out) {
      value *= scale;
      memcpy(out + start + i, &value, sizeof value);
    } else {
      f32x4 activation;
      memcpy(&activation, x + start + i, sizeof activation);
      sums->fours += value * activation;
    }
    i += 4;
  }
  if (i < count && count >= 4) {
    // The last four once more, without those that are counted already.
    const size_t last = count - 4;
    const f32x4 is_new[4] = {{1, 1, 1, 1}, {0, 1, 1, 1}, {0, 0, 1, 1}, {0, 0, 0, 1}};
    f32x4 value = four_halves(words[0] + 2 * last);
    for (size_t b = 1; b < books; b++) value += four_halves(words[b] + 2 * last);
    if (out) {
      value *= scale;
      memcpy(out + start + last, &value, sizeof value);
    } else {
      f32x4 activation;
      memcpy(&activation, x + start + last, sizeof activation);
      sums->fours += value * (activation * is_new[i - last]);
    }
    i = count;
  }
  for (; i < count; i++) {
    float value = half_at(words[0] + 2 * i);
    for (size_t b = 1; b < books; b++) value += half_at(words[b] + 2 * i);
    if (out) {
      out[start + i] = value * scale;
    } else {
      sums->ones += value * x[start + i];
    }
  }
}

/// Decodes a row to `out`, or gives its product with x where `out` is NULL. Where the compiler knows the sizes, a run
/// is a few instructions.
INLINE float vectors_row(
  const bool is_wide, const size_t books, const size_t dimension, const size_t sets, const pith_vectors *m, size_t row,
  const float *x, float *out) {
  const size_t book_bytes = (dimension * 2) << m->bits, set_bytes = book_bytes * books;
  const size_t runs = (m->columns + dimension - 1) / dimension, whole = m->columns / dimension;
  const float scale = pith_vectors_scale(m, row);
  pith_code_stream stream = pith_codes_of_row(m, row);
  uint8_t narrow[PIECE];
  uint16_t wide[PIECE];
  vector_sums sums[2] = {{{0}, {0}, 0}, {{0}, {0}, 0}};
  size_t set = 0;
  // A multiple of 8 runs, so that their codes start at a byte.
  const size_t step = PIECE / books / 8 * 8;
  for (size_t first = 0; first < runs; first += step) {
    const size_t count = smaller(step, runs - first);
    const uint8_t *codes = narrow;
    if (is_wide) {
      for (size_t i = 0; i < count * books; i++) wide[i] = (uint16_t)pith_next_code(&stream);
    } else {
      codes = unpacked(m->codes + row * m->row_bytes, m->bits, first * books, count * books, narrow);
    }
    for (size_t i = 0; i < count; i += 2) {
      // Two sums, since one would wait for itself.
      UNROLLED for (size_t half = 0; half < 2; half++) {
        const size_t run = first + i + half;
        if (i + half == count) break;
        const uint8_t *words[16];
        const uint8_t *book = m->tables + set * set_bytes;
        for (size_t b = 0; b < books; b++, book += book_bytes) {
          const size_t index = (i + half) * books + b;
          words[b] = book + (is_wide ? wide[index] : codes[index]) * dimension * 2;
        }
        if (sets > 1 && ++set == sets) set = 0;
        if (run < whole) {
          vectors_run(books, dimension, words, scale, x, out, run * dimension, &sums[half]);
        } else {
          vectors_run(books, m->columns - run * dimension, words, scale, x, out, run * dimension, &sums[half]);
        }
      }
    }
  }
  const f32x8 eights = sums[0].eights + sums[1].eights;
  const f32x4 fours = sums[0].fours + sums[1].fours + __builtin_shufflevector(eights, eights, 0, 1, 2, 3)
    + __builtin_shufflevector(eights, eights, 4, 5, 6, 7);
  return ((fours[0] + fours[1]) + (fours[2] + fours[3]) + (sums[0].ones + sums[1].ones)) * scale;
}

/// A row of the common sizes, or of any.
INLINE float any_vectors_row(const pith_vectors *m, size_t row, const float *x, float *out) {
  if (m->bits > 8) return vectors_row(true, m->codebooks, m->dimension, m->sets, m, row, x, out);
  if (m->sets == 1 && m->dimension == 8 && m->codebooks == 2) return vectors_row(false, 2, 8, 1, m, row, x, out);
  if (m->sets == 1 && m->dimension == 6 && m->codebooks == 2) return vectors_row(false, 2, 6, 1, m, row, x, out);
  if (m->sets == 1 && m->dimension == 4 && m->codebooks == 2) return vectors_row(false, 2, 4, 1, m, row, x, out);
  if (m->sets == 1 && m->dimension == 4 && m->codebooks == 1) return vectors_row(false, 1, 4, 1, m, row, x, out);
  return vectors_row(false, m->codebooks, m->dimension, m->sets, m, row, x, out);
}

TARGET static void vectors_decode(const pith_vectors *m, size_t row, float *out) {
  any_vectors_row(m, row, NULL, out);
}

TARGET static void vectors_product(const pith_vectors *m, const float *x, size_t first, size_t last, float *y) {
  for (size_t row = first; row < last; row++) y[row] = any_vectors_row(m, row, x, NULL);
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

/// Four columns together, as each sum waits for itself.
TARGET static void subtract_columns(
  float *w, const float *e, const float *factors, size_t stride, size_t columns, size_t count) {
  for (size_t row = 0; row < 16; row += LANES) {
    size_t j = 0;
    for (; j + 4 <= columns; j += 4) {
      lanes sums[4] = {{0}, {0}, {0}, {0}};
      for (size_t i = 0; i < count; i++) {
        const lanes errors = load(e + 16 * i + row);
        UNROLLED for (size_t k = 0; k < 4; k++) sums[k] += factors[(j + k) * stride + i] * errors;
      }
      UNROLLED for (size_t k = 0; k < 4; k++) {
        float *target = w + 16 * (j + k) + row;
        store(target, load(target) - sums[k]);
      }
    }
    for (; j < columns; j++) {
      lanes sum = {0};
      for (size_t i = 0; i < count; i++) sum += factors[j * stride + i] * load(e + 16 * i + row);
      store(w + 16 * j + row, load(w + 16 * j + row) - sum);
    }
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

/// The search among ways with a number of rows that the compiler may know: the smallest sum of each lane, and the way
/// that it was first found in. Where in that way is looked up at the end.
INLINE size_t lowest_way_of(
  const float *base, const float *starts, const float *const *rows, size_t ways, const size_t row_count, size_t count,
  size_t *index) {
  lanes least = all(INFINITY);
  ints places = {0};
  for (size_t way = 0; way < ways; way++) {
    const float *const *own = rows + way * row_count;
    lanes low = all(INFINITY);
    for (size_t k = 0; k < count; k += LANES) {
      lanes sum = load(base + k);
      for (size_t j = 0; j < row_count; j++) sum += load(own[j] + k);
      low = __builtin_elementwise_min(low, sum);
    }
    low += all(starts[way]);
    const ints is_less = low < least;
    least = (lanes)(((ints)low & is_less) | ((ints)least & ~is_less));
    places = (((ints){0} + (int)way) & is_less) | (places & ~is_less);
  }
  const ints is_lowest = least == all(__builtin_reduce_min(least));
  const size_t best = (size_t)__builtin_reduce_min((places & is_lowest) | (INT32_MAX & ~is_lowest));
  float sum;
  *index = lowest_of(base, rows + best * row_count, row_count, count, &sum);
  return best;
}

TARGET static size_t lowest_way(
  const float *base, const float *starts, const float *const *rows, size_t ways, size_t row_count, size_t count,
  size_t *index) {
  if (count % LANES) return pith_kernels_scalar.lowest_way(base, starts, rows, ways, row_count, count, index);
  if (row_count == 1) return lowest_way_of(base, starts, rows, ways, 1, count, index);
  return lowest_way_of(base, starts, rows, ways, row_count, count, index);
}
