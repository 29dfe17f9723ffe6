// Products of masked rows with AVX-512: of runs of eight columns, two at a time; of single weights 64 columns at a time, where the
// processor spreads bytes over the places of a mask in one instruction (VBMI2).
#if defined(__x86_64__)

#include "kernels.h"

#include <immintrin.h>

#define RUNS __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,popcnt,bmi2")))
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi,avx512vbmi2,avx2,fma,f16c,popcnt,bmi2")))
#define INLINE static inline __attribute__((always_inline))

/// Scales that are decoded at one time.
enum { SCALES = 256 };

/// The scales of up to SCALES groups of a row from one on; 1 where there are none.
INLINE RUNS void decode_scales(const pith_masked *m, size_t row, size_t group, float *scales) {
  for (size_t i = 0; i < SCALES && group + i < m->groups; i += 16) {
    const size_t left = m->groups - group - i;
    const __mmask16 some = (__mmask16)_bzhi_u32(0xFFFF, left < 16 ? (unsigned)left : 16);
    const uint8_t *p = m->scales ? m->scales + 2 * (row * m->groups + group + i) : NULL;
    _mm512_storeu_ps(
      scales + i, p ? _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(some, p)) : _mm512_set1_ps(1));
  }
}

// --- Runs ---

/// The weights of a run and the next, not scaled; of the last one 0 where there is no next.
INLINE RUNS __m512 weights_of_runs(const pith_masked *m, const pith_masked_format format, __m512 table, size_t run, bool both) {
  const __mmask16 some = both ? 0xFFFF : 0xFF;
  switch (format) {
  case PITH_MASKED_HALF: return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(some, m->values + 16 * run));
  case PITH_MASKED_BYTE: {
    const __m128i codes = _mm_maskz_loadu_epi8(some, m->values + 8 * run);
    const __m512i numbers = _mm512_cvtepi8_epi32(_mm_xor_si128(codes, _mm_set1_epi8((char)0x80)));
    return _mm512_maskz_cvtepi32_ps(some, numbers);
  }
  default: {
    const __m512i words = _mm512_castsi128_si512(_mm_maskz_loadu_epi8(both ? 0xFF : 0xF, m->values + 4 * run));
    const __m512i spread = _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1), words);
    const __m512i shifts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
    return _mm512_maskz_permutexvar_ps(some, _mm512_srlv_epi32(spread, shifts), table);
  }
  }
}

INLINE RUNS __m512 pair(const float *first, const float *second) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(first)), _mm256_loadu_ps(second), 1);
}

INLINE RUNS __m512 pair_of(float first, float second) {
  return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_set1_ps(first)), _mm256_set1_ps(second), 1);
}

/// Adds the products of two runs, or of a last one.
INLINE RUNS __m512 add_runs(
  const pith_masked *m, const pith_masked_format format, __m512 table, const float *scales, size_t run, bool both, const float *x,
  __m512 sum) {
  const size_t a = m->runs[run], b = both ? m->runs[run + 1] : a;
  __m512 w = weights_of_runs(m, format, table, run, both);
  if (format != PITH_MASKED_HALF) {
    w = _mm512_mul_ps(w, pair_of(scales[8 * a >> m->group_shift], scales[8 * b >> m->group_shift]));
  }
  return _mm512_fmadd_ps(w, pair(x + 8 * a, x + 8 * b), sum);
}

INLINE RUNS void multiply_runs(
  const pith_masked *m, const pith_masked_format format, const float *x, size_t first, size_t last, float *y) {
  const __m512 table = m->table ? _mm512_loadu_ps(m->table) : _mm512_setzero_ps();
  float scales[SCALES];
  for (size_t row = first; row < last; row++) {
    if (format != PITH_MASKED_HALF) decode_scales(m, row, 0, scales);
    size_t run = m->starts[row] / 8;
    const size_t stop = m->starts[row + 1] / 8;
    __m512 even = _mm512_setzero_ps(), odd = _mm512_setzero_ps();
    for (; run + 4 <= stop; run += 4) {
      even = add_runs(m, format, table, scales, run, true, x, even);
      odd = add_runs(m, format, table, scales, run + 2, true, x, odd);
    }
    for (; run + 2 <= stop; run += 2) even = add_runs(m, format, table, scales, run, true, x, even);
    if (run < stop) odd = add_runs(m, format, table, scales, run, false, x, odd);
    y[row] = _mm512_reduce_add_ps(_mm512_add_ps(even, odd));
  }
}

