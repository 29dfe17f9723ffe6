// The innermost loops. Every function has a scalar version, which is the oracle, and vector versions; the best that the
// processor has is chosen when the first one is called. Nothing here allocates, locks or decides.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "PithBlocks.h"
#include "PithGradients.h"
#include "PithIntegers.h"
#include "PithMasked.h"

/// The instruction sets that kernels are written for.
typedef enum {
  PITH_SCALAR = 0,
  PITH_AVX2 = 1,
  PITH_AVX512 = 2,
  PITH_NEON = 3,
} pith_instruction_set;

/// Whether this processor runs the kernels of an instruction set.
bool pith_is_available(pith_instruction_set set);

/// The instruction set in use: the best available one, or what PITH_INSTRUCTIONS (scalar, avx2, avx512, neon) says.
pith_instruction_set pith_instruction_set_in_use(void);

/// Uses another instruction set from now on, for tests; returns whether it is available.
bool pith_use_instruction_set(pith_instruction_set set);

// --- Products ---

/// y[t][r] = Σ_k x[t][k] · w[r][k] for t < tokens and r < rows; rows of each matrix lie `ld…` floats apart.
void pith_dot_block(
  const float *x, size_t ldx, size_t tokens, const float *w, size_t ldw, size_t rows, size_t columns, float *y, size_t ldy);

/// A matrix as a product reads it: the value at (i, k) lies `row` · i + `column` · k floats behind the first.
typedef struct {
  const float *start;
  size_t row, column;
} pith_operand;

/// c[i][j] = Σ_k a(i, k) · b(k, j) for i < m, j < n and k < depth, or that added to c; rows of c lie `ldc` floats apart. One of the two
/// distances of b is 1.
void pith_product(pith_operand a, pith_operand b, size_t m, size_t n, size_t depth, bool adds, float *c, size_t ldc);

// --- Float16 and bfloat16 ---

/// Decodes `count` half-precision numbers.
void pith_half_decode(const uint16_t *values, size_t count, float *out);

/// Decodes `count` bfloat16 numbers.
void pith_bfloat_decode(const uint16_t *values, size_t count, float *out);

/// y[r] = Σ_k x[k] · w[r][k] for one token and `rows` consecutive rows of half-precision numbers.
void pith_half_product(const uint16_t *w, size_t columns, const float *x, size_t rows, float *y);

/// y[r] = Σ_k x[k] · w[r][k] for one token and `rows` consecutive rows of bfloat16 numbers.
void pith_bfloat_product(const uint16_t *w, size_t columns, const float *x, size_t rows, float *y);

/// y[r] = Σ_i x[used[i]] · w[used[i]][r] for i < count and rows first ≤ r < last: one token, and half-precision numbers that lie column
/// after column, each of `rows`.
void pith_half_columns_product(
  const uint16_t *w, size_t rows, const float *x, const uint32_t *used, size_t count, size_t first, size_t last, float *y);

/// The same with bfloat16 numbers.
void pith_bfloat_columns_product(
  const uint16_t *w, size_t rows, const float *x, const uint32_t *used, size_t count, size_t first, size_t last, float *y);

// --- One token, for the products of packed rows ---

/// One token, prepared once for all rows of a matrix.
typedef struct {
  const float *x;         ///< the activations
  const float *arranged;  ///< for codes of less than 8 bits, n to a word (8 up to four bits, else 4): by blocks of 16n columns, column ni + j of
                          ///< a block at 16j + i
  const float *sums;      ///< the sum of x over each group of columns, then 15 zeros
} pith_token;

/// The floats that pith_prepare_token needs.
size_t pith_token_room(size_t columns, size_t group_size, int bits);

/// Prepares a token for the rows of a matrix; what it gives points into x and `room`.
pith_token pith_prepare_token(const float *x, size_t columns, size_t group_size, int bits, float *room);

// --- Affine integers (PithWeights/Affine.swift) ---

