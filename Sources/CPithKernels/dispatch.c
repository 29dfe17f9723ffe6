// Chooses the kernels that this processor runs best.
#include "kernels.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const pith_kernels *table(pith_instruction_set set) {
  switch (set) {
  case PITH_SCALAR: return &pith_kernels_scalar;
#if defined(__x86_64__)
  case PITH_AVX2: return &pith_kernels_avx2;
  case PITH_AVX512: return &pith_kernels_avx512;
#elif defined(__aarch64__)
  case PITH_NEON: return &pith_kernels_neon;
#endif
  default: return NULL;
  }
}

bool pith_is_available(pith_instruction_set set) {
  if (!table(set)) return false;
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (set == PITH_AVX2) return avx2;
  if (set == PITH_AVX512) {
    return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
      && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  }
#endif
  return true;
}

static _Atomic int chosen = -1;

pith_instruction_set pith_instruction_set_in_use(void) {
  int set = atomic_load_explicit(&chosen, memory_order_relaxed);
  if (set >= 0) return (pith_instruction_set)set;
  static const char *const names[] = {"scalar", "avx2", "avx512", "neon"};
  const char *wanted = getenv("PITH_INSTRUCTIONS");
  set = PITH_SCALAR;
  for (int candidate = PITH_SCALAR; candidate <= PITH_NEON; candidate++) {
    if (!pith_is_available((pith_instruction_set)candidate)) continue;
    set = candidate;
    if (wanted && strcmp(wanted, names[candidate]) == 0) break;
  }
  atomic_store_explicit(&chosen, set, memory_order_relaxed);
  return (pith_instruction_set)set;
}

bool pith_use_instruction_set(pith_instruction_set set) {
  if (!pith_is_available(set)) return false;
  atomic_store_explicit(&chosen, (int)set, memory_order_relaxed);
  return true;
}

#define K (table(pith_instruction_set_in_use()))

void pith_dot_block(
  const float *x, size_t ldx, size_t tokens, const float *w, size_t ldw, size_t rows, size_t columns, float *y,
  size_t ldy) {
  K->dot_block(x, ldx, tokens, w, ldw, rows, columns, y, ldy);
}
void pith_product(pith_operand a, pith_operand b, size_t m, size_t n, size_t depth, bool adds, float *c, size_t ldc) {
  K->product(a, b, m, n, depth, adds, c, ldc);
}
void pith_half_decode(const uint16_t *values, size_t count, float *out) { K->half_decode(values, count, out); }
void pith_bfloat_decode(const uint16_t *values, size_t count, float *out) { K->bfloat_decode(values, count, out); }
void pith_half_product(const uint16_t *w, size_t columns, const float *x, size_t rows, float *y) {
  K->half_product(w, columns, x, rows, y);
}
void pith_bfloat_product(const uint16_t *w, size_t columns, const float *x, size_t rows, float *y) {
  K->bfloat_product(w, columns, x, rows, y);
}
void pith_half_columns_product(
  const uint16_t *w, size_t rows, const float *x, const uint32_t *used, size_t count, size_t first, size_t last, float *y) {
  K->half_columns(w, rows, x, used, count, first, last, y);
}
void pith_bfloat_columns_product(
  const uint16_t *w, size_t rows, const float *x, const uint32_t *used, size_t count, size_t first, size_t last, float *y) {
  K->bfloat_columns(w, rows, x, used, count, first, last, y);
}
void pith_affine_decode(const pith_affine *matrix, size_t row, float *out) { K->affine_decode(matrix, row, out); }
void pith_affine_product(
  const pith_affine *matrix, const pith_token *token, size_t first, size_t last, float *y) {
  K->affine_product(matrix, token, first, last, y);
}
void pith_codebook_decode(const pith_codebook *matrix, size_t row, float *out) {
  K->codebook_decode(matrix, row, out);
}
void pith_codebook_product(
  const pith_codebook *matrix, const pith_token *token, size_t first, size_t last, float *y) {
  K->codebook_product(matrix, token, first, last, y);
}
void pith_vectors_decode(const pith_vectors *matrix, size_t row, float *out) { K->vectors_decode(matrix, row, out); }
void pith_vectors_product(const pith_vectors *matrix, const float *x, size_t first, size_t last, float *y) {
  K->vectors_product(matrix, x, first, last, y);
}
void pith_masked_decode(const pith_masked *matrix, size_t row, float *out) { K->masked_decode(matrix, row, out); }
/// Whether 64 columns of a matrix are multiplied at a time; those of a step of nibbles have one scale.
static bool spreads_bytes(const pith_masked *m) {
#if defined(__x86_64__)
  return pith_instruction_set_in_use() == PITH_AVX512 && __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2")
    && !pith_has_masked_runs_avx512(m) && (m->format != PITH_MASKED_NIBBLE || m->groups <= 1 || m->group_size % 64 == 0);
#else
  (void)m;
  return false;
#endif
}

