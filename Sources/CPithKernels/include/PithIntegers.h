#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Products of integers with integers (PithWeights/IntegerProduct.swift): weights of 4 or 8 bits with a scale per row,
// activations quantized token by token.

/// A matrix of packed codes c that stand for scale · (c − 2^(bits−1)). Nothing need be aligned.
typedef struct {
  const uint8_t *codes;
  const uint8_t *scales;  ///< one per row
  size_t columns, row_bytes;
  int bits;             ///< 4 or 8
  bool scales_are_half;  ///< float16, else float32
} pith_integers;

/// How activations are quantized.
typedef enum {
  PITH_ACTIVATIONS_INT8 = 0,  ///< scale · q with q from −127 to 127
  PITH_ACTIVATIONS_INT4 = 1,  ///< scale · (q − z) with q and z from 0 to 15
} pith_activations;

/// Quantized tokens.
typedef struct {
  /// For each token `stride` bytes, q or q − z: of 8-bit weights in the order of the columns; of 4-bit weights by blocks
  /// of 128 columns, first the even ones and then the odd ones. Zeros follow the last column.
  const int8_t *values;
  const float *scales;   ///< one per token
  const int32_t *sums;   ///< the sum of the values of each token
  size_t count, stride;
} pith_integer_tokens;

/// The bytes of a quantized token.
size_t pith_integer_stride(size_t columns, int weight_bits);

/// Quantizes one token to `pith_integer_stride` bytes. A token with a number that is not finite gets the scale NaN.
void pith_integer_quantize(
  const float *x, size_t columns, pith_activations activations, int weight_bits, int8_t *values, float *scale,
  int32_t *sum);

/// Decodes one row.
void pith_integer_decode(const pith_integers *matrix, size_t row, float *out);

/// Decodes the weights of one row at `count` columns.
void pith_integer_decode_columns(
  const pith_integers *matrix, size_t row, const uint32_t *columns, size_t count, float *out);

/// y[t · ldy + r] = Σ_k x[t][k] · w[r][k] for all tokens and rows first ≤ r < last, exact until the scales meet the sum.
void pith_integer_product(
  const pith_integers *matrix, const pith_integer_tokens *tokens, size_t first, size_t last, float *y, size_t ldy);
