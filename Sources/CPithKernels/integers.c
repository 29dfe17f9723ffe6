// Chooses the loops of integer products that this processor runs best.
#include "integers.h"

#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#if defined(__aarch64__)
/// Whether the processor multiplies and adds four bytes at a time (FEAT_DotProd).
static bool has_dot_products(void) {
#if defined(__ARM_FEATURE_DOTPROD)
  return true;
#elif defined(__linux__)
  return getauxval(AT_HWCAP) >> 20 & 1;
#elif defined(__APPLE__)
  int has = 0;
  size_t size = sizeof has;
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, 0, 0) == 0 && has;
#else
  return false;
#endif
}
#endif

static const pith_integer_kernels *kernels(void) {
  switch (pith_instruction_set_in_use()) {
#if defined(__x86_64__)
  case PITH_AVX2: return &pith_integers_avx2;
  case PITH_AVX512:
    return __builtin_cpu_supports("avx512vnni") ? &pith_integers_vnni : &pith_integers_avx2;
#elif defined(__aarch64__)
  case PITH_NEON: return has_dot_products() ? &pith_integers_dot : &pith_integers_neon;
#endif
  default: return &pith_integers_scalar;
  }
}

size_t pith_integer_stride(size_t columns, int weight_bits) {
  const size_t block = weight_bits == 8 ? 64 : 128;
  return (columns + block - 1) / block * block;
}

void pith_integer_quantize(
  const float *x, size_t columns, pith_activations activations, int weight_bits, int8_t *values, float *scale,
  int32_t *sum) {
  kernels()->quantize(x, columns, activations, weight_bits, values, scale, sum);
}

void pith_integer_decode(const pith_integers *matrix, size_t row, float *out) {
  const uint8_t *codes = matrix->codes + row * matrix->row_bytes;
  const float scale = pith_integer_scale(matrix, row);
  if (matrix->bits == 8) {
    for (size_t i = 0; i < matrix->columns; i++) out[i] = scale * (float)(codes[i] - 128);
  } else {
    for (size_t i = 0; i < matrix->columns; i++) out[i] = scale * (float)((codes[i / 2] >> (i & 1) * 4 & 15) - 8);
  }
}

void pith_integer_decode_columns(
  const pith_integers *matrix, size_t row, const uint32_t *columns, size_t count, float *out) {
  const uint8_t *codes = matrix->codes + row * matrix->row_bytes;
  const float scale = pith_integer_scale(matrix, row);
  const int middle = 1 << (matrix->bits - 1);
  for (size_t i = 0; i < count; i++) out[i] = scale * (float)((int)pith_code(codes, columns[i], matrix->bits) - middle);
}

void pith_integer_product(
  const pith_integers *matrix, const pith_integer_tokens *tokens, size_t first, size_t last, float *y, size_t ldy) {
  kernels()->product(matrix, tokens, first, last, y, ldy);
}
