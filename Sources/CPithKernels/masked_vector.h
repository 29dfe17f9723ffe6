// Rows of which a mask says which weights are stored, a part of kernels_vector.h: LANES columns at a time, the next
// stored weights are moved to the lanes that the mask names.

/// A row on its way.
typedef struct {
  const pith_masked *m;
  const float *table;  // of nibbles
  const uint8_t *mask;
  size_t next;  // stored weight
} masked_row;

INLINE masked_row masked_row_at(const pith_masked *m, const small_table *table, size_t row) {
  return (masked_row){m, table->values, m->mask + row * pith_mask_bytes(m->columns), m->starts[row]};
}

INLINE small_table masked_table(const pith_masked *m) {
  small_table table = {{0}};
  if (m->table) memcpy(table.values, m->table, sizeof table.values);
  return table;
}

/// The mask of LANES columns from column k, a multiple of LANES, on.
INLINE uint32_t mask_at(const masked_row *row, size_t k) {
#if LANES == 16
  uint16_t bits;
  memcpy(&bits, row->mask + k / 8, sizeof bits);
  return bits;
#else
  return row->mask[k / 8];
#endif
}

/// `bytes` bytes from byte `start` of `available` on; zeros behind them.
#define STORED(NAME, p, start, bytes, available) \
  uint8_t NAME##_end[(bytes)]; \
  const uint8_t *NAME = (p) + (start); \
  if (!is_inside && (start) + (bytes) > (available)) { \
    memset(NAME##_end, 0, sizeof NAME##_end); \
    if ((start) < (available)) memcpy(NAME##_end, NAME, (available) - (start)); \
    NAME = NAME##_end; \
  }

/// The next LANES stored weights, not scaled; what lies behind the last weight is 0 or anything.
///
/// - is_inside: whether it is known that as many and LANES more follow.
INLINE lanes stored_weights(const masked_row *row, const pith_masked_format format, const bool is_inside) {
  const pith_masked *m = row->m;
  switch (format) {
  case PITH_MASKED_HALF: {
    STORED(p, m->values, 2 * row->next, 2 * LANES, 2 * m->count)
    return halves_at(p);
  }
  case PITH_MASKED_BYTE: {
    STORED(p, m->values, row->next, LANES, m->count)
    return signed_numbers(p);
  }
  default: {
    STORED(p, m->values, row->next / 2, LANES / 2 + 1, (m->count + 1) / 2)
    uint64_t word = 0;
    // No branch foresees whether the first byte is shared.
    const uint64_t odd = row->next % 2;
    if (is_inside && LANES == 8) {
      memcpy(&word, p, sizeof word);
      word >>= 4 * odd;
    } else {
      memcpy(&word, p, LANES / 2);
      word = word >> 4 * odd | odd * p[LANES / 2] << (4 * LANES - 4);
    }
    ints codes;
    UNROLLED for (int lane = 0; lane < LANES; lane++) codes[lane] = (int32_t)(word >> (lane / 8 * 32));
    return look_up(row->table, codes >> count_up() % 8 * 4);
  }
  }
}

/// LANES weights from column k on; 0 times a negative scale would be −0.
INLINE lanes masked_weights(masked_row *row, const pith_masked_format format, size_t k, float scale) {
  const uint32_t bits = mask_at(row, k);
  const lanes v = expand(scale * stored_weights(row, format, false), bits);
  row->next += (size_t)__builtin_popcount(bits);
  return v;
}

INLINE float masked_scale(const pith_masked *m, size_t row, size_t group) {
  return m->scales ? half_at(m->scales + 2 * (row * m->groups + group)) : 1;
}

INLINE void decode_masked(const pith_masked *m, const pith_masked_format format, size_t row, float *out) {
  const small_table table = masked_table(m);
  masked_row r = masked_row_at(m, &table, row);
  for (size_t group = 0; group < m->groups; group++) {
    const size_t stop = smaller((group + 1) * m->group_size, m->columns);
    const float scale = masked_scale(m, row, group);
    for (size_t k = group * m->group_size; k < stop; k += LANES) {
      const lanes v = masked_weights(&r, format, k, scale);
      if (k + LANES <= stop) {
        store(out + k, v);
      } else {
        memcpy(out + k, &v, (stop - k) * sizeof(float));
      }
    }
  }
}

/// For each byte of a mask the number of bits set in it and the bytes before.
INLINE uint64_t counts_up_to(uint64_t bits) {
  uint64_t counts = bits - (bits >> 1 & 0x5555555555555555);
  counts = (counts & 0x3333333333333333) + (counts >> 2 & 0x3333333333333333);
  return (counts + (counts >> 4) & 0x0F0F0F0F0F0F0F0F) * 0x0101010101010101;
}

/// The product of the next columns of a row, from k to `stop`, not scaled.
INLINE lanes multiply_columns(masked_row *r, const pith_masked_format format, const float *x, size_t k, size_t stop) {
  lanes even = {0}, odd = {0};
  for (; k + 2 * LANES <= stop; k += 2 * LANES) {
    even += masked_weights(r, format, k, 1) * load(x + k);
    odd += masked_weights(r, format, k + LANES, 1) * load(x + k + LANES);
  }
  for (; k < stop; k += LANES) {
    even += masked_weights(r, format, k, 1) * (k + LANES <= stop ? load(x + k) : load_part(x + k, stop - k));
  }
  return even + odd;
}

#ifdef spread_halves
/// Scales that are decoded at one time.
#define SCALES_AT_ONCE 64

/// The scales of up to SCALES_AT_ONCE groups of a row from one on; 1 where there are none.
INLINE void masked_scales(const pith_masked *m, size_t row, size_t group, float *scales) {
  const size_t count = smaller(SCALES_AT_ONCE, m->groups - group);
  size_t i = 0;
  for (; m->scales && i + LANES <= count; i += LANES) {
    store(scales + i, halves_at(m->scales + 2 * (row * m->groups + group + i)));
  }
  for (; i < count; i++) scales[i] = masked_scale(m, row, group + i);
}

/// The product of the first columns of a row, scaled: of `groups` groups with `steps` times 64 columns each. A function of its own, since
/// it needs all registers.
static __attribute__((noinline)) TARGET lanes multiply_steps(
  masked_row *r, const pith_masked_format format, size_t row, const float *x, size_t groups, size_t steps) {
  const size_t size = format == PITH_MASKED_HALF ? 2 : 1;
  const uint8_t *p = r->m->values + size * r->next;
  const uint8_t *mask = r->mask;
  float scales[SCALES_AT_ONCE];
  lanes total = {0};
  for (size_t group = 0; group < groups; group++) {
    if (group % SCALES_AT_ONCE == 0) masked_scales(r->m, row, group, scales);
    lanes sums[4] = {{0}, {0}, {0}, {0}};
    for (size_t step = 0; step < steps; step++, mask += 8, x += 64) {
      uint64_t bits;
      memcpy(&bits, mask, sizeof bits);
      const uint64_t ends = size * counts_up_to(bits);
      UNROLLED for (size_t j = 0; j < 8; j++) {
        const uint8_t *own = p + (j == 0 ? 0 : ends >> (8 * j - 8) & 255);
        const uint32_t of8 = bits >> 8 * j & 255;
        sums[j % 4] += (format == PITH_MASKED_HALF ? spread_halves(own, of8) : spread_bytes(own, of8)) * load(x + LANES * j);
      }
      p += ends >> 56;
    }
    total += scales[group % SCALES_AT_ONCE] * ((sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
  r->next = (size_t)(p - r->m->values) / size;
  return total;
}
#endif

INLINE void multiply_masked(
  const pith_masked *m, const pith_masked_format format, const float *x, size_t first, size_t last, float *y) {
  const small_table table = masked_table(m);
  lanes totals[4];
  for (size_t row = first; row < last; row++) {
    masked_row r = masked_row_at(m, &table, row);
    lanes total = {0};
    size_t k = 0;
#ifdef spread_halves
    // Not where a step would read behind the last weight.
    if (format != PITH_MASKED_NIBBLE && r.next + m->columns <= m->count && (m->groups == 1 || m->group_size % 64 == 0)) {
      const size_t groups = m->groups == 1 ? 1 : m->columns / m->group_size;
      const size_t steps = (m->groups == 1 ? m->columns : m->group_size) / 64;
      total = multiply_steps(&r, format, row, x, groups, steps);
      k = groups * steps * 64;
    }
#endif
    while (k < m->columns) {
      const size_t group = k / m->group_size;
      const size_t stop = smaller((group + 1) * m->group_size, m->columns);
      total += masked_scale(m, row, group) * multiply_columns(&r, format, x, k, stop);
      k = stop;
    }
    finish_row(total, totals, row - first, last - first, y + first);
  }
}

#ifdef compress
/// Columns whose activations are packed at a time.
#define PACKED_COLUMNS 512

/// Writes the activations that a mask of LANES columns names behind those before.
INLINE float *pack(float *next, lanes activations, uint32_t bits) {
  store(next, compress(activations, bits));
  return next + __builtin_popcount(bits);
}

/// Writes the activations of the columns from `k` to `stop` that the mask names, scaled, behind those before.
INLINE float *pack_columns(const masked_row *row, const float *x, float scale, size_t k, size_t stop, float *next) {
  for (; k + 64 <= stop; k += 64) {
    uint64_t bits;
    memcpy(&bits, row->mask + k / 8, sizeof bits);
    UNROLLED for (size_t j = 0; j < 8; j++) next = pack(next, scale * load(x + k + LANES * j), bits >> (8 * j) & 255);
  }
  for (; k + LANES <= stop; k += LANES) next = pack(next, scale * load(x + k), mask_at(row, k));
  if (k < stop) next = pack(next, scale * load_part(x + k, stop - k), mask_at(row, k));
  return next;
}

/// The product of the next `count` nibbles with packed activations.
INLINE lanes multiply_packed(masked_row *r, const float *packed, size_t count, const bool is_inside) {
  lanes sums[4] = {{0}, {0}, {0}, {0}};
  size_t k = 0;
  for (; k + 4 * LANES <= count; k += 4 * LANES) {
    UNROLLED for (size_t j = 0; j < 4; j++) {
      sums[j] += stored_weights(r, PITH_MASKED_NIBBLE, is_inside) * load(packed + k + j * LANES);
      r->next += LANES;
    }
  }
  for (; k + LANES <= count; k += LANES) {
    sums[0] += stored_weights(r, PITH_MASKED_NIBBLE, is_inside) * load(packed + k);
    r->next += LANES;
  }
  // Behind the last activation stand zeros.
  sums[1] += stored_weights(r, PITH_MASKED_NIBBLE, is_inside) * load(packed + k);
  r->next += count - k;
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/// Nibbles are dear to spread, so they stay where they are and the activations come to them. The scales
/// of groups go with the activations, as loops over the few weights of a group have lengths that no branch foresees; and many are
/// packed before the first is used, since what is just being written is read slowly.
INLINE void multiply_nibbles(const pith_masked *m, const float *x, size_t first, size_t last, float *y) {
  const small_table table = masked_table(m);
  lanes totals[4];
  float packed[PACKED_COLUMNS + LANES];
  for (size_t row = first; row < last; row++) {
    masked_row r = masked_row_at(m, &table, row);
    lanes total = {0};
    size_t group = 0;
    for (size_t k = 0; k < m->columns;) {
      const size_t stop = smaller(k + PACKED_COLUMNS, m->columns);
      float *next = packed;
      while (k < stop) {
        const size_t end = smaller((group + 1) * m->group_size, stop);
        next = pack_columns(&r, x, masked_scale(m, row, group), k, end, next);
        k = end;
        group += end == (group + 1) * m->group_size;
      }
      store(next, (lanes){0});
      const size_t count = (size_t)(next - packed);
      total += r.next + count + 2 * LANES <= m->count ? multiply_packed(&r, packed, count, true)
                                                      : multiply_packed(&r, packed, count, false);
    }
    finish_row(total, totals, row - first, last - first, y + first);
  }
}
#else
INLINE void multiply_nibbles(const pith_masked *m, const float *x, size_t first, size_t last, float *y) {
  multiply_masked(m, PITH_MASKED_NIBBLE, x, first, last, y);
}
#endif

#if LANES == 8
/// LANES stored weights that stand together, not scaled.
INLINE lanes weights_of_run(const pith_masked *m, const pith_masked_format format, const float *table, size_t run) {
  switch (format) {
  case PITH_MASKED_HALF: return halves_at(m->values + 16 * run);
  case PITH_MASKED_BYTE: return signed_numbers(m->values + 8 * run);
  default: {
    uint32_t word;
    memcpy(&word, m->values + 4 * run, sizeof word);
    return look_up(table, ((ints){0} + (int32_t)word) >> count_up() * 4 & 15);
  }
  }
}

INLINE void multiply_runs(
  const pith_masked *m, const pith_masked_format format, const float *x, size_t first, size_t last, float *y) {
  const small_table table = masked_table(m);
  lanes totals[4];
  for (size_t row = first; row < last; row++) {
    const size_t stop = m->starts[row + 1] / 8;
    lanes sums[4] = {{0}, {0}, {0}, {0}};
    for (size_t run = m->starts[row] / 8; run < stop; run += 4) {
      UNROLLED for (size_t j = 0; j < 4; j++) {
        if (run + j >= stop) break;
        const size_t column = 8 * (size_t)m->runs[run + j];
        lanes v = weights_of_run(m, format, table.values, run + j) * load(x + column);
        if (format != PITH_MASKED_HALF) v *= masked_scale(m, row, column >> m->group_shift);
        sums[j] += v;
      }
    }
    finish_row((sums[0] + sums[1]) + (sums[2] + sums[3]), totals, row - first, last - first, y + first);
  }
}
#endif

TARGET static void masked_decode(const pith_masked *m, size_t row, float *out) {
  switch (m->format) {
  case PITH_MASKED_HALF: decode_masked(m, PITH_MASKED_HALF, row, out); break;
  case PITH_MASKED_BYTE: decode_masked(m, PITH_MASKED_BYTE, row, out); break;
  case PITH_MASKED_NIBBLE: decode_masked(m, PITH_MASKED_NIBBLE, row, out); break;
  }
}

TARGET static void masked_product(const pith_masked *m, const float *x, size_t first, size_t last, float *y) {
#if LANES == 8
  if (m->runs) {
    switch (m->format) {
    case PITH_MASKED_HALF: multiply_runs(m, PITH_MASKED_HALF, x, first, last, y); return;
    case PITH_MASKED_BYTE: multiply_runs(m, PITH_MASKED_BYTE, x, first, last, y); return;
    case PITH_MASKED_NIBBLE: multiply_runs(m, PITH_MASKED_NIBBLE, x, first, last, y); return;
    }
  }
#endif
  switch (m->format) {
  case PITH_MASKED_HALF: multiply_masked(m, PITH_MASKED_HALF, x, first, last, y); break;
  case PITH_MASKED_BYTE: multiply_masked(m, PITH_MASKED_BYTE, x, first, last, y); break;
  case PITH_MASKED_NIBBLE: multiply_nibbles(m, x, first, last, y); break;
  }
}
