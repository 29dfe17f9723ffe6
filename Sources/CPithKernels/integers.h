// What the integer products of all instruction sets share.
#pragma once

#include "kernels.h"

/// The loops of one instruction set.
typedef struct {
  void (*quantize)(const float *, size_t, pith_activations, int, int8_t *, float *, int32_t *);
  void (*product)(const pith_integers *, const pith_integer_tokens *, size_t, size_t, float *, size_t);
} pith_integer_kernels;

extern const pith_integer_kernels pith_integers_scalar;
#if defined(__x86_64__)
extern const pith_integer_kernels pith_integers_avx2;
extern const pith_integer_kernels pith_integers_vnni;
#elif defined(__aarch64__)
extern const pith_integer_kernels pith_integers_neon;
extern const pith_integer_kernels pith_integers_dot;
#endif

/// The smallest and largest value of a token, and its largest magnitude (NaN if any value is).
typedef struct {
  float low, high, magnitude;
} pith_range;

/// How a token is quantized: round(x · inverse), not below `low` or above `high`.
typedef struct {
  float scale, inverse, low, high;
} pith_integer_grid;

/// The grid of a token. Activations that are all below 10⁻³⁰ are 0.
static inline pith_integer_grid pith_integer_grid_of(pith_range range, pith_activations activations) {
  if (!(range.magnitude < __builtin_inff())) return (pith_integer_grid){__builtin_nanf(""), 0, 0, 0};
  if (range.magnitude < 1e-30f) return (pith_integer_grid){0, 0, 0, 0};
  if (activations == PITH_ACTIVATIONS_INT8) {
    return (pith_integer_grid){range.magnitude / 127, 127 / range.magnitude, -127, 127};
  }
  // Halves, so that a range of nearly the largest float does not overflow.
  const float half = (range.high > 0 ? range.high : 0) / 2 - (range.low < 0 ? range.low : 0) / 2;
  const float scale = half / 7.5f, inverse = 7.5f / half;
  const float position = (range.low < 0 ? -range.low : 0) * inverse;
  const float zero = (position + 0x1.8p23f) - 0x1.8p23f;
  return (pith_integer_grid){scale, inverse, -zero, 15 - zero};
}

/// Where the value of a column lies in a quantized token.
static inline size_t pith_integer_place(size_t column, int weight_bits) {
  return weight_bits == 8 ? column : column / 128 * 128 + column % 128 / 2 + (column & 1) * 64;
}

static inline float pith_integer_scale(const pith_integers *m, size_t row) {
  if (m->scales_are_half) return pith_half(pith_load16(m->scales + 2 * row));
  float scale;
  memcpy(&scale, m->scales + 4 * row, sizeof scale);
  return scale;
}
