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
  if (m->sets == 1 && m->bits <= 8) {
    if (m->dimension == 8 && m->codebooks == 2) return vectors_row(false, 2, 8, 1, m, row, x, out);
    if (m->dimension == 6 && m->codebooks == 2) return vectors_row(false, 2, 6, 1, m, row, x, out);
    if (m->dimension == 4 && m->codebooks == 2) return vectors_row(false, 2, 4, 1, m, row, x, out);
    if (m->dimension == 4 && m->codebooks == 1) return vectors_row(false, 1, 4, 1, m, row, x, out);
    if (m->dimension == 2 && m->codebooks == 1) return vectors_row(false, 1, 2, 1, m, row, x, out);
  }
  if (m->dimension == 4 && m->codebooks == 1 && m->bits <= 8) return vectors_row(false, 1, 4, m->sets, m, row, x, out);
  if (m->dimension == 3 && m->codebooks == 1 && m->bits > 8) return vectors_row(true, 1, 3, m->sets, m, row, x, out);
  if (m->bits > 8) return vectors_row(true, m->codebooks, m->dimension, m->sets, m, row, x, out);
  return vectors_row(false, m->codebooks, m->dimension, m->sets, m, row, x, out);
}

TARGET static void vectors_decode(const pith_vectors *m, size_t row, float *out) {
  any_vectors_row(m, row, NULL, out);
}

// --- One token ---

/// How many floats decoded codewords may take: half of the first cache.
#define TABLE 4096

/// The codewords of a matrix in float32, each filled up with zeros to 4 or 8 components.
typedef struct {
  __attribute__((aligned(64))) float values[TABLE];
  uint32_t firsts[PIECE];  ///< where the codeword lies that code 0 stands for, for each code of a piece
  size_t width, piece;     ///< a piece has whole rounds through all sets of codebooks, a multiple of 8 of them
} word_table;

/// Whether the codewords are few enough to be decoded for each turn of rows.
INLINE bool has_word_table(const pith_vectors *m) {
  const size_t codes = m->sets * m->codebooks, width = m->dimension <= 4 ? 4 : 8;
  return m->dimension <= 8 && codes * 8 <= PIECE && (codes << m->bits) * width <= TABLE;
}

INLINE void decode_words(const pith_vectors *m, word_table *table) {
  const size_t codes = m->sets * m->codebooks, words = codes << m->bits, dimension = m->dimension;
  table->width = dimension <= 4 ? 4 : 8;
  table->piece = PIECE / (8 * codes) * 8 * codes;
  for (size_t i = 0; i < table->piece; i += codes) {
    for (size_t j = 0; j < codes; j++) table->firsts[i + j] = (uint32_t)((j << m->bits) * table->width);
  }
  half_decode((const uint16_t *)m->tables, words * dimension, table->values);
  if (dimension == table->width) return;
  // From the last on, as each moves back.
  for (size_t word = words; word-- > 0;) {
    float *target = table->values + word * table->width;
    memmove(target, table->values + word * dimension, dimension * sizeof(float));
    for (size_t i = dimension; i < table->width; i++) target[i] = 0;
  }
}

/// Where in the table the codewords of a piece of a row lie.
INLINE void find_words(
  const pith_vectors *m, const word_table *table, size_t row, size_t first, size_t count, uint32_t *places) {
  const uint8_t *codes = m->codes + row * m->row_bytes;
  const uint32_t width = (uint32_t)table->width;
  if (m->bits <= 8) {
    uint8_t buffer[PIECE];
    const uint8_t *narrow = unpacked(codes, m->bits, first, count, buffer);
    for (size_t i = 0; i < count; i++) places[i] = narrow[i] * width + table->firsts[i];
    return;
  }
  const size_t bits = (size_t)m->bits;
  const uint64_t mask = (1u << bits) - 1;
  size_t i = 0;
  // Four at a time, while eight bytes can be read.
  for (; (first + i) * bits / 8 + 8 <= m->row_bytes && i + 4 <= count; i += 4) {
    const size_t bit = (first + i) * bits;
    uint64_t word;
    memcpy(&word, codes + bit / 8, sizeof word);
    word >>= bit % 8;
    UNROLLED for (size_t j = 0; j < 4; j++) places[i + j] = (uint32_t)(word >> (j * bits) & mask) * width + table->firsts[i + j];
  }
  for (; i < count; i++) {
    const size_t bit = (first + i) * bits;
    uint32_t word = 0;
    memcpy(&word, codes + bit / 8, smaller(4, m->row_bytes - bit / 8));
    places[i] = (uint32_t)(word >> bit % 8 & mask) * width + table->firsts[i];
  }
}

