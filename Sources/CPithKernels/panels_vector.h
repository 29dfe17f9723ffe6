// Products of matrices with many rows: the second one is taken panel by panel, its columns side by side, so that no sums across lanes are
// needed. Included by products_vector.h.

/// A panel of up to PANEL columns and PANEL_DEPTH rows of b, in strips of as many columns as a tile has: a strip's row k starts at STRIP · k.
#define STRIP (2 * LANES)
#define PANEL 32
#define PANEL_DEPTH 256

/// Where row k of the strip of column j starts.
INLINE float *strip_row(float *panel, size_t j, size_t k) { return panel + j / STRIP * STRIP * PANEL_DEPTH + k * STRIP; }

typedef float f32x4_unaligned __attribute__((vector_size(16), aligned(4)));

/// A panel of a matrix that lies by columns, `ld` floats apart. Columns that are missing are zeros.
INLINE void transpose(const float *b, size_t ld, size_t columns, size_t depth, float *panel) {
  static const float zeros[PANEL_DEPTH];
  for (size_t j = 0; j < PANEL; j += 4) {
    const float *column[4];
    UNROLLED for (size_t i = 0; i < 4; i++) column[i] = j + i < columns ? b + (j + i) * ld : zeros;
    size_t k = 0;
    for (; k + 4 <= depth; k += 4) {
      f32x4 v[4];
      UNROLLED for (size_t i = 0; i < 4; i++) v[i] = *(const f32x4_unaligned *)(column[i] + k);
      const f32x4 p = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5), q = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
      const f32x4 s = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7), t = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
      f32x4 *target = (f32x4 *)(strip_row(panel, j, k) + j % STRIP);
      target[0] = __builtin_shufflevector(p, q, 0, 1, 4, 5);
      target[STRIP / 4] = __builtin_shufflevector(p, q, 2, 3, 6, 7);
      target[2 * STRIP / 4] = __builtin_shufflevector(s, t, 0, 1, 4, 5);
      target[3 * STRIP / 4] = __builtin_shufflevector(s, t, 2, 3, 6, 7);
    }
    for (; k < depth; k++) {
      UNROLLED for (size_t i = 0; i < 4; i++) strip_row(panel, j, k)[j % STRIP + i] = column[i][k];
    }
  }
}

/// A panel of a matrix that lies by rows, `ld` floats apart. Columns that are missing are zeros.
INLINE void gather(const float *b, size_t ld, size_t columns, size_t depth, float *panel) {
  for (size_t k = 0; k < depth; k++) {
    for (size_t j = 0; j < columns; j += STRIP) {
      const size_t some = smaller(STRIP, columns - j);
      float *target = strip_row(panel, j, k);
      memcpy(target, b + k * ld + j, some * sizeof(float));
      memset(target + some, 0, (STRIP - some) * sizeof(float));
    }
  }
}

/// Products of `rows` rows of a with a strip of a panel, of which `columns` columns are wanted.
INLINE void outer_tile(
  const int rows, const float *a, size_t row, size_t step, const float *strip, size_t depth, size_t columns, bool adds, float *c,
  size_t ldc) {
  lanes sums[OUTER_ROWS][2];
  UNROLLED for (int i = 0; i < rows; i++) sums[i][0] = sums[i][1] = (lanes){0};
  // Three rows have an address in common: with one for all, finding the next would take as long as the products.
  const float *three[(OUTER_ROWS + 2) / 3];
  UNROLLED for (int i = 0; i < rows; i += 3) three[i / 3] = a + (size_t)i * row;
  for (size_t k = 0; k < depth; k++) {
    const lanes low = load(strip + k * STRIP), high = load(strip + k * STRIP + LANES);
    UNROLLED for (int i = 0; i < rows; i++) {
      const lanes factor = all(three[i / 3][(size_t)(i % 3) * row]);
      sums[i][0] += factor * low;
      sums[i][1] += factor * high;
    }
    UNROLLED for (int i = 0; i < rows; i += 3) three[i / 3] += step;
  }
  UNROLLED for (int i = 0; i < rows; i++) {
    float *target = c + (size_t)i * ldc;
    if (columns == STRIP) {
      store(target, adds ? load(target) + sums[i][0] : sums[i][0]);
      store(target + LANES, adds ? load(target + LANES) + sums[i][1] : sums[i][1]);
    } else {
      float total[STRIP];
      store(total, sums[i][0]);
      store(total + LANES, sums[i][1]);
      for (size_t j = 0; j < columns; j++) target[j] = adds ? target[j] + total[j] : total[j];
    }
  }
}

#define OUTER(N) \
  TARGET static __attribute__((noinline)) void outer##N( \
    const float *a, size_t row, size_t step, const float *strip, size_t depth, size_t columns, bool adds, float *c, size_t ldc) { \
    outer_tile(N, a, row, step, strip, depth, columns, adds, c, ldc); \
  }
OUTER(1)
OUTER(2)
OUTER(3)
OUTER(4)
OUTER(5)
OUTER(6)
#if OUTER_ROWS > 6
OUTER(7)
OUTER(8)
OUTER(9)
OUTER(10)
OUTER(11)
OUTER(12)
#endif

typedef void (*outer_function)(const float *, size_t, size_t, const float *, size_t, size_t, bool, float *, size_t);

static const outer_function outers[] = {
  outer1, outer2, outer3, outer4, outer5, outer6,
#if OUTER_ROWS > 6
  outer7, outer8, outer9, outer10, outer11, outer12,
#endif
};

TARGET static void product(pith_operand a, pith_operand b, size_t m, size_t n, size_t depth, bool adds, float *c, size_t ldc) {
  __attribute__((aligned(64))) float panel[PANEL * PANEL_DEPTH];
  for (size_t left = 0; left < n; left += PANEL) {
    const size_t count = smaller(PANEL, n - left);
    for (size_t start = 0; start < depth; start += PANEL_DEPTH) {
      const size_t length = smaller(PANEL_DEPTH, depth - start);
      const float *corner = b.start + start * b.row + left * b.column;
      if (b.column == 1) {
        gather(corner, b.row, count, length, panel);
      } else {
        transpose(corner, b.column, count, length, panel);
      }
      for (size_t i = 0; i < m; i += OUTER_ROWS) {
        const outer_function outer = outers[smaller(OUTER_ROWS, m - i) - 1];
        for (size_t j = 0; j < count; j += STRIP) {
          outer(
            a.start + i * a.row + start * a.column, a.row, a.column, strip_row(panel, j, 0), length, smaller(STRIP, count - j),
            adds || start > 0, c + i * ldc + left + j, ldc);
        }
      }
    }
  }
}
