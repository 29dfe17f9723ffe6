// Products of one token with rows as they lie in memory, a part of kernels_vector.h. Rows are taken one at a time:
// weights come from memory faster in one stream than in several.

// --- Rows of float16 and bfloat16 ---

TARGET static void half_product(const uint16_t *w, size_t columns, const float *x, size_t rows, float *y) {
  for (size_t row = 0; row < rows; row++) y[row] = half_row((const uint8_t *)(w + row * columns), x, columns);
}

TARGET static void bfloat_product(const uint16_t *w, size_t columns, const float *x, size_t rows, float *y) {
  for (size_t row = 0; row < rows; row++) y[row] = bfloat_row((const uint8_t *)(w + row * columns), x, columns);
}

// --- Scales ---

/// How many scales are decoded at one time: those of several rows, long before they are read.
#define SCALES 1024

typedef struct {
  float values[SCALES + LANES];
} scale_buffer;

/// Zeros behind `count` scales, so that the last of them can be loaded with what follows.
INLINE void close_scales(scale_buffer *buffer, size_t count) { store(buffer->values + count, (lanes){0}); }

/// Takes the lanes of row `row` of `rows`; the sums of four rows together cost little more than those of one.
INLINE void finish_row(lanes lanes_of_row, lanes totals[4], size_t row, size_t rows, float *y) {
  totals[row % 4] = lanes_of_row;
  if (row % 4 == 3 || row + 1 == rows) {
    const f32x4 sums = sums_of(totals[0], totals[1], totals[2], totals[3]);
    for (size_t i = row / 4 * 4; i <= row; i++) y[i] = sums[i % 4];
  }
}

// --- Two to seven bits ---

/// Columns of LANES words of codes, lowest bits first: a word holds eight codes of up to four bits, or four of more.
#define SPAN(bits) (LANES * pith_codes_of_word(bits))

/// Bytes of a span.
#define SPAN_BYTES(bits) (SPAN(bits) / 8 * (size_t)(bits))

/// How a row of codes meets its scales.
typedef struct {
  size_t columns, groups;
  size_t spans;
  size_t spans_per_group;  // 0 where a span has several groups
  size_t groups_per_span;
  ints places;       // the group of each lane, counted from the first of its span
  ints last_places;  // the same in the last span, which may have fewer
} span_plan;

/// Whether rows of codes of so many bits in such groups are multiplied span by span.
INLINE bool has_span_plan(int bits, size_t group_size, size_t groups) {
  if (bits < 2 || bits > 7) return false;
  const size_t span = SPAN(bits);
  const bool fits =
    groups == 1 || group_size % span == 0 || (group_size % pith_codes_of_word(bits) == 0 && span % group_size == 0);
  return fits && groups <= SCALES;
}

INLINE span_plan span_plan_of(int bits, size_t columns, size_t group_size, size_t groups) {
  const size_t span = SPAN(bits);
  span_plan plan = {columns, groups, (columns + span - 1) / span, 0, 0, {0}, {0}};
  if (groups == 1) {
    plan.spans_per_group = plan.spans;
  } else if (group_size % span == 0) {
    plan.spans_per_group = group_size / span;
  } else {
    plan.groups_per_span = span / group_size;
    plan.places = count_up() * (int)pith_codes_of_word(bits) / (int)group_size;
    const int highest = (int)(groups - 1 - (plan.spans - 1) * plan.groups_per_span);
    UNROLLED for (int lane = 0; lane < LANES; lane++) {
      plan.last_places[lane] = plan.places[lane] < highest ? plan.places[lane] : highest;
    }
  }
  return plan;
}

/// What the codes of a matrix stand for. An index of four bits may hold, above a code of fewer, those of the next: the values repeat.
typedef struct {
  bool is_affine;
  small_table table;  // of affine codes: c − 2^(bits−1)
} code_values;

INLINE code_values affine_values(const int bits) {
  code_values values = {true, {{0}}};
  if (bits > 4) return values;
  for (int i = 0; i < 16; i++) values.table.values[i] = (float)(i % (1 << bits) - (1 << (bits - 1)));
  return values;
}

