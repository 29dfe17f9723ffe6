// What the files of this target share: the table of kernels that each instruction set fills.
#pragma once

#include "CPithKernels.h"

#include <string.h>

typedef struct {
  void (*dot_block)(
    const float *, size_t, size_t, const float *, size_t, size_t, size_t, float *, size_t);
  void (*product)(pith_operand, pith_operand, size_t, size_t, size_t, bool, float *, size_t);
  void (*half_decode)(const uint16_t *, size_t, float *);
  void (*bfloat_decode)(const uint16_t *, size_t, float *);
  void (*half_product)(const uint16_t *, size_t, const float *, size_t, float *);
  void (*bfloat_product)(const uint16_t *, size_t, const float *, size_t, float *);
  void (*half_columns)(const uint16_t *, size_t, const float *, const uint32_t *, size_t, size_t, size_t, float *);
  void (*bfloat_columns)(const uint16_t *, size_t, const float *, const uint32_t *, size_t, size_t, size_t, float *);
  void (*affine_decode)(const pith_affine *, size_t, float *);
  void (*affine_product)(const pith_affine *, const pith_token *, size_t, size_t, float *);
  void (*codebook_decode)(const pith_codebook *, size_t, float *);
  void (*codebook_product)(const pith_codebook *, const pith_token *, size_t, size_t, float *);
  void (*vectors_decode)(const pith_vectors *, size_t, float *);
  void (*vectors_product)(const pith_vectors *, const float *, size_t, size_t, float *);
  void (*masked_decode)(const pith_masked *, size_t, float *);
  void (*masked_product)(const pith_masked *, const float *, size_t, size_t, float *);
  void (*subtract_products)(const float *, const float *, const float *, size_t, size_t, float *);
  void (*subtract_columns)(float *, const float *, const float *, size_t, size_t, size_t);
  void (*sum_rows)(const float *, const float *const *, size_t, size_t, float *);
  size_t (*lowest_sum)(const float *, const float *const *, size_t, size_t, float *);
  size_t (*lowest_way)(const float *, const float *, const float *const *, size_t, size_t, size_t, size_t *);
  void (*hadamard)(float *, size_t);
  void (*rms_norm)(const float *, const float *, float, size_t, float *);
  void (*layer_norm)(const float *, const float *, const float *, float, size_t, float *);
  void (*softmax)(float *, size_t, float);
  void (*silu)(const float *, float *, size_t);
  void (*gelu)(const float *, float *, size_t);
  void (*gelu_tanh)(const float *, float *, size_t);
  float (*log_sum_exp)(const float *, size_t);
  float (*kl_divergence)(const float *, const float *, size_t);
  void (*rms_norm_gradient)(const float *, const float *, float, const float *, size_t, float *, float *);
  void (*layer_norm_gradient)(const float *, const float *, float, const float *, size_t, float *, float *, float *);
  void (*softmax_gradient)(const float *, float *, size_t, float);
  void (*silu_gradient)(const float *, const float *, float *, size_t);
  void (*gelu_gradient)(const float *, const float *, float *, size_t);
  void (*gelu_tanh_gradient)(const float *, const float *, float *, size_t);
  float (*cross_entropy)(float *, size_t, size_t, float, float);
  float (*distillation)(float *, float *, size_t, size_t, float, float, float);
  void (*round_to_grid)(const pith_grid *, const float *, float *, size_t);
  float (*round_to_grid_gradient)(const pith_grid *, const float *, const float *, float *, size_t);
  void (*adamw)(const pith_adamw *, const float *, float *, float *, float *, size_t);
} pith_kernels;

extern const pith_kernels pith_kernels_scalar;
#if defined(__x86_64__)
extern const pith_kernels pith_kernels_avx2;
extern const pith_kernels pith_kernels_avx512;
bool pith_has_masked_runs_avx512(const pith_masked *);
void pith_masked_runs_avx512(const pith_masked *, const float *, size_t, size_t, float *);
void pith_masked_arrange_vbmi2(const float *, size_t, float *);
void pith_masked_product_vbmi2(const pith_masked *, const float *, size_t, size_t, float *);
#elif defined(__aarch64__)
extern const pith_kernels pith_kernels_neon;
#endif

/// The steps of a Hadamard transform from pairs that lie `half` apart on.
static inline void pith_butterflies(float *x, size_t order, size_t half) {
  for (; half < order; half *= 2) {
    for (size_t start = 0; start < order; start += 2 * half) {
      float *a = x + start, *b = x + start + half;
      for (size_t i = 0; i < half; i++) {
        const float sum = a[i] + b[i];
        b[i] = a[i] - b[i];
        a[i] = sum;
      }
    }
  }
}