bool pith_has_masked_runs_avx512(const pith_masked *m) { return m->runs && m->groups <= SCALES; }

RUNS void pith_masked_runs_avx512(const pith_masked *m, const float *x, size_t first, size_t last, float *y) {
  switch (m->format) {
  case PITH_MASKED_HALF: multiply_runs(m, PITH_MASKED_HALF, x, first, last, y); break;
  case PITH_MASKED_BYTE: multiply_runs(m, PITH_MASKED_BYTE, x, first, last, y); break;
  case PITH_MASKED_NIBBLE: multiply_runs(m, PITH_MASKED_NIBBLE, x, first, last, y); break;
  }
}

// --- Single weights ---

/// What the columns of a step add to, 16 by 16.
typedef struct {
  __m512 s[4];
} sums;

/// The mask of up to 64 columns from column k, a multiple of 16, on.
INLINE TARGET uint64_t mask_of(const uint8_t *mask, size_t k, size_t count) {
  uint64_t bits = 0;
  if (count == 64) {
    memcpy(&bits, mask + k / 8, 8);
  } else {
    memcpy(&bits, mask + k / 8, (count + 7) / 8);
  }
  return bits;
}

/// Activations 16j … of a step of `count` columns; zeros behind it.
INLINE TARGET __m512 activations(const float *x, size_t j, size_t count) {
  if (count == 64) return _mm512_loadu_ps(x + 16 * j);
  return _mm512_maskz_loadu_ps((__mmask16)_bzhi_u32(0xFFFF, count > 16 * j ? (unsigned)(count - 16 * j) : 0), x + 16 * j);
}

/// `count` ≤ 64 codes of 4 bits from code `next` on, each in a byte.
INLINE TARGET __m512i nibbles_at(const pith_masked *m, size_t next, unsigned count) {
  // Each eight bytes get the four or five that hold eight codes; a step may begin in the midst of a byte.
  static const uint8_t spread[64] __attribute__((aligned(64))) = {
    0,  1,  2,  3,  4,  5,  6,  7,  4,  5,  6,  7,  8,  9,  10, 11, 8,  9,  10, 11, 12, 13, 14, 15, 12, 13, 14, 15, 16, 17, 18, 19,
    16, 17, 18, 19, 20, 21, 22, 23, 20, 21, 22, 23, 24, 25, 26, 27, 24, 25, 26, 27, 28, 29, 30, 31, 28, 29, 30, 31, 32, 33, 34, 35};
  static const uint64_t shifts[2] = {0x1C1814100C080400, 0x201C1814100C0804};
  const uint8_t *p = m->values + next / 2;
  const unsigned odd = next % 2;
  const __m512i bytes = next + 128 <= m->count
    ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8(_bzhi_u64(~0ull, (count + odd + 1) / 2), p);
  const __m512i codes = _mm512_multishift_epi64_epi8(
    _mm512_set1_epi64((long long)shifts[odd]), _mm512_permutexvar_epi8(_mm512_load_si512(spread), bytes));
  return _mm512_and_si512(codes, _mm512_set1_epi8(15));
}

void pith_masked_arrange_vbmi2(const float *x, size_t columns, float *out) {
  memset(out, 0, (columns + 63) / 64 * 64 * sizeof *out);
  for (size_t k = 0; k < columns; k++) out[k / 64 * 64 + k % 4 * 16 + k % 64 / 4] = x[k];
}

/// Activations 4i + j of a step of 64 columns for i < 16.
INLINE TARGET __m512 arranged(const float *x, size_t j) { return _mm512_loadu_ps(x + 16 * j); }

#define QUARTER(bytes, j) _mm512_extracti32x4_epi32(bytes, j)