/// Whether codes become numbers by arithmetic, for which they are made signed first: there is no table of more than 16, and with few
/// lanes one of 16 takes several registers.
INLINE bool by_arithmetic(const int bits, const code_values *values) {
  return bits > 4 || (LANES < 16 && values->is_affine);
}

INLINE lanes value_at(const int bits, const code_values *values, ints codes, const int place) {
  if (by_arithmetic(bits, values)) {
    return __builtin_convertvector((codes << (32 - bits * (place + 1))) >> (32 - bits), lanes);
  }
  return look_up(values->table.values, (ints)((uints)codes >> (bits * place)));
}

/// Σ value · x over one span, lane by lane.
INLINE lanes span_product(const int bits, const code_values *values, ints codes, const float *arranged, size_t span) {
  const int count = (int)pith_codes_of_word(bits);
  const float *x = arranged + span * LANES / 16 * 16 * (size_t)count + span * LANES % 16;
  if (by_arithmetic(bits, values)) {
    uint32_t highest = 0;
    UNROLLED for (int j = 0; j < count; j++) highest |= 1u << (bits * (j + 1) - 1);
    codes ^= (int32_t)highest;
  }
  lanes even = {0}, odd = {0};
  UNROLLED for (int j = 0; j < count; j += 2) {
    even += value_at(bits, values, codes, j) * load(x + 16 * j);
    odd += value_at(bits, values, codes, j + 1) * load(x + 16 * j + 16);
  }
  return even + odd;
}

/// The words of a span from its bytes, which are the first of `packed`. Above its codes a word has bits of the next.
INLINE ints span_words(const int bits, ints packed) {
  if (bits == 4) return packed;
  // Lane i begins at bit i · width, in one word of `packed` or across two.
  const ints bit = count_up() * (bits * (int)pith_codes_of_word(bits)), from = bit / 32, right = bit % 32;
  const ints left = 32 - right + (right == 0);
  return (ints)((uints)permute((lanes)packed, from) >> (uints)right | (uints)permute((lanes)packed, from + 1) << (uints)left);
}

INLINE ints words_at(const int bits, const uint8_t *p) {
  if (bits != 4) return span_words(bits, first_bytes(p, SPAN_BYTES(bits)));
  ints v;
  memcpy(&v, p, sizeof v);
  return v;
}

/// The words of a row's last span.
INLINE ints last_words(const int bits, const uint8_t *codes, const span_plan *plan) {
  const size_t last = plan->spans - 1, count = ((plan->columns - last * SPAN(bits)) * (size_t)bits + 7) / 8;
  const uint8_t *p = codes + last * SPAN_BYTES(bits);
  return count == SPAN_BYTES(bits) ? words_at(bits, p) : span_words(bits, first_bytes(p, count));
}

/// One row of codes, lane by lane.
INLINE lanes span_row(
  const int bits, const span_plan *plan, const code_values *values, const uint8_t *codes, const float *scales,
  const float *arranged) {
  lanes total = {0};
  const size_t last = plan->spans - 1;
  if (plan->spans_per_group > 0) {
    for (size_t group = 0, span = 0; group < plan->groups; group++) {
      lanes part = {0};
      const size_t stop = smaller(span + plan->spans_per_group, last);
      for (; span < stop; span++) part += span_product(bits, values, words_at(bits, codes + span * SPAN_BYTES(bits)), arranged, span);
      if (group + 1 == plan->groups) part += span_product(bits, values, last_words(bits, codes, plan), arranged, last);
      total += part * scales[group];
    }
  } else {
    for (size_t span = 0; span < last; span++) {
      const lanes part = span_product(bits, values, words_at(bits, codes + span * SPAN_BYTES(bits)), arranged, span);
      const lanes some = load(scales + span * plan->groups_per_span);
      total += part * permute(some, plan->places);
    }
    const lanes part = span_product(bits, values, last_words(bits, codes, plan), arranged, last);
    const lanes some = load(scales + last * plan->groups_per_span);
    total += part * permute(some, plan->last_places);
  }
  return total;
}