/// A matrix of packed codes with scales and perhaps zero points.
typedef struct {
  const uint8_t *codes;
  const uint8_t *scales;  ///< float16, not aligned; packed codes where scale_bits is not 0
  const uint8_t *zeros;   ///< NULL: every zero point is 2^(bits−1)
  size_t columns, group_size, groups;
  size_t row_bytes, zero_row_bytes;
  bool zeros_are_halves;  ///< float16 zero points instead of packed codes
  int bits;
  int scale_bits;  ///< 0, or the bits of scale codes c, which stand for minimum + step · c
  size_t scale_group_size, scale_groups, scale_row_bytes;
  const uint8_t *scale_steps, *scale_minima;  ///< rows × scale_groups float16 numbers, not aligned
} pith_affine;

/// Decodes one row.
void pith_affine_decode(const pith_affine *matrix, size_t row, float *out);

/// y[r] = Σ_k x[k] · w[r][k] for rows first ≤ r < last.
void pith_affine_product(
  const pith_affine *matrix, const pith_token *token, size_t first, size_t last, float *y);

// --- Codebooks (PithWeights/Codebook.swift) ---

/// How the scales of groups are stored.
typedef enum {
  PITH_SCALES_NONE = 0,    ///< every scale is 1
  PITH_SCALES_FLOAT = 1,   ///< float32
  PITH_SCALES_HALF = 2,    ///< float16
  PITH_SCALES_DOUBLE = 3,  ///< mean + block scale · (byte − 127), in blocks of 256 of all scales
} pith_scale_format;

/// A matrix of packed codes that index a table. Nothing need be aligned.
typedef struct {
  const uint8_t *codes;
  const uint8_t *tables;        ///< 2^bits float32 values, or as many float16 values per row
  const uint8_t *scales;        ///< rows × groups
  const uint8_t *block_scales;  ///< float32, for PITH_SCALES_DOUBLE
  size_t columns, group_size, groups;
  size_t row_bytes;
  int bits;
  bool table_per_row;
  pith_scale_format scale_format;
  float scale_mean;
} pith_codebook;

/// Decodes one row.
void pith_codebook_decode(const pith_codebook *matrix, size_t row, float *out);

/// y[r] = Σ_k x[k] · w[r][k] for rows first ≤ r < last.
void pith_codebook_product(
  const pith_codebook *matrix, const pith_token *token, size_t first, size_t last, float *y);

// --- Tables of vectors (PithWeights/VectorCodebook.swift) ---

/// A matrix of packed codes that index codewords: run j of `dimension` weights is the sum of the codewords at codes
/// j · codebooks … of the tables of set j mod sets. Nothing need be aligned.
typedef struct {
  const uint8_t *codes;
  const uint8_t *tables;  ///< float16: set, codebook, code, component
  const uint8_t *scales;  ///< float16 for each row; NULL: every scale is 1
  size_t columns, dimension, codebooks, sets;
  size_t row_bytes;
  int bits;
} pith_vectors;

/// Decodes one row.
void pith_vectors_decode(const pith_vectors *matrix, size_t row, float *out);

/// y[r] = Σ_k x[k] · w[r][k] for rows first ≤ r < last.
void pith_vectors_product(const pith_vectors *matrix, const float *x, size_t first, size_t last, float *y);
// --- Rows of few values (PithWeights/Sparse.swift) ---

/// Compressed rows: row r has the values row_pointers[r] ≤ i < row_pointers[r + 1].
typedef struct {
  const uint32_t *row_pointers;    ///< rows + 1
  const uint16_t *column_indices;  ///< the column of each value
  const uint16_t *values;          ///< float16
  size_t columns;
} pith_sparse;

/// Decodes one row.
void pith_sparse_decode(const pith_sparse *matrix, size_t row, float *out);

/// y[r] = Σ_k x[k] · w[r][k] for rows first ≤ r < last.
void pith_sparse_product(const pith_sparse *matrix, const float *x, size_t first, size_t last, float *y);

