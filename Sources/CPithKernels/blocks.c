#include <stdatomic.h>

#include "blocks.h"

/// The loops for an instruction set, or null if this processor has not got it.
static const BlockKernels *kernels_for(enum PithBlocksInstructions instructions) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool has_avx2 =
    __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (instructions == PithBlocksAVX2 && has_avx2) return pith_blocks_avx2;
  if (instructions == PithBlocksAVX512 && has_avx2 && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return pith_blocks_avx512;
#elif defined(__aarch64__)
  if (instructions == PithBlocksNEON) return pith_blocks_neon;
#endif
  return instructions == PithBlocksScalar ? pith_blocks_scalar : NULL;
}

/// The loops in use; null until they are first asked for.
static _Atomic(const BlockKernels *) chosen;

static const BlockKernels *kernels(uint32_t format) {
  static const enum PithBlocksInstructions best_first[] = {
    PithBlocksAVX512, PithBlocksAVX2, PithBlocksNEON, PithBlocksScalar};
  const BlockKernels *all = atomic_load_explicit(&chosen, memory_order_relaxed);
  if (all == NULL) {
    for (int i = 0; all == NULL; i++) all = kernels_for(best_first[i]);
    atomic_store_explicit(&chosen, all, memory_order_relaxed);
  }
  return format < FORMAT_NUMBERS && all[format].decode != NULL ? &all[format] : NULL;
}

bool pith_blocks_use_instructions(enum PithBlocksInstructions instructions) {
  const BlockKernels *all = kernels_for(instructions);
  if (all != NULL) atomic_store_explicit(&chosen, all, memory_order_relaxed);
  return all != NULL;
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