/// Adds the products of a step; returns how many weights it stores.
INLINE TARGET unsigned step(
  const pith_masked *m, const pith_masked_format format, __m512 table, size_t next, uint64_t bits, const float *x, size_t count,
  sums *t) {
  const unsigned stored = (unsigned)_mm_popcnt_u64(bits);
  __m512 w[4];
  switch (format) {
  case PITH_MASKED_HALF: {
    // What lies behind the weights of a mask is read too, and not spread.
    const uint8_t *p = m->values + 2 * next;
    const bool isLast = next + 64 > m->count;
    for (int j = 0; j < 4; j++) {
      const __mmask16 own = (__mmask16)(bits >> 16 * j);
      const unsigned count = (unsigned)_mm_popcnt_u32(own);
      const __m256i halves = isLast
        ? _mm256_maskz_loadu_epi16((__mmask16)_bzhi_u32(0xFFFF, count), p) : _mm256_loadu_si256((const __m256i *)p);
      w[j] = _mm512_maskz_expand_ps(own, _mm512_cvtph_ps(halves));
      p += 2 * count;
    }
    break;
  }
  case PITH_MASKED_BYTE: {
    const __m512i center = _mm512_set1_epi8((char)0x80);
    const __m512i codes = next + 64 <= m->count
      ? _mm512_loadu_si512(m->values + next) : _mm512_maskz_loadu_epi8(_bzhi_u64(~0ull, stored), m->values + next);
    const __m512i v = _mm512_xor_si512(_mm512_mask_expand_epi8(center, bits, codes), center);
    w[0] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(QUARTER(v, 0)));
    w[1] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(QUARTER(v, 1)));
    w[2] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(QUARTER(v, 2)));
    w[3] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(QUARTER(v, 3)));
    break;
  }
  default: {
    // Entry 16 is the first of a second table, of zeros. Only the lowest bits of an index count, so bytes need not be moved to
    // lanes of their own: lane i has those of columns 4i, 4i + 1, …
    const __m512i v = _mm512_mask_expand_epi8(_mm512_set1_epi8(16), bits, nibbles_at(m, next, stored));
    const __m512 zero = _mm512_setzero_ps();
    w[0] = _mm512_permutex2var_ps(table, v, zero);
    w[1] = _mm512_permutex2var_ps(table, _mm512_srli_epi32(v, 8), zero);
    w[2] = _mm512_permutex2var_ps(table, _mm512_srli_epi32(v, 16), zero);
    w[3] = _mm512_permutex2var_ps(table, _mm512_srli_epi32(v, 24), zero);
    for (size_t j = 0; j < 4; j++) t->s[0] = _mm512_fmadd_ps(w[j], arranged(x, j), t->s[0]);
    return stored;
  }
  }
  for (int j = 0; j < 4; j++) t->s[j] = _mm512_fmadd_ps(w[j], activations(x, (size_t)j, count), t->s[j]);
  return stored;
}

INLINE TARGET void multiply(
  const pith_masked *m, const pith_masked_format format, const float *x, size_t first, size_t last, float *y) {
  const __m512 table = m->table ? _mm512_loadu_ps(m->table) : _mm512_setzero_ps();
  const size_t mask_bytes = pith_mask_bytes(m->columns);
  float scales[SCALES];
  for (size_t row = first; row < last; row++) {
    const uint8_t *mask = m->mask + row * mask_bytes;
    size_t next = m->starts[row];
    __m512 total = _mm512_setzero_ps();
    for (size_t group = 0; group < m->groups; group++) {
      if (group % SCALES == 0) decode_scales(m, row, group, scales);
      size_t k = group * m->group_size;
      const size_t stop = k + m->group_size < m->columns ? k + m->group_size : m->columns;
      sums t = {{_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()}};
      for (; k + 64 <= stop; k += 64) next += step(m, format, table, next, mask_of(mask, k, 64), x + k, 64, &t);
      if (k < stop) next += step(m, format, table, next, mask_of(mask, k, stop - k), x + k, stop - k, &t);
      const __m512 sum = format == PITH_MASKED_NIBBLE
        ? t.s[0] : _mm512_add_ps(_mm512_add_ps(t.s[0], t.s[1]), _mm512_add_ps(t.s[2], t.s[3]));
      total = _mm512_fmadd_ps(_mm512_set1_ps(scales[group % SCALES]), sum, total);
    }
    y[row] = _mm512_reduce_add_ps(total);
  }
}

TARGET void pith_masked_product_vbmi2(const pith_masked *m, const float *x, size_t first, size_t last, float *y) {
  switch (m->format) {
  case PITH_MASKED_HALF: multiply(m, PITH_MASKED_HALF, x, first, last, y); break;
  case PITH_MASKED_BYTE: multiply(m, PITH_MASKED_BYTE, x, first, last, y); break;
  case PITH_MASKED_NIBBLE: multiply(m, PITH_MASKED_NIBBLE, x, first, last, y); break;
  }
}

#endif
