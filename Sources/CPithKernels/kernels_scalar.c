// The plain version of every kernel: the oracle of the others, and what runs on a processor without vectors.
#include "kernels.h"

#include <math.h>
#include <string.h>

static void dot_block(
  const float *x, size_t ldx, size_t tokens, const float *w, size_t ldw, size_t rows, size_t columns, float *y,
  size_t ldy) {
  for (size_t t = 0; t < tokens; t++) {
    for (size_t r = 0; r < rows; r++) {
      float sum = 0;
      for (size_t k = 0; k < columns; k++) sum += x[t * ldx + k] * w[r * ldw + k];
      y[t * ldy + r] = sum;
    }
  }
}

static void product(pith_operand a, pith_operand b, size_t m, size_t n, size_t depth, bool adds, float *c, size_t ldc) {
  for (size_t i = 0; i < m; i++) {
    for (size_t j = 0; j < n; j++) {
      float sum = 0;
      for (size_t k = 0; k < depth; k++) sum += a.start[i * a.row + k * a.column] * b.start[k * b.row + j * b.column];
      c[i * ldc + j] = adds ? c[i * ldc + j] + sum : sum;
    }
  }
}

static void half_decode(const uint16_t *values, size_t count, float *out) {
  for (size_t i = 0; i < count; i++) out[i] = pith_half(pith_load16((const uint8_t *)values + 2 * i));
}

static void bfloat_decode(const uint16_t *values, size_t count, float *out) {
  for (size_t i = 0; i < count; i++) {
    union {
      uint32_t bits;
      float value;
    } number = {(uint32_t)pith_load16((const uint8_t *)values + 2 * i) << 16};
    out[i] = number.value;
  }
}

static void half_product(const uint16_t *w, size_t columns, const float *x, size_t rows, float *y) {
  for (size_t r = 0; r < rows; r++) {
    float sum = 0;
    for (size_t k = 0; k < columns; k++) {
      float value;
      half_decode(w + r * columns + k, 1, &value);
      sum += value * x[k];
    }
    y[r] = sum;
  }
}

static void bfloat_product(const uint16_t *w, size_t columns, const float *x, size_t rows, float *y) {
  for (size_t r = 0; r < rows; r++) {
    float sum = 0;
    for (size_t k = 0; k < columns; k++) {
      float value;
      bfloat_decode(w + r * columns + k, 1, &value);
      sum += value * x[k];
    }
    y[r] = sum;
  }
}

static void half_columns(
  const uint16_t *w, size_t rows, const float *x, const uint32_t *used, size_t count, size_t first, size_t last, float *y) {
  for (size_t r = first; r < last; r++) {
    float sum = 0;
    for (size_t i = 0; i < count; i++) {
      float value;
      half_decode(w + used[i] * rows + r, 1, &value);
      sum += value * x[used[i]];
    }
    y[r] = sum;
  }
}

static void bfloat_columns(
  const uint16_t *w, size_t rows, const float *x, const uint32_t *used, size_t count, size_t first, size_t last, float *y) {
  for (size_t r = first; r < last; r++) {
    float sum = 0;
    for (size_t i = 0; i < count; i++) {
      float value;
      bfloat_decode(w + used[i] * rows + r, 1, &value);
      sum += value * x[used[i]];
    }
    y[r] = sum;
  }
}

static void affine_decode(const pith_affine *m, size_t row, float *out) {
  const uint8_t *codes = m->codes + row * m->row_bytes;
  for (size_t i = 0; i < m->columns; i++) {
    const size_t group = i / m->group_size;
    const float code = (float)pith_code(codes, i, m->bits);
    out[i] = pith_affine_scale(m, row, group) * (code - pith_affine_zero(m, row, group));
  }
}

static void affine_product(
  const pith_affine *m, const pith_token *token, size_t first, size_t last, float *y) {
  for (size_t row = first; row < last; row++) {
    const uint8_t *codes = m->codes + row * m->row_bytes;
    float sum = 0;
    for (size_t group = 0; group < m->groups; group++) {
      const size_t end = (group + 1) * m->group_size < m->columns ? (group + 1) * m->group_size : m->columns;
      float part = 0;
      for (size_t i = group * m->group_size; i < end; i++) part += (float)pith_code(codes, i, m->bits) * token->x[i];
      sum += pith_affine_scale(m, row, group) * (part - pith_affine_zero(m, row, group) * token->sums[group]);
    }
    y[row] = sum;
  }
}

/// A row and its table, decoded to `entries`.
static pith_codebook_row codebook_row_at(const pith_codebook *m, size_t row, float entries[256]) {
  const size_t count = (size_t)1 << m->bits;
  if (m->table_per_row) {
    half_decode((const uint16_t *)(m->tables + 2 * row * count), count, entries);
  } else {
    memcpy(entries, m->tables, count * sizeof(float));
  }
  return (pith_codebook_row){m->codes + row * m->row_bytes, entries, m->bits};
}

