#include "blocks.h"

void pith_blocks_decode(uint32_t format, const uint8_t *blocks, size_t block_count, float *out) {
  pith_blocks_decode_scalar(format, blocks, block_count, out);
}
