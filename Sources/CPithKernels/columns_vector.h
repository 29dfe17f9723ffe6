// Products of one token with matrices that lie column after column, of which only those are read whose input is not 0. Included by
// kernels_vector.h.

/// Columns that are added at a time: as many streams from memory.
#define COLUMN_STREAMS 8

/// Defines the product with columns of numbers of 2 bytes, of which AT gives LANES.
#define COLUMNS_PRODUCT(NAME, AT) \
  TARGET static void NAME( \
    const uint16_t *w, size_t rows, const float *x, const uint32_t *used, size_t count, size_t first, size_t last, float *y) { \
    memset(y + first, 0, (last - first) * sizeof(float)); \
    for (size_t i = 0; i < count; i += COLUMN_STREAMS) { \
      const uint16_t *columns[COLUMN_STREAMS]; \
      lanes inputs[COLUMN_STREAMS]; \
      UNROLLED for (size_t s = 0; s < COLUMN_STREAMS; s++) { \
        const size_t column = used[smaller(i + s, count - 1)]; \
        columns[s] = w + column * rows; \
        inputs[s] = all(i + s < count ? x[column] : 0); \
      } \
      size_t r = first; \
      for (; r + LANES <= last; r += LANES) { \
        lanes sum = load(y + r); \
        UNROLLED for (size_t s = 0; s < COLUMN_STREAMS; s++) sum += inputs[s] * AT((const uint8_t *)(columns[s] + r)); \
        store(y + r, sum); \
      } \
      if (r < last) { \
        lanes sum = load_part(y + r, last - r); \
        UNROLLED for (size_t s = 0; s < COLUMN_STREAMS; s++) { \
          uint16_t part[LANES] = {0}; \
          memcpy(part, columns[s] + r, 2 * (last - r)); \
          sum += inputs[s] * AT((const uint8_t *)part); \
        } \
        memcpy(y + r, &sum, (last - r) * sizeof(float)); \
      } \
    } \
  }
COLUMNS_PRODUCT(half_columns, halves_at)
COLUMNS_PRODUCT(bfloat_columns, bfloats_at)
