#if defined(__x86_64__)

#include "integers.h"

#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define KERNELS pith_integers_vnni
#define WIDTH 64
#define TILE_TOKENS 6
#define STEP8 64
#define STEP4 64
#define CENTER8 128

typedef __m512i weights8;
typedef struct {
  __m512i low, high;
} weights4;

INLINE __m512i first_codes(const uint8_t *p, size_t count) {
  return count >= 64 ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8(~0ull >> (64 - count), p);
}

INLINE weights8 weights8_at(const uint8_t *p, size_t count) { return first_codes(p, count); }
INLINE __m512i values8_at(const int8_t *p) { return _mm512_loadu_si512(p); }
#define dot8(sums, weights, values) ((ints)_mm512_dpbusd_epi32((__m512i)(sums), weights, values))

INLINE weights4 weights4_at(const uint8_t *p, size_t count) {
  const __m512i codes = first_codes(p, count), mask = _mm512_set1_epi8(15);
  return (weights4){_mm512_and_si512(codes, mask), _mm512_and_si512(_mm512_srli_epi16(codes, 4), mask)};
}
#define dot4(sums, weights, even, odd) \
  ((ints)_mm512_dpbusd_epi32( \
    _mm512_dpbusd_epi32((__m512i)(sums), weights.low, _mm512_loadu_si512(even)), weights.high, _mm512_loadu_si512(odd)))

#include "integers_vector.h"

#endif
