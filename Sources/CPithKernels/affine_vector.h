// Decoding rows of affine integers, a part of kernels_vector.h.

/// `count` quantized scales of a row from a group on, which is a multiple of 8.
TARGET static __attribute__((noinline)) void quantized_scales(
  const pith_affine *m, size_t row, size_t first, size_t count, float *out) {
  uint8_t buffer[PIECE];
  const uint8_t *all_codes = m->scales + row * m->scale_row_bytes;
  for (size_t start = first; start < first + count; start += PIECE) {
    const size_t end = smaller(start + PIECE, first + count);
    const uint8_t *codes = unpacked(all_codes, m->scale_bits, start, end - start, buffer);
    for (size_t i = start; i < end;) {
      const size_t group = i / m->scale_group_size, stop = smaller((group + 1) * m->scale_group_size, end);
      const size_t place = 2 * (row * m->scale_groups + group);
      const float step = half_at(m->scale_steps + place), minimum = half_at(m->scale_minima + place);
      for (; i + LANES <= stop; i += LANES) {
        // In two roundings, as in pith_offset_product.
        const lanes product = step * numbers(codes + i - start);
        store(out + i - first, product + minimum);
      }
      for (; i < stop; i++) out[i - first] = pith_offset_product(step, (float)codes[i - start], minimum);
    }
  }
}

/// The scales of the groups that a piece of a row's columns is in.
typedef struct {
  const pith_affine *matrix;
  size_t row, first;
  float values[PIECE + 8];  // of quantized scales
} piece_scales;

INLINE void scales_of_piece(const bool quantized, piece_scales *scales, size_t start, size_t end) {
  const pith_affine *m = scales->matrix;
  if (!quantized) return;
  scales->first = start / m->group_size / 8 * 8;
  quantized_scales(m, scales->row, scales->first, (end - 1) / m->group_size + 1 - scales->first, scales->values);
}

INLINE float scale_in(const bool quantized, const piece_scales *scales, size_t group) {
  const pith_affine *m = scales->matrix;
  if (quantized) return scales->values[group - scales->first];
  return half_at(m->scales + 2 * (scales->row * m->groups + group));
}

INLINE void decode_affine(const bool quantized, const pith_affine *m, size_t row, float *out) {
  uint8_t buffer[PIECE];
  piece_scales scales;
  scales.matrix = m;
  scales.row = row;
  for (size_t start = 0; start < m->columns; start += PIECE) {
    const size_t end = smaller(start + PIECE, m->columns);
    const uint8_t *codes = unpacked(m->codes + row * m->row_bytes, m->bits, start, end - start, buffer);
    scales_of_piece(quantized, &scales, start, end);
    for (size_t i = start; i < end;) {
      const size_t group = i / m->group_size, stop = smaller((group + 1) * m->group_size, end);
      const float scale = scale_in(quantized, &scales, group);
      const float zero = pith_affine_zero(m, row, group);
      for (; i + LANES <= stop; i += LANES) store(out + i, scale * (numbers(codes + i - start) - zero));
      for (; i < stop; i++) out[i] = scale * ((float)codes[i - start] - zero);
    }
  }
}

TARGET static void affine_decode(const pith_affine *m, size_t row, float *out) {
  if (m->scale_bits == 0) {
    decode_affine(false, m, row, out);
  } else {
    decode_affine(true, m, row, out);
  }
}
