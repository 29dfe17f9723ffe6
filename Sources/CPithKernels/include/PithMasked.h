// Rows of which a mask says which weights are stored (PithWeights/Masked.swift).
#pragma once

#include <stddef.h>
#include <stdint.h>

/// How stored weights are written.
typedef enum {
  PITH_MASKED_HALF = 0,    ///< float16
  PITH_MASKED_BYTE = 1,    ///< c − 128, times the scale of the column's group
  PITH_MASKED_NIBBLE = 2,  ///< entry c of a table, times the scale of the column's group; lower half of a byte first
} pith_masked_format;

/// A matrix of masks and of what they let through, row after row. Nothing need be aligned but `starts`.
typedef struct {
  const uint8_t *mask;     ///< bit k % 8 of byte k / 8 of a row: whether column k is stored; a row takes whole 16 bits
  const uint32_t *starts;  ///< the first stored weight of each row
  const uint8_t *values;
  size_t count;  ///< of stored weights in all
  const uint8_t *scales;  ///< rows × groups float16 numbers; NULL for float16 weights
  const uint8_t *table;   ///< 16 float32 values, for nibbles
  size_t columns, group_size, groups;  ///< a group has a multiple of 16 columns, the last one of a row perhaps fewer
  pith_masked_format format;
  /// Where every stored weight is one of eight whole columns from a multiple of 8 on, and a group has 2^group_shift columns:
  /// an eighth of the first of them, for each eight stored weights; else NULL.
  const uint16_t *runs;
  unsigned group_shift;
} pith_masked;

/// Decodes one row.
void pith_masked_decode(const pith_masked *matrix, size_t row, float *out);

/// The floats that pith_masked_token needs.
size_t pith_masked_room(const pith_masked *matrix);

/// One token, prepared once for all rows: what it gives points into x or `room`.
const float *pith_masked_token(const pith_masked *matrix, const float *x, float *room);

/// y[r] = Σ_k x[k] · w[r][k] for rows first ≤ r < last, of a prepared token.
void pith_masked_product(const pith_masked *matrix, const float *token, size_t first, size_t last, float *y);