/// The float32 value of half-precision bits.
static inline float pith_half(uint16_t bits) {
  const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
  const uint32_t magnitude = bits & 0x7FFF;
  union {
    uint32_t bits;
    float value;
  } result;
  if (magnitude >= 0x7C00) {
    result.bits = sign | 0x7F800000 | (magnitude & 0x3FF) << 13;
  } else if (magnitude >= 0x400) {
    result.bits = sign | ((magnitude << 13) + 0x38000000);
  } else {
    result.value = (float)magnitude * 0x1p-24f;
    result.bits |= sign;
  }
  return result.value;
}

/// The half-precision number at p, which need not be aligned.
static inline uint16_t pith_load16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }

/// Code i of a packed row.
static inline unsigned pith_code(const uint8_t *codes, size_t i, int bits) {
  const size_t bit = i * (size_t)bits;
  const unsigned shift = bit & 7;
  unsigned word = codes[bit >> 3];
  if (shift + (unsigned)bits > 8) word |= (unsigned)codes[(bit >> 3) + 1] << 8;
  return word >> shift & ((1u << bits) - 1);
}

/// How many codes of 2–7 bits a product of one token takes from a 32-bit word.
static inline size_t pith_codes_of_word(int bits) { return bits <= 4 ? 8 : 4; }

/// a · b + c in two roundings, whatever the instruction set: decoded weights must not depend on it.
static inline float pith_offset_product(float a, float b, float c) {
#pragma STDC FP_CONTRACT OFF
  return a * b + c;
}

static inline float pith_affine_scale(const pith_affine *m, size_t row, size_t group) {
  if (m->scale_bits == 0) return pith_half(pith_load16(m->scales + 2 * (row * m->groups + group)));
  const float code = (float)pith_code(m->scales + row * m->scale_row_bytes, group, m->scale_bits);
  const size_t place = 2 * (row * m->scale_groups + group / m->scale_group_size);
  return pith_offset_product(
    pith_half(pith_load16(m->scale_steps + place)), code, pith_half(pith_load16(m->scale_minima + place)));
}

static inline float pith_affine_zero(const pith_affine *m, size_t row, size_t group) {
  if (!m->zeros) return (float)(1 << (m->bits - 1));
  const uint8_t *zeros = m->zeros + row * m->zero_row_bytes;
  return m->zeros_are_halves ? pith_half(pith_load16(zeros + 2 * group)) : (float)pith_code(zeros, group, m->bits);
}

/// The bytes of a row's mask.
static inline size_t pith_mask_bytes(size_t columns) { return (columns + 15) / 16 * 2; }

/// The codes of a packed row, one after the other; no byte behind the row is read.
typedef struct {
  const uint8_t *next;
  uint32_t word;
  int filled, bits;
} pith_code_stream;

static inline pith_code_stream pith_codes_of_row(const pith_vectors *m, size_t row) {
  return (pith_code_stream){m->codes + row * m->row_bytes, 0, 0, m->bits};
}

static inline size_t pith_next_code(pith_code_stream *stream) {
  while (stream->filled < stream->bits) {
    stream->word |= (uint32_t)*stream->next++ << stream->filled;
    stream->filled += 8;
  }
  const size_t code = stream->word & ((1u << stream->bits) - 1);
  stream->word >>= stream->bits;
  stream->filled -= stream->bits;
  return code;
}

static inline float pith_vectors_scale(const pith_vectors *m, size_t row) {
  return m->scales ? pith_half(pith_load16(m->scales + 2 * row)) : 1;
}

/// One row of a codebook matrix.
typedef struct {
  const uint8_t *codes;
  const float *table;
  int bits;
} pith_codebook_row;

/// The scale at an index among all scales.
static inline float pith_codebook_scale(const pith_codebook *m, size_t index) {
#pragma STDC FP_CONTRACT OFF  // the same to the bit under every instruction set
  float scale;
  switch (m->scale_format) {
  case PITH_SCALES_FLOAT: memcpy(&scale, m->scales + 4 * index, sizeof scale); return scale;
  case PITH_SCALES_HALF: return pith_half(pith_load16(m->scales + 2 * index));
  case PITH_SCALES_DOUBLE:
    memcpy(&scale, m->block_scales + 4 * (index / 256), sizeof scale);
    return pith_offset_product(scale, (float)m->scales[index] - 127, m->scale_mean);
  default: return 1;
  }
}