// --- Affine integers ---

/// LANES zero points of a row from group `group` on, of which `available` bytes of memory hold the first.
INLINE lanes zeros_at(const uint8_t *zeros, const int bits, size_t group, size_t available) {
  const uint8_t *p = zeros + group * (size_t)bits / 8;
  uint8_t some[LANES + 4] = {0};
  const size_t wanted = bits == 8 ? LANES : (LANES / 8 - 1) * (size_t)bits + (bits > 4 ? 8 : 4);
  if (available < wanted) {
    memcpy(some, p, available);
    p = some;
  }
  if (bits == 8) return numbers(p);
  ints v;
  UNROLLED for (int half = 0; half < LANES; half += 8) {
    const uint8_t *start = p + half / 8 * bits;
    if (bits > 4) {
      uint64_t word;
      memcpy(&word, start, sizeof word);
      UNROLLED for (int lane = 0; lane < 8; lane++) v[half + lane] = (int32_t)(word >> (bits * lane));
    } else {
      int32_t word;
      memcpy(&word, start, sizeof word);
      UNROLLED for (int lane = 0; lane < 8; lane++) v[half + lane] = word;
    }
  }
  if (bits <= 4) v >>= count_up() % 8 * bits;
  return __builtin_convertvector(v & ((1 << bits) - 1), lanes);
}

/// Σ scale · (2^(bits−1) − zero) · (sum of x) over the groups of a row, lane by lane: what other zero points than
/// 2^(bits−1) add to the product. `available` bytes of zero points may be read.
INLINE lanes zeros_row(
  const pith_affine *m, const int bits, const uint8_t *zeros, size_t available, const float *scales,
  const float *sums) {
  lanes total = {0};
  for (size_t group = 0; group < m->groups; group += LANES) {
    const lanes zero = zeros_at(zeros, bits, group, available - group * (size_t)bits / 8);
    const ints is_group = count_up() < (int)(m->groups - group);
    const lanes scale = (lanes)((ints)load(scales + group) & is_group);
    total += scale * (all((float)(1 << (bits - 1))) - zero) * load(sums + group);
  }
  return total;
}

/// The same for float16 zero points.
INLINE lanes half_zeros_row(const pith_affine *m, size_t row, const float *scales, const float *sums) {
  lanes total = {0};
  for (size_t group = 0; group < m->groups; group++) {
    total[0] += scales[group] * ((float)(1 << (m->bits - 1)) - pith_affine_zero(m, row, group)) * sums[group];
  }
  return total;
}

/// LANES codes of 8 bits, less 128.
INLINE lanes signed_numbers(const uint8_t *codes) {
  bytes v;
  memcpy(&v, codes, sizeof v);
  return __builtin_convertvector((signed_bytes)(v ^ 128), lanes);
}

/// One row of 8-bit codes, less 128, lane by lane.
INLINE lanes byte_row(const pith_affine *m, const uint8_t *codes, const float *scales, const float *x) {
  lanes total = {0};
  for (size_t group = 0, i = 0; group < m->groups; group++) {
    const size_t end = smaller(i + m->group_size, m->columns);
    lanes even = {0}, odd = {0};
    for (; i + 2 * LANES <= end; i += 2 * LANES) {
      even += signed_numbers(codes + i) * load(x + i);
      odd += signed_numbers(codes + i + LANES) * load(x + i + LANES);
    }
    for (; i + LANES <= end; i += LANES) even += signed_numbers(codes + i) * load(x + i);
    if (i < end) {
      uint8_t rest[LANES] = {0};
      memcpy(rest, codes + i, end - i);
      odd += signed_numbers(rest) * load_part(x + i, end - i);
      i = end;
    }
    total += (even + odd) * scales[group];
  }
  return total;
}

/// Σ code · x over a run of unpacked codes.
INLINE lanes weighted(const uint8_t *codes, const float *x, size_t count) {
  lanes sum = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) sum += numbers(codes + i) * load(x + i);
  if (i < count) {
    bytes v = {0};
    memcpy(&v, codes + i, count - i);
    sum += __builtin_convertvector(v, lanes) * load_part(x + i, count - i);
  }
  return sum;
}

