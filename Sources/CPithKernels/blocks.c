// Chooses the loops over GGUF blocks that this processor runs best.
#include "CPithKernels.h"
#include "blocks.h"

static const BlockKernels *kernels(uint32_t format) {
  const BlockKernels *all = pith_blocks_scalar;
  switch (pith_instruction_set_in_use()) {
#if defined(__x86_64__)
  case PITH_AVX2: all = pith_blocks_avx2; break;
  case PITH_AVX512: all = pith_blocks_avx512; break;
#elif defined(__aarch64__)
  case PITH_NEON: all = pith_blocks_neon; break;
#endif
  default: break;
  }
  return format < FORMAT_NUMBERS && all[format].decode != NULL ? &all[format] : NULL;
}

void pith_blocks_decode(uint32_t format, const uint8_t *blocks, size_t block_count, float *out) {
  const BlockKernels *const loops = kernels(format);
  if (loops != NULL) loops->decode(blocks, block_count, out);
}

void pith_blocks_gemv(
  uint32_t format, const uint8_t *blocks, size_t blocks_per_row, size_t rows, const float *x, float *y) {
  const BlockKernels *const loops = kernels(format);
  if (loops != NULL) loops->gemv(blocks, blocks_per_row, rows, x, y);
}