/// The runs of a row for which `width` activations can be read.
INLINE size_t runs_within(size_t columns, size_t dimension, size_t width) {
  return columns < width ? 0 : (columns - width) / dimension + 1;
}

/// Defines the product of a token with a row whose codewords have as many components as a VECTOR. The runs at the end, for which x would
/// be read too far, take the activations from `tail`.
#define WORDS_ROW(NAME, VECTOR) \
  INLINE VECTOR NAME##_at(const float *p) { \
    VECTOR v; \
    memcpy(&v, p, sizeof v); \
    return v; \
  } \
  INLINE VECTOR NAME##_sum(const size_t books, const word_table *table, const uint32_t *places) { \
    VECTOR sum = NAME##_at(table->values + places[0]); \
    for (size_t b = 1; b < books; b++) sum += NAME##_at(table->values + places[b]); \
    return sum; \
  } \
  INLINE float NAME( \
    const size_t books, const pith_vectors *m, const word_table *table, size_t row, const float *x, const float *tail) { \
    const size_t dimension = m->dimension, runs = (m->columns + dimension - 1) / dimension; \
    const size_t inner = runs_within(m->columns, dimension, table->width), step = table->piece / books; \
    VECTOR sums[4] = {{0}, {0}, {0}, {0}}; \
    uint32_t places[PIECE]; \
    for (size_t first = 0; first < runs; first += step) { \
      const size_t count = smaller(step, runs - first); \
      find_words(m, table, row, first * books, count * books, places); \
      const size_t stop = inner < first ? 0 : smaller(count, inner - first); \
      const float *activations = x + first * dimension; \
      size_t i = 0; \
      for (; i + 4 <= stop; i += 4) { \
        UNROLLED for (size_t k = 0; k < 4; k++) { \
          sums[k] += NAME##_sum(books, table, places + (i + k) * books) * NAME##_at(activations + (i + k) * dimension); \
        } \
      } \
      for (; i < count; i++) { \
        const float *from = i < stop ? activations + i * dimension : tail + (first + i - inner) * dimension; \
        sums[0] += NAME##_sum(books, table, places + i * books) * NAME##_at(from); \
      } \
    } \
    const VECTOR total = (sums[0] + sums[1]) + (sums[2] + sums[3]); \
    float sum = 0; \
    UNROLLED for (size_t i = 0; i < sizeof total / 4; i++) sum += total[i]; \
    return sum * pith_vectors_scale(m, row); \
  }

WORDS_ROW(words_row4, f32x4)
WORDS_ROW(words_row8, f32x8)

TARGET static void vectors_product(const pith_vectors *m, const float *x, size_t first, size_t last, float *y) {
  if (!has_word_table(m)) {
    for (size_t row = first; row < last; row++) y[row] = any_vectors_row(m, row, x, NULL);
    return;
  }
  word_table table;
  decode_words(m, &table);
  const size_t read = runs_within(m->columns, m->dimension, table.width) * m->dimension;
  float tail[24] = {0};
  if (read < m->columns) memcpy(tail, x + read, (m->columns - read) * sizeof(float));
  for (size_t row = first; row < last; row++) {
    switch (table.width / 4 * 4 + (m->codebooks < 3 ? m->codebooks : 0)) {
    case 5: y[row] = words_row4(1, m, &table, row, x, tail); break;
    case 6: y[row] = words_row4(2, m, &table, row, x, tail); break;
    case 4: y[row] = words_row4(m->codebooks, m, &table, row, x, tail); break;
    case 9: y[row] = words_row8(1, m, &table, row, x, tail); break;
    case 10: y[row] = words_row8(2, m, &table, row, x, tail); break;
    default: y[row] = words_row8(m->codebooks, m, &table, row, x, tail); break;
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
