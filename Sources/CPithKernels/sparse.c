// Rows of few values. Their products wait for memory, not for arithmetic, so one version serves every instruction set.
#include "kernels.h"

/// How many values are decoded at one time.
#define PIECE 256

typedef float f32x16 __attribute__((vector_size(64)));

/// A part of the values, decoded.
typedef struct {
  const uint16_t *all;
  size_t count, start, end;
  float values[PIECE];
} piece;

static inline float value_at(piece *p, size_t index) {
  if (index >= p->end) {
    p->start = index;
    p->end = p->count - index < PIECE ? p->count : index + PIECE;
    pith_half_decode(p->all + index, p->end - index, p->values);
  }
  return p->values[index - p->start];
}

void pith_sparse_decode(const pith_sparse *m, size_t row, float *out) {
  const size_t first = m->row_pointers[row], last = m->row_pointers[row + 1];
  piece p = {m->values, last, 0, 0, {0}};
  for (size_t i = 0; i < m->columns; i++) out[i] = 0;
  for (size_t i = first; i < last; i++) out[m->column_indices[i]] = value_at(&p, i);
}

void pith_sparse_product(const pith_sparse *m, const float *x, size_t first, size_t last, float *y) {
  piece p = {m->values, m->row_pointers[last], 0, 0, {0}};
  for (size_t row = first; row < last; row++) {
    float sum = 0;
    for (size_t i = m->row_pointers[row]; i < m->row_pointers[row + 1]; i++) {
      sum += value_at(&p, i) * x[m->column_indices[i]];
    }
    y[row] = sum;
  }
}

void pith_sparse_product16(
  const pith_sparse *m, const float *x, size_t tokens, size_t first, size_t last, float *y, size_t ldy) {
  piece p = {m->values, m->row_pointers[last], 0, 0, {0}};
  for (size_t row = first; row < last; row++) {
    f32x16 sums = {0};
    for (size_t i = m->row_pointers[row]; i < m->row_pointers[row + 1]; i++) {
      f32x16 some;
      memcpy(&some, x + 16 * (size_t)m->column_indices[i], sizeof some);
      sums += value_at(&p, i) * some;
    }
    for (size_t t = 0; t < tokens; t++) y[t * ldy + row] = sums[t];
  }
}
