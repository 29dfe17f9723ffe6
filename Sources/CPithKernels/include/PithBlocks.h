#pragma once
#include <stddef.h>
#include <stdint.h>

// The block formats of GGUF files, by GGUF's number for each: 2 Q4_0, 3 Q4_1, 6 Q5_0, 7 Q5_1, 8 Q8_0, 10 Q2_K, 11 Q3_K,
// 12 Q4_K, 13 Q5_K, 14 Q6_K, 20 IQ4_NL. With another number nothing is written. Blocks need no alignment, and no byte
// outside of them is read.

/// Decodes consecutive blocks to float32: writes `block_count` × weights-per-block values, the same to the last bit
/// under every instruction set (a NaN stays a NaN).
void pith_blocks_decode(uint32_t format, const uint8_t *blocks, size_t block_count, float *out);

/// The product of consecutive rows of blocks with one vector: y[r] = Σ row r · x, in float32. `x` has as many values as
/// a row has weights.
void pith_blocks_gemv(
  uint32_t format, const uint8_t *blocks, size_t blocks_per_row, size_t rows, const float *x, float *y);
