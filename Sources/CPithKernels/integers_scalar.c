// The plain version of integer products: the oracle of the others.
#include "integers.h"

static pith_range range_of(const float *x, size_t count) {
  pith_range range = {0, 0, 0};
  for (size_t i = 0; i < count; i++) {
    if (x[i] != x[i]) return (pith_range){0, 0, x[i]};
    if (x[i] < range.low) range.low = x[i];
    if (x[i] > range.high) range.high = x[i];
  }
  range.magnitude = -range.low > range.high ? -range.low : range.high;
  return range;
}

static void quantize(
  const float *x, size_t columns, pith_activations activations, int weight_bits, int8_t *values, float *scale,
  int32_t *sum) {
  const pith_integer_grid grid = pith_integer_grid_of(range_of(x, columns), activations);
  memset(values, 0, pith_integer_stride(columns, weight_bits));
  *scale = grid.scale;
  *sum = 0;
  if (grid.inverse == 0) return;
  for (size_t i = 0; i < columns; i++) {
    float value = x[i] * grid.inverse;
    value = value > grid.high ? grid.high : value;
    value = value < grid.low ? grid.low : value;
    value = (value + 0x1.8p23f) - 0x1.8p23f;  // to the nearest, and to even where two are as near
    values[pith_integer_place(i, weight_bits)] = (int8_t)value;
    *sum += (int32_t)value;
  }
}

static void product(
  const pith_integers *m, const pith_integer_tokens *tokens, size_t first, size_t last, float *y, size_t ldy) {
  const int middle = 1 << (m->bits - 1);
  for (size_t t = 0; t < tokens->count; t++) {
    const int8_t *values = tokens->values + t * tokens->stride;
    for (size_t row = first; row < last; row++) {
      const uint8_t *codes = m->codes + row * m->row_bytes;
      int32_t sum = 0;
      for (size_t i = 0; i < m->columns; i++) {
        sum += values[pith_integer_place(i, m->bits)] * ((int)pith_code(codes, i, m->bits) - middle);
      }
      y[t * ldy + row] = (float)sum * (tokens->scales[t] * pith_integer_scale(m, row));
    }
  }
}

const pith_integer_kernels pith_integers_scalar = {quantize, product};
