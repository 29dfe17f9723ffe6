// Vector versions of what is done element by element and to rows of logits. Included by kernels_vector.h, whose types
// and macros it uses.

// --- Element by element ---

INLINE lanes greater(lanes a, lanes b) {
  const ints choice = a > b;
  return (lanes)(((ints)a & choice) | ((ints)b & ~choice));
}

INLINE lanes lesser(lanes a, lanes b) {
  const ints choice = a < b;
  return (lanes)(((ints)a & choice) | ((ints)b & ~choice));
}

/// Rounded to whole numbers, below 2²² in magnitude: adding 1.5 · 2²³ leaves no bits for fractions.
INLINE lanes whole(lanes x) {
  const lanes magic = all(12582912.0f);
  return x + magic - magic;
}

/// e^x to about two units in the last place; 0 below e^−87; NaN stays NaN.
INLINE lanes exponential(lanes x) {
  const lanes given = x;
  const ints isNumber = x == x;
  const ints vanishes = x < all(-87.3f);
  x = lesser(greater(x, all(-87.3f)), all(88.3f));
  const lanes n = whole(x * 1.44269504f);
  const lanes r = x - n * 0.693359375f + n * 2.12194440e-4f;
  lanes p = all(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const lanes power = (lanes)((__builtin_convertvector(n, ints) + 127) << 23);
  return (lanes)(((ints)(p * power) & ~vanishes & isNumber) | ((ints)given & ~isNumber));
}

TARGET static void hadamard(float *x, size_t order) {
  if (order < LANES) {
    pith_butterflies(x, order, 1);
    return;
  }
  for (size_t i = 0; i < order; i += LANES) {
    lanes v = load(x + i);
    UNROLLED for (int half = 1; half < LANES; half *= 2) {
      // The sum with the lane `half` away; in the second of a pair the difference.
      const lanes other = permute(v, count_up() ^ half);
      const ints sign = (ints)((uints)(count_up() / half) << 31);
      v = other + (lanes)((ints)v ^ sign);
    }
    store(x + i, v);
  }
  pith_butterflies(x, order, LANES);
}

TARGET static void rms_norm(const float *x, const float *weight, float epsilon, size_t count, float *out) {
  lanes squares = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) squares += load(x + i) * load(x + i);
  if (i < count) squares += load_part(x + i, count - i) * load_part(x + i, count - i);
  const float scale = 1 / sqrtf(sum_of(squares) / (float)count + epsilon);
  for (i = 0; i + LANES <= count; i += LANES) store(out + i, load(x + i) * scale * load(weight + i));
  for (; i < count; i++) out[i] = x[i] * scale * weight[i];
}

TARGET static void layer_norm(
  const float *x, const float *weight, const float *bias, float epsilon, size_t count, float *out) {
  lanes sum = {0}, squares = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) sum += load(x + i);
  if (i < count) sum += load_part(x + i, count - i);
  const float mean = sum_of(sum) / (float)count;
  for (i = 0; i + LANES <= count; i += LANES) squares += (load(x + i) - mean) * (load(x + i) - mean);
  float rest = 0;
  for (; i < count; i++) rest += (x[i] - mean) * (x[i] - mean);
  const float scale = 1 / sqrtf((sum_of(squares) + rest) / (float)count + epsilon);
  for (i = 0; i + LANES <= count; i += LANES) {
    store(out + i, (load(x + i) - mean) * scale * load(weight + i) + load(bias + i));
  }
  for (; i < count; i++) out[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

TARGET static float highest_of(const float *x, size_t count) {
  lanes highest = all(-INFINITY);
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) highest = greater(load(x + i), highest);
  float result = -INFINITY;
  for (int lane = 0; lane < LANES; lane++) result = highest[lane] > result ? highest[lane] : result;
  for (; i < count; i++) result = x[i] > result ? x[i] : result;
  return result;
}

TARGET static void softmax(float *x, size_t count, float scale) {
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) store(x + i, load(x + i) * scale);
  for (; i < count; i++) x[i] *= scale;
  const float highest = highest_of(x, count);
  lanes sum = {0};
  float rest = 0;
  for (i = 0; i + LANES <= count; i += LANES) {
    const lanes e = exponential(load(x + i) - highest);
    sum += e;
    store(x + i, e);
  }
  for (; i < count; i++) rest += x[i] = expf(x[i] - highest);
  const float inverse = 1 / (sum_of(sum) + rest);
  for (i = 0; i + LANES <= count; i += LANES) store(x + i, load(x + i) * inverse);
  for (; i < count; i++) x[i] *= inverse;
}

INLINE lanes silu_of(lanes x) { return x / (1 + exponential(-x)); }

/// erf(z) to 1.5e-7 (Abramowitz and Stegun, 7.1.26), where `bell` is e^(−z²).
INLINE lanes erf_of(lanes z, lanes bell) {
  const lanes size = greater(z, -z);
  const lanes t = 1 / (1 + 0.3275911f * size);
  lanes p = all(1.061405429f);
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const lanes erf_of_size = 1 - p * t * bell;
  return (lanes)((ints)erf_of_size | ((ints)z & INT32_MIN));
}

/// x · Φ(x).
INLINE lanes gelu_of(lanes x) {
  const lanes z = x * 0.70710678f;
  return 0.5f * x * (1 + erf_of(z, exponential(-z * z)));
}

INLINE lanes gelu_tanh_of(lanes x) {
  // 1 + tanh(u) = 2σ(2u).
  return x / (1 + exponential(-1.59576912f * (x + 0.044715f * x * x * x)));
}

#define ELEMENTWISE(NAME) \
  TARGET static void NAME(const float *x, float *out, size_t count) { \
    size_t i = 0; \
    for (; i + LANES <= count; i += LANES) store(out + i, NAME##_of(load(x + i))); \
    if (i < count) { \
      const lanes last = NAME##_of(load_part(x + i, count - i)); \
      memcpy(out + i, &last, (count - i) * sizeof(float)); \
    } \
  }
ELEMENTWISE(silu)
ELEMENTWISE(gelu)
ELEMENTWISE(gelu_tanh)

// --- Rows of logits ---

/// Sums over many terms go through double precision every so often.
#define STRIDE 1024

TARGET static float log_sum_exp(const float *x, size_t count) {
  const float highest = highest_of(x, count);
  double sum = 0;
  size_t i = 0;
  while (i + LANES <= count) {
    lanes part = {0};
    const size_t stop = smaller(i + STRIDE, count);
    for (; i + LANES <= stop; i += LANES) part += exponential(load(x + i) - highest);
    sum += sum_of(part);
  }
  for (; i < count; i++) sum += expf(x[i] - highest);
  return highest + (float)log(sum);
}

TARGET static float kl_divergence(const float *p, const float *q, size_t count) {
  const float p_log = log_sum_exp(p, count), q_log = log_sum_exp(q, count);
  double sum = 0;
  size_t i = 0;
  while (i + LANES <= count) {
    lanes part = {0};
    const size_t stop = smaller(i + STRIDE, count);
    for (; i + LANES <= stop; i += LANES) {
      const lanes log_p = load(p + i) - p_log;
      part += exponential(log_p) * (log_p - (load(q + i) - q_log));
    }
    sum += sum_of(part);
  }
  for (; i < count; i++) sum += expf(p[i] - p_log) * ((p[i] - p_log) - (q[i] - q_log));
  return (float)sum;
}
