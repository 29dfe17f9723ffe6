// The products of float rows with many tokens: rows are transposed panel by panel, so that no sums across lanes are needed.
// Included by products_vector.h.

/// A panel of up to PANEL rows and PANEL_DEPTH columns of w, transposed: column k starts at PANEL · k.
#define PANEL 32
#define PANEL_DEPTH 256

typedef float f32x4_unaligned __attribute__((vector_size(16), aligned(4)));

/// Rows that are missing are zeros.
INLINE void transpose(const float *w, size_t ldw, size_t rows, size_t columns, float *panel) {
  static const float zeros[PANEL_DEPTH];
  for (size_t r = 0; r < PANEL; r += 4) {
    const float *row[4];
    UNROLLED for (size_t i = 0; i < 4; i++) row[i] = r + i < rows ? w + (r + i) * ldw : zeros;
    size_t k = 0;
    for (; k + 4 <= columns; k += 4) {
      f32x4 a[4];
      UNROLLED for (size_t i = 0; i < 4; i++) a[i] = *(const f32x4_unaligned *)(row[i] + k);
      const f32x4 p = __builtin_shufflevector(a[0], a[1], 0, 4, 1, 5), q = __builtin_shufflevector(a[2], a[3], 0, 4, 1, 5);
      const f32x4 s = __builtin_shufflevector(a[0], a[1], 2, 6, 3, 7), t = __builtin_shufflevector(a[2], a[3], 2, 6, 3, 7);
      f32x4 *target = (f32x4 *)(panel + k * PANEL + r);
      target[0] = __builtin_shufflevector(p, q, 0, 1, 4, 5);
      target[PANEL / 4] = __builtin_shufflevector(p, q, 2, 3, 6, 7);
      target[2 * PANEL / 4] = __builtin_shufflevector(s, t, 0, 1, 4, 5);
      target[3 * PANEL / 4] = __builtin_shufflevector(s, t, 2, 3, 6, 7);
    }
    for (; k < columns; k++) {
      UNROLLED for (size_t i = 0; i < 4; i++) panel[k * PANEL + r + i] = row[i][k];
    }
  }
}

/// Products of `tokens` rows of x with 2 LANES rows of a panel, of which `rows` are wanted.
INLINE void outer_tile(
  const int tokens, const float *x, size_t ldx, const float *panel, size_t columns, size_t rows, bool adds, float *y, size_t ldy) {
  lanes sums[OUTER_TOKENS][2];
  UNROLLED for (int t = 0; t < tokens; t++) sums[t][0] = sums[t][1] = (lanes){0};
  for (size_t k = 0; k < columns; k++) {
    const lanes low = load(panel + k * PANEL), high = load(panel + k * PANEL + LANES);
    UNROLLED for (int t = 0; t < tokens; t++) {
      const lanes activation = all(x[(size_t)t * ldx + k]);
      sums[t][0] += activation * low;
      sums[t][1] += activation * high;
    }
  }
  UNROLLED for (int t = 0; t < tokens; t++) {
    float *target = y + (size_t)t * ldy;
    if (rows == 2 * LANES) {
      store(target, adds ? load(target) + sums[t][0] : sums[t][0]);
      store(target + LANES, adds ? load(target + LANES) + sums[t][1] : sums[t][1]);
    } else {
      float total[2 * LANES];
      store(total, sums[t][0]);
      store(total + LANES, sums[t][1]);
      for (size_t r = 0; r < rows; r++) target[r] = adds ? target[r] + total[r] : total[r];
    }
  }
}

#define OUTER(N) \
  TARGET static __attribute__((noinline)) void outer##N( \
    const float *x, size_t ldx, const float *panel, size_t columns, size_t rows, bool adds, float *y, size_t ldy) { \
    outer_tile(N, x, ldx, panel, columns, rows, adds, y, ldy); \
  }
OUTER(1)
OUTER(2)
OUTER(3)
OUTER(4)
OUTER(5)
OUTER(6)
#if OUTER_TOKENS > 6
OUTER(7)
OUTER(8)
OUTER(9)
OUTER(10)
OUTER(11)
OUTER(12)
#endif

typedef void (*outer_function)(const float *, size_t, const float *, size_t, size_t, bool, float *, size_t);

static const outer_function outers[] = {
  outer1, outer2, outer3, outer4, outer5, outer6,
#if OUTER_TOKENS > 6
  outer7, outer8, outer9, outer10, outer11, outer12,
#endif
};

/// For many tokens: rows are transposed once, and then no sums across lanes are needed.
TARGET static void dot_panels(
  const float *x, size_t ldx, size_t tokens, const float *w, size_t ldw, size_t rows, size_t columns, float *y,
  size_t ldy) {
  __attribute__((aligned(64))) float panel[PANEL * PANEL_DEPTH];
  for (size_t first = 0; first < rows; first += PANEL) {
    const size_t count = smaller(PANEL, rows - first);
    for (size_t start = 0; start < columns; start += PANEL_DEPTH) {
      const size_t length = smaller(PANEL_DEPTH, columns - start);
      transpose(w + first * ldw + start, ldw, count, length, panel);
      for (size_t t = 0; t < tokens; t += OUTER_TOKENS) {
        const size_t some = smaller(OUTER_TOKENS, tokens - t);
        for (size_t r = 0; r < count; r += 2 * LANES) {
          outers[some - 1](
            x + t * ldx + start, ldx, panel + r, length, smaller(2 * LANES, count - r), start > 0, y + t * ldy + first + r, ldy);
        }
      }
    }
  }
}