static void codebook_decode(const pith_codebook *m, size_t row, float *out) {
  float entries[256];
  const pith_codebook_row r = codebook_row_at(m, row, entries);
  for (size_t i = 0; i < m->columns; i++) {
    const float scale = pith_codebook_scale(m, row * m->groups + i / m->group_size);
    out[i] = scale * r.table[pith_code(r.codes, i, m->bits)];
  }
}

static void codebook_product(
  const pith_codebook *m, const pith_token *token, size_t first, size_t last, float *y) {
  for (size_t row = first; row < last; row++) {
    float entries[256];
    const pith_codebook_row r = codebook_row_at(m, row, entries);
    float sum = 0;
    for (size_t i = 0; i < m->columns; i++) {
      const float scale = pith_codebook_scale(m, row * m->groups + i / m->group_size);
      sum += scale * r.table[pith_code(r.codes, i, m->bits)] * token->x[i];
    }
    y[row] = sum;
  }
}

static void vectors_decode(const pith_vectors *m, size_t row, float *out) {
  const size_t book_bytes = (m->dimension * 2) << m->bits, set_bytes = book_bytes * m->codebooks;
  const float scale = pith_vectors_scale(m, row);
  pith_code_stream codes = pith_codes_of_row(m, row);
  for (size_t start = 0, run = 0; start < m->columns; start += m->dimension, run++) {
    const size_t count = m->columns - start < m->dimension ? m->columns - start : m->dimension;
    const uint8_t *book = m->tables + run % m->sets * set_bytes;
    for (size_t b = 0; b < m->codebooks; b++, book += book_bytes) {
      const uint8_t *codeword = book + pith_next_code(&codes) * m->dimension * 2;
      for (size_t i = 0; i < count; i++) {
        const float value = pith_half(pith_load16(codeword + 2 * i));
        out[start + i] = b == 0 ? value : out[start + i] + value;
      }
    }
    for (size_t i = 0; i < count; i++) out[start + i] *= scale;
  }
}

static void vectors_product(const pith_vectors *m, const float *x, size_t first, size_t last, float *y) {
  const size_t book_bytes = (m->dimension * 2) << m->bits, set_bytes = book_bytes * m->codebooks;
  for (size_t row = first; row < last; row++) {
    pith_code_stream codes = pith_codes_of_row(m, row);
    float sum = 0;
    for (size_t start = 0, run = 0; start < m->columns; start += m->dimension, run++) {
      const size_t count = m->columns - start < m->dimension ? m->columns - start : m->dimension;
      const uint8_t *book = m->tables + run % m->sets * set_bytes;
      for (size_t b = 0; b < m->codebooks; b++, book += book_bytes) {
        const uint8_t *codeword = book + pith_next_code(&codes) * m->dimension * 2;
        for (size_t i = 0; i < count; i++) sum += pith_half(pith_load16(codeword + 2 * i)) * x[start + i];
      }
    }
    y[row] = sum * pith_vectors_scale(m, row);
  }
}

static float masked_weight(const pith_masked *m, size_t index) {
  switch (m->format) {
  case PITH_MASKED_HALF: return pith_half(pith_load16(m->values + 2 * index));
  case PITH_MASKED_BYTE: return (float)(m->values[index] - 128);
  default: {
    float value;
    memcpy(&value, m->table + 4 * pith_code(m->values, index, 4), sizeof value);
    return value;
  }
  }
}

static void masked_decode(const pith_masked *m, size_t row, float *out) {
  const uint8_t *mask = m->mask + row * pith_mask_bytes(m->columns);
  size_t next = m->starts[row];
  for (size_t k = 0; k < m->columns; k++) {
    const size_t place = row * m->groups + k / m->group_size;
    const float scale = m->scales ? pith_half(pith_load16(m->scales + 2 * place)) : 1;
    out[k] = mask[k / 8] >> k % 8 & 1 ? scale * masked_weight(m, next++) : 0;
  }
}

static void masked_product(const pith_masked *m, const float *x, size_t first, size_t last, float *y) {
  for (size_t row = first; row < last; row++) {
    const uint8_t *mask = m->mask + row * pith_mask_bytes(m->columns);
    size_t next = m->starts[row];
    float sum = 0;
    for (size_t group = 0; group < m->groups; group++) {
      const size_t stop = (group + 1) * m->group_size < m->columns ? (group + 1) * m->group_size : m->columns;
      float part = 0;
      for (size_t k = group * m->group_size; k < stop; k++) {
        if (mask[k / 8] >> k % 8 & 1) part += masked_weight(m, next++) * x[k];
      }
      sum += part * (m->scales ? pith_half(pith_load16(m->scales + 2 * (row * m->groups + group))) : 1);
    }
    y[row] = sum;
  }
}

static void subtract_products(
  const float *base, const float *factors, const float *rows, size_t row_count, size_t count, float *out) {
  for (size_t k = 0; k < count; k++) {
    float value = base[k];
    for (size_t j = 0; j < row_count; j++) value -= factors[j] * rows[j * count + k];
    out[k] = value;
  }
}