size_t pith_masked_room(const pith_masked *matrix) {
  return spreads_bytes(matrix) && matrix->format == PITH_MASKED_NIBBLE ? (matrix->columns + 63) / 64 * 64 : 0;
}
const float *pith_masked_token(const pith_masked *matrix, const float *x, float *room) {
  if (pith_masked_room(matrix) == 0) return x;
#if defined(__x86_64__)
  pith_masked_arrange_vbmi2(x, matrix->columns, room);
#endif
  return room;
}
void pith_masked_product(const pith_masked *matrix, const float *token, size_t first, size_t last, float *y) {
#if defined(__x86_64__)
  if (pith_instruction_set_in_use() == PITH_AVX512 && pith_has_masked_runs_avx512(matrix)) {
    pith_masked_runs_avx512(matrix, token, first, last, y);
    return;
  }
  if (spreads_bytes(matrix)) {
    pith_masked_product_vbmi2(matrix, token, first, last, y);
    return;
  }
#endif
  K->masked_product(matrix, token, first, last, y);
}
void pith_subtract_products(
  const float *base, const float *factors, const float *rows, size_t row_count, size_t count, float *out) {
  K->subtract_products(base, factors, rows, row_count, count, out);
}
void pith_subtract_columns(
  float *w, const float *e, const float *factors, size_t stride, size_t columns, size_t count) {
  K->subtract_columns(w, e, factors, stride, columns, count);
}
void pith_sum_rows(const float *base, const float *const *rows, size_t row_count, size_t count, float *out) {
  K->sum_rows(base, rows, row_count, count, out);
}
size_t pith_lowest_sum(
  const float *base, const float *const *rows, size_t row_count, size_t count, float *lowest) {
  return K->lowest_sum(base, rows, row_count, count, lowest);
}
size_t pith_lowest_way(
  const float *base, const float *starts, const float *const *rows, size_t ways, size_t row_count, size_t count,
  size_t *index) {
  return K->lowest_way(base, starts, rows, ways, row_count, count, index);
}
void pith_hadamard(float *x, size_t order) { K->hadamard(x, order); }
void pith_rms_norm(const float *x, const float *weight, float epsilon, size_t count, float *out) {
  K->rms_norm(x, weight, epsilon, count, out);
}
void pith_layer_norm(
  const float *x, const float *weight, const float *bias, float epsilon, size_t count, float *out) {
  K->layer_norm(x, weight, bias, epsilon, count, out);
}
void pith_softmax(float *x, size_t count, float scale) { K->softmax(x, count, scale); }
void pith_silu(const float *x, float *out, size_t count) { K->silu(x, out, count); }
void pith_gelu(const float *x, float *out, size_t count) { K->gelu(x, out, count); }
void pith_gelu_tanh(const float *x, float *out, size_t count) { K->gelu_tanh(x, out, count); }
float pith_log_sum_exp(const float *x, size_t count) { return K->log_sum_exp(x, count); }
float pith_kl_divergence(const float *p, const float *q, size_t count) { return K->kl_divergence(p, q, count); }
void pith_rms_norm_gradient(
  const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight) {
  K->rms_norm_gradient(x, weight, epsilon, dy, count, dx, dweight);
}
void pith_layer_norm_gradient(
  const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight, float *dbias) {
  K->layer_norm_gradient(x, weight, epsilon, dy, count, dx, dweight, dbias);
}
void pith_softmax_gradient(const float *p, float *dp, size_t count, float scale) { K->softmax_gradient(p, dp, count, scale); }
void pith_silu_gradient(const float *x, const float *dy, float *dx, size_t count) { K->silu_gradient(x, dy, dx, count); }
void pith_gelu_gradient(const float *x, const float *dy, float *dx, size_t count) { K->gelu_gradient(x, dy, dx, count); }
void pith_gelu_tanh_gradient(const float *x, const float *dy, float *dx, size_t count) {
  K->gelu_tanh_gradient(x, dy, dx, count);
}
float pith_cross_entropy(float *logits, size_t count, size_t target, float smoothing, float weight) {
  return K->cross_entropy(logits, count, target, smoothing, weight);
}
float pith_distillation(
  float *student, float *teacher, size_t count, size_t target, float temperature, float soft, float weight) {
  return K->distillation(student, teacher, count, target, temperature, soft, weight);
}
void pith_round_to_grid(const pith_grid *grid, const float *x, float *out, size_t count) { K->round_to_grid(grid, x, out, count); }
float pith_round_to_grid_gradient(const pith_grid *grid, const float *x, const float *dy, float *dx, size_t count) {
  return K->round_to_grid_gradient(grid, x, dy, dx, count);
}
void pith_adamw_step(const pith_adamw *rule, const float *gradient, float *values, float *first, float *second, size_t count) {
  K->adamw(rule, gradient, values, first, second, count);
}