/// One row of codes of any size in groups of any size.
INLINE float affine_row(const bool quantized, const pith_affine *m, const float *x, const float *sums, size_t row) {
  uint8_t buffer[PIECE];
  piece_scales scales;
  scales.matrix = m;
  scales.row = row;
  lanes total = {0};
  float rest = 0;
  for (size_t start = 0; start < m->columns; start += PIECE) {
    const size_t end = smaller(start + PIECE, m->columns);
    const uint8_t *codes = unpacked(m->codes + row * m->row_bytes, m->bits, start, end - start, buffer);
    scales_of_piece(quantized, &scales, start, end);
    for (size_t i = start; i < end;) {
      const size_t group = i / m->group_size, stop = smaller((group + 1) * m->group_size, end);
      const float scale = scale_in(quantized, &scales, group);
      if (i == group * m->group_size) rest -= scale * pith_affine_zero(m, row, group) * sums[group];
      total += scale * weighted(codes + i - start, x + i, stop - i);
      i = stop;
    }
  }
  return sum_of(total) + rest;
}

/// Rows of codes in groups of common sizes.
INLINE void common_affine_product(
  const int bits, const pith_affine *m, const pith_token *token, size_t first, size_t last, float *y) {
  scale_buffer buffer;
  const code_values values = affine_values(bits);
  span_plan plan;
  if (bits < 8) plan = span_plan_of(bits, m->columns, m->group_size, m->groups);
  const size_t step = SCALES / m->groups;
  for (size_t start = first; start < last; start += step) {
    const size_t stop = smaller(start + step, last);
    if (m->scale_bits == 0) {
      half_decode((const uint16_t *)(m->scales + 2 * start * m->groups), (stop - start) * m->groups, buffer.values);
    } else {
      for (size_t row = start; row < stop; row++) {
        quantized_scales(m, row, 0, m->groups, buffer.values + (row - start) * m->groups);
      }
    }
    close_scales(&buffer, (stop - start) * m->groups);
    lanes totals[4] = {{0}, {0}, {0}, {0}};
    for (size_t row = start; row < stop; row++) {
      const uint8_t *codes = m->codes + row * m->row_bytes;
      const float *scales = buffer.values + (row - start) * m->groups;
      lanes sum = bits < 8 ? span_row(bits, &plan, &values, codes, scales, token->arranged)
                            : byte_row(m, codes, scales, token->x);
      if (m->zeros && m->zeros_are_halves) {
        sum += half_zeros_row(m, row, scales, token->sums);
      } else if (m->zeros) {
        const uint8_t *zeros = m->zeros + row * m->zero_row_bytes;
        sum += zeros_row(m, bits, zeros, (last - row) * m->zero_row_bytes, scales, token->sums);
      }
      finish_row(sum, totals, row - start, stop - start, y + start);
    }
  }
}

TARGET static void affine_product(
  const pith_affine *m, const pith_token *token, size_t first, size_t last, float *y) {
  const bool by_bytes = m->bits == 8 && (m->groups == 1 || m->group_size % LANES == 0) && m->groups <= SCALES;
  if (by_bytes || has_span_plan(m->bits, m->group_size, m->groups)) {
    switch (m->bits) {
    case 2: common_affine_product(2, m, token, first, last, y); break;
    case 3: common_affine_product(3, m, token, first, last, y); break;
    case 4: common_affine_product(4, m, token, first, last, y); break;
    case 5: common_affine_product(5, m, token, first, last, y); break;
    case 6: common_affine_product(6, m, token, first, last, y); break;
    case 7: common_affine_product(7, m, token, first, last, y); break;
    case 8: common_affine_product(8, m, token, first, last, y); break;
    }
  } else if (m->scale_bits == 0) {
    for (size_t row = first; row < last; row++) y[row] = affine_row(false, m, token->x, token->sums, row);
  } else {
    for (size_t row = first; row < last; row++) y[row] = affine_row(true, m, token->x, token->sums, row);
  }
}

