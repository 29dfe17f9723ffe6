#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define KERNELS pith_kernels_avx2
#define LANES 8
#define TILE_TOKENS 3
#define OUTER_ROWS 6
#define PANEL_TOKENS 12

/// Two tables of 8; the fourth bit of an index, moved to the sign, chooses between them.
static inline __attribute__((always_inline)) TARGET __m256 look_up_avx2(const float *table, __m256i indices) {
  const __m256 low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table), indices);
  const __m256 high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(table + 8), indices);
  return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(indices, 28)));
}
#define look_up(table, indices) ((lanes)look_up_avx2(table, (__m256i)(indices)))

#define first_bytes(p, count) \
  ({ \
    ints part = {0}; \
    memcpy(&part, p, count); \
    part; \
  })
#define permute(values, places) ((lanes)_mm256_permutevar8x32_ps((__m256)(values), (__m256i)(places)))

/// What a macro makes of each mask of eight.
#define FOR4(WHAT, mask) WHAT(mask), WHAT(mask + 1), WHAT(mask + 2), WHAT(mask + 3)
#define FOR16(WHAT, mask) FOR4(WHAT, mask), FOR4(WHAT, mask + 4), FOR4(WHAT, mask + 8), FOR4(WHAT, mask + 12)
#define FOR64(WHAT, mask) FOR16(WHAT, mask), FOR16(WHAT, mask + 16), FOR16(WHAT, mask + 32), FOR16(WHAT, mask + 48)
#define FOR256(WHAT) {FOR64(WHAT, 0), FOR64(WHAT, 64), FOR64(WHAT, 128), FOR64(WHAT, 192)}

/// The lane of the compressed values that each lane of a mask takes: the number of set bits below it.
#define BELOW(mask, lane) ((uint64_t)__builtin_popcount((mask) & ((1u << (lane)) - 1)) << (8 * (lane)))
#define PLACES(mask) \
  BELOW(mask, 1) | BELOW(mask, 2) | BELOW(mask, 3) | BELOW(mask, 4) | BELOW(mask, 5) | BELOW(mask, 6) | BELOW(mask, 7)
static const uint64_t places_of[256] = FOR256(PLACES);

/// The other way round, the lanes of the set bits one after the other.
#define LANE(mask, lane) \
  ((uint64_t)((mask) >> (lane) & 1) * (lane) << (8 * __builtin_popcount((mask) & ((1u << (lane)) - 1))))
#define CHOSEN(mask) \
  LANE(mask, 1) | LANE(mask, 2) | LANE(mask, 3) | LANE(mask, 4) | LANE(mask, 5) | LANE(mask, 6) | LANE(mask, 7)
static const uint64_t chosen_by[256] = FOR256(CHOSEN);

static inline __attribute__((always_inline)) TARGET __m256 compress_avx2(__m256 values, uint32_t bits) {
  return _mm256_permutevar8x32_ps(values, _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(chosen_by + bits))));
}
#define compress(values, bits) ((lanes)compress_avx2((__m256)(values), bits))

static inline __attribute__((always_inline)) TARGET __m256 expand_avx2(__m256 values, uint32_t bits) {
  const __m256i places = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)places_of[bits]));
  const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i chosen = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)bits), lane), lane);
  return _mm256_and_ps(_mm256_permutevar8x32_ps(values, places), _mm256_castsi256_ps(chosen));
}
#define expand(values, bits) ((lanes)expand_avx2((__m256)(values), bits))

/// The bytes that places take of a vector where a mask of eight names them, as _mm_shuffle_epi8 wants them: of one byte per place, of two
/// for the first four places, and for the last four. A place that takes none becomes 0.
#define RANK(mask, lane) (uint64_t) __builtin_popcount((mask) & ((1u << (lane)) - 1))
#define BYTE(mask, lane) (((mask) >> (lane) & 1 ? RANK(mask, lane) : 0x80) << 8 * (lane))
#define HALF(mask, lane) (((mask) >> (lane) & 1 ? 0x0202 * RANK(mask, lane) + 0x0100 : 0x8080) << 16 * ((lane) % 4))
#define BYTES(mask) \
  BYTE(mask, 0) | BYTE(mask, 1) | BYTE(mask, 2) | BYTE(mask, 3) | BYTE(mask, 4) | BYTE(mask, 5) | BYTE(mask, 6) | BYTE(mask, 7)
#define HALVES(mask) \
  {HALF(mask, 0) | HALF(mask, 1) | HALF(mask, 2) | HALF(mask, 3), HALF(mask, 4) | HALF(mask, 5) | HALF(mask, 6) | HALF(mask, 7)}
static const uint64_t bytes_taken[256] = FOR256(BYTES);
static const uint64_t halves_taken[256][2] __attribute__((aligned(16))) = FOR256(HALVES);

static inline __attribute__((always_inline)) TARGET __m256 spread_halves_avx2(const uint8_t *p, uint32_t bits) {
  const __m128i taken = _mm_load_si128((const __m128i *)halves_taken[bits]);
  return _mm256_cvtph_ps(_mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)p), taken));
}
#define spread_halves(p, bits) ((lanes)spread_halves_avx2(p, bits))

static inline __attribute__((always_inline)) TARGET __m256 spread_bytes_avx2(const uint8_t *p, uint32_t bits) {
  const __m128i codes = _mm_xor_si128(_mm_loadl_epi64((const __m128i *)p), _mm_set1_epi8((char)0x80));
  const __m128i taken = _mm_loadl_epi64((const __m128i *)(bytes_taken + bits));
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_shuffle_epi8(codes, taken)));
}
#define spread_bytes(p, bits) ((lanes)spread_bytes_avx2(p, bits))

/// Shifts of a copied word; not pdep, which takes hundreds of cycles on Zen and Zen 2.
static inline __attribute__((always_inline)) TARGET uint64_t spread(uint64_t word, int bits) {
  const __m256i all = _mm256_set1_epi64x((long long)word);
  const __m256i mask = _mm256_set1_epi64x((1 << bits) - 1);
  const __m256i low = _mm256_and_si256(_mm256_srlv_epi64(all, _mm256_setr_epi64x(0, bits, 2 * bits, 3 * bits)), mask);
  const __m256i high =
    _mm256_and_si256(_mm256_srlv_epi64(all, _mm256_setr_epi64x(4 * bits, 5 * bits, 6 * bits, 7 * bits)), mask);
  // Codes 0–3 and 4–7 in bytes 0 and 4 of their 64-bit lanes, then gathered.
  const __m256i both = _mm256_or_si256(low, _mm256_slli_epi64(high, 32));
  const __m256i bytes = _mm256_shuffle_epi8(
    both, _mm256_setr_epi8(
            0, 8, -1, -1, 4, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 8, -1, -1, 4, 12, -1, -1, -1, -1, -1,
            -1, -1, -1));
  return (uint64_t)_mm_cvtsi128_si64(_mm_or_si128(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)));
}

#include "kernels_vector.h"

#endif