static void subtract_columns(
  float *w, const float *e, const float *factors, size_t stride, size_t columns, size_t count) {
  for (size_t j = 0; j < columns; j++) {
    for (size_t row = 0; row < 16; row++) {
      float sum = 0;
      for (size_t i = 0; i < count; i++) sum += factors[j * stride + i] * e[16 * i + row];
      w[16 * j + row] -= sum;
    }
  }
}

static void hadamard(float *x, size_t order) { pith_butterflies(x, order, 1); }

static void sum_rows(const float *base, const float *const *rows, size_t row_count, size_t count, float *out) {
  for (size_t k = 0; k < count; k++) {
    float sum = base[k];
    for (size_t j = 0; j < row_count; j++) sum += rows[j][k];
    out[k] = sum;
  }
}

static size_t lowest_sum(
  const float *base, const float *const *rows, size_t row_count, size_t count, float *lowest) {
  size_t index = 0;
  for (size_t k = 0; k < count; k++) {
    float sum = base[k];
    for (size_t j = 0; j < row_count; j++) sum += rows[j][k];
    if (k == 0 || sum < *lowest) {
      index = k;
      *lowest = sum;
    }
  }
  return index;
}

static size_t lowest_way(
  const float *base, const float *starts, const float *const *rows, size_t ways, size_t row_count, size_t count,
  size_t *index) {
  size_t best = 0;
  float lowest = 0;
  for (size_t way = 0; way < ways; way++) {
    float sum;
    const size_t found = lowest_sum(base, rows + way * row_count, row_count, count, &sum);
    sum += starts[way];
    if (way == 0 || sum < lowest) {
      best = way;
      lowest = sum;
      *index = found;
    }
  }
  return best;
}

static void rms_norm(const float *x, const float *weight, float epsilon, size_t count, float *out) {
  float sum = 0;
  for (size_t i = 0; i < count; i++) sum += x[i] * x[i];
  const float scale = 1 / sqrtf(sum / (float)count + epsilon);
  for (size_t i = 0; i < count; i++) out[i] = x[i] * scale * weight[i];
}

static void layer_norm(
  const float *x, const float *weight, const float *bias, float epsilon, size_t count, float *out) {
  float sum = 0, squares = 0;
  for (size_t i = 0; i < count; i++) sum += x[i];
  const float mean = sum / (float)count;
  for (size_t i = 0; i < count; i++) squares += (x[i] - mean) * (x[i] - mean);
  const float scale = 1 / sqrtf(squares / (float)count + epsilon);
  for (size_t i = 0; i < count; i++) out[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

static void softmax(float *x, size_t count, float scale) {
  float highest = -INFINITY, sum = 0;
  for (size_t i = 0; i < count; i++) highest = fmaxf(highest, x[i] *= scale);
  for (size_t i = 0; i < count; i++) sum += x[i] = expf(x[i] - highest);
  for (size_t i = 0; i < count; i++) x[i] /= sum;
}

static void silu(const float *x, float *out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] = x[i] / (1 + expf(-x[i]));
}

static void gelu(const float *x, float *out, size_t count) {
  for (size_t i = 0; i < count; i++) out[i] = 0.5f * x[i] * (1 + erff(x[i] * 0.70710678f));
}

static void gelu_tanh(const float *x, float *out, size_t count) {
  for (size_t i = 0; i < count; i++) {
    out[i] = 0.5f * x[i] * (1 + tanhf(0.79788456f * (x[i] + 0.044715f * x[i] * x[i] * x[i])));
  }
}

static float log_sum_exp(const float *x, size_t count) {
  float highest = -INFINITY;
  for (size_t i = 0; i < count; i++) highest = fmaxf(highest, x[i]);
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += expf(x[i] - highest);
  return highest + (float)log(sum);
}

static float kl_divergence(const float *p, const float *q, size_t count) {
  const float p_log = log_sum_exp(p, count), q_log = log_sum_exp(q, count);
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += expf(p[i] - p_log) * ((p[i] - p_log) - (q[i] - q_log));
  return (float)sum;
}

#include "gradients_scalar.h"

const pith_kernels pith_kernels_scalar = {
  dot_block, product, half_decode, bfloat_decode, half_product, bfloat_product, half_columns, bfloat_columns, affine_decode, affine_product, codebook_decode,
  codebook_product, vectors_decode, vectors_product, masked_decode, masked_product, subtract_products, subtract_columns,
  sum_rows, lowest_sum, lowest_way, hadamard, rms_norm, layer_norm, softmax, silu, gelu, gelu_tanh, log_sum_exp, kl_divergence,
  rms_norm_gradient, layer_norm_gradient, softmax_gradient, silu_gradient, gelu_gradient, gelu_tanh_gradient, cross_entropy, distillation,
  round_to_grid, round_to_grid_gradient, adamw,
};