// --- Codebooks ---

/// One row of codes of any size in groups of any size.
INLINE float codebook_row(const pith_codebook *m, const float *x, size_t row) {
  uint8_t buffer[PIECE];
  float entries[256];
  const pith_codebook_row r = codebook_row_at(m, row, entries);
  const small_table table = table_of(&r);
  lanes total = {0};
  float rest = 0;
  for (size_t start = 0; start < m->columns; start += PIECE) {
    const size_t end = smaller(start + PIECE, m->columns);
    const uint8_t *codes = unpacked(r.codes, m->bits, start, end - start, buffer);
    for (size_t i = start; i < end;) {
      const size_t group = i / m->group_size, stop = smaller((group + 1) * m->group_size, end);
      lanes part = {0};
      float tail = 0;
      for (; i + LANES <= stop; i += LANES) part += values_at(&r, &table, codes + i - start) * load(x + i);
      for (; i < stop; i++) tail += r.table[codes[i - start]] * x[i];
      const float scale = pith_codebook_scale(m, row * m->groups + group);
      total += part * scale;
      rest += tail * scale;
    }
  }
  return sum_of(total) + rest;
}

/// The scales from one index to another.
INLINE void decode_scales(const pith_codebook *m, size_t first, size_t last, float *out) {
  if (m->scale_format == PITH_SCALES_HALF) {
    half_decode((const uint16_t *)(m->scales + 2 * first), last - first, out);
  } else if (m->scale_format == PITH_SCALES_FLOAT) {
    memcpy(out, m->scales + 4 * first, 4 * (last - first));
  } else {
    for (size_t i = first; i < last; i++) out[i - first] = pith_codebook_scale(m, i);
  }
}

/// Rows of codes that are multiplied span by span.
INLINE void span_codebook_product(
  const int bits, const pith_codebook *m, size_t groups, const pith_token *token, size_t first, size_t last, float *y) {
  scale_buffer buffer;
  code_values values = {false, {{0}}};
  const span_plan plan = span_plan_of(bits, m->columns, m->group_size, groups);
  const size_t entries = (size_t)1 << bits;
  if (!m->table_per_row) memcpy(values.table.values, m->tables, entries * sizeof(float));
  const size_t step = SCALES / groups;
  for (size_t start = first; start < last; start += step) {
    const size_t stop = smaller(start + step, last);
    decode_scales(m, start * groups, stop * groups, buffer.values);
    close_scales(&buffer, (stop - start) * groups);
    lanes totals[4] = {{0}, {0}, {0}, {0}};
    for (size_t row = start; row < stop; row++) {
      if (m->table_per_row) half_decode((const uint16_t *)(m->tables + 2 * entries * row), entries, values.table.values);
      if (m->table_per_row || row == first) {
        for (size_t i = entries; i < 16; i++) values.table.values[i] = values.table.values[i - entries];
      }
      const uint8_t *codes = m->codes + row * m->row_bytes;
      const float *scales = buffer.values + (row - start) * groups;
      const lanes sum = span_row(bits, &plan, &values, codes, scales, token->arranged);
      finish_row(sum, totals, row - start, stop - start, y + start);
    }
  }
}

TARGET static void codebook_product(
  const pith_codebook *m, const pith_token *token, size_t first, size_t last, float *y) {
  // Without scales a row is one group whose scale is 1.
  const size_t groups = m->scale_format == PITH_SCALES_NONE ? 1 : m->groups;
  if (m->bits > 4 || !has_span_plan(m->bits, m->group_size, groups)) {
    for (size_t row = first; row < last; row++) y[row] = codebook_row(m, token->x, row);
    return;
  }
  switch (m->bits) {
  case 2: span_codebook_product(2, m, groups, token, first, last, y); break;
  case 3: span_codebook_product(3, m, groups, token, first, last, y); break;
  case 4: span_codebook_product(4, m, groups, token, first, last, y); break;
  }
}