/// y[t · ldy + r] = Σ_k x[16k + t] · w[r][k] for t < tokens ≤ 16 and rows first ≤ r < last.
void pith_sparse_product16(
  const pith_sparse *matrix, const float *x, size_t tokens, size_t first, size_t last, float *y, size_t ldy);

// --- The search for codewords (PithQuantization/Vectors) ---

/// out[k] = base[k] − Σ_j factors[j] · rows[j · count + k] for j < row_count and k < count.
void pith_subtract_products(
  const float *base, const float *factors, const float *rows, size_t row_count, size_t count, float *out);

/// out[k] = base[k] + Σ_j rows[j][k] for j < row_count and k < count; the rows are added in their order.
void pith_sum_rows(const float *base, const float *const *rows, size_t row_count, size_t count, float *out);

/// The index of the smallest of the same sums, the lowest among equals, and that sum. `count` is at least 1.
size_t pith_lowest_sum(
  const float *base, const float *const *rows, size_t row_count, size_t count, float *lowest);

/// Of several ways, each of `row_count` rows, the one whose smallest such sum and its start are the least together, the
/// lowest among equals; and, in `index`, where that sum lies. There is at least one way.
size_t pith_lowest_way(
  const float *base, const float *starts, const float *const *rows, size_t ways, size_t row_count, size_t count,
  size_t *index);

// --- Sweeps over the columns of a weight (PithQuantization/SecondOrder/Slab.swift) ---

/// w[j] −= Σ_i factors[j · stride + i] · e[i] for j < columns and i < count: columns of 16 rows, one after the other.
void pith_subtract_columns(
  float *w, const float *e, const float *factors, size_t stride, size_t columns, size_t count);

// --- Element by element ---

/// out = x / √(mean(x²) + ε) · weight.
void pith_rms_norm(const float *x, const float *weight, float epsilon, size_t count, float *out);

/// out = (x − mean) / √(variance + ε) · weight + bias.
void pith_layer_norm(
  const float *x, const float *weight, const float *bias, float epsilon, size_t count, float *out);

/// x ← softmax(scale · x).
void pith_softmax(float *x, size_t count, float scale);

/// out = x · σ(x).
void pith_silu(const float *x, float *out, size_t count);

/// out = x · Φ(x).
void pith_gelu(const float *x, float *out, size_t count);

/// out = the tanh approximation of x · Φ(x).
void pith_gelu_tanh(const float *x, float *out, size_t count);

/// a ← a + b.
void pith_add(float *a, const float *b, size_t count);

/// a ← a · b.
void pith_multiply(float *a, const float *b, size_t count);

/// The largest |x|, 0 of none; a NaN counts as the largest.
float pith_largest_magnitude(const float *x, size_t count);

/// Turns the pairs (x[i], x[i + pairs]) by the angles of the given cosines and sines.
void pith_rotate(float *x, const float *cosines, const float *sines, size_t pairs);

/// x ← H·x with the Hadamard matrix of `order`, a power of two, not normalized.
void pith_hadamard(float *x, size_t order);

// --- Rows of logits ---

/// log Σ exp(x).
float pith_log_sum_exp(const float *x, size_t count);

/// KL(softmax(p) ‖ softmax(q)) of two rows of logits, in nats.
float pith_kl_divergence(const float *p, const float *q, size_t count);

/// The index of the largest value, the lowest among equals.
size_t pith_argmax(const float *x, size_t count);

// --- Elementary functions of the C library, for Swift that has no Foundation ---

float pith_pow(float x, float y);
double pith_exp(double x);
double pith_log(double x);
float pith_cos(float x);
float pith_sin(float x);
float pith_tanh(float x);

/// From now on freed memory stays with the process, ready to be taken again, where the C library is glibc.
void pith_keep_freed_memory(void);

/// Tells the processor that this thread waits in a loop.
static inline void pith_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}
