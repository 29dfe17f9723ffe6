// Loops that the compiler makes fast enough by itself.
#include "CPithKernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

void pith_add(float *a, const float *b, size_t count) {
  for (size_t i = 0; i < count; i++) a[i] += b[i];
}

void pith_multiply(float *a, const float *b, size_t count) {
  for (size_t i = 0; i < count; i++) a[i] *= b[i];
}

float pith_largest_magnitude(const float *x, size_t count) {
  // As integers, magnitudes of floats keep their order, and NaN stands above all.
  int32_t largest = 0;
  for (size_t i = 0; i < count; i++) {
    int32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7FFFFFFF;
    largest = bits > largest ? bits : largest;
  }
  float magnitude;
  memcpy(&magnitude, &largest, sizeof magnitude);
  return magnitude;
}

void pith_rotate(float *x, const float *cosines, const float *sines, size_t pairs) {
  for (size_t i = 0; i < pairs; i++) {
    const float a = x[i], b = x[i + pairs];
    x[i] = a * cosines[i] - b * sines[i];
    x[i + pairs] = b * cosines[i] + a * sines[i];
  }
}

size_t pith_argmax(const float *x, size_t count) {
  size_t best = 0;
  for (size_t i = 1; i < count; i++) {
    if (x[i] > x[best]) best = i;
  }
  return best;
}

float pith_pow(float x, float y) { return powf(x, y); }
double pith_exp(double x) { return exp(x); }
double pith_log(double x) { return log(x); }
float pith_cos(float x) { return cosf(x); }
float pith_sin(float x) { return sinf(x); }
float pith_tanh(float x) { return tanhf(x); }

void pith_keep_freed_memory(void) {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}
