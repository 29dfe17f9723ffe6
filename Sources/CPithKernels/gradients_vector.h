// Vector versions of gradients. Included by kernels_vector.h, after elementwise_vector.h.

TARGET static void rms_norm_gradient(
  const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight) {
  lanes squares = {0}, along = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    squares += load(x + i) * load(x + i);
    along += load(x + i) * load(dy + i) * load(weight + i);
  }
  float square = sum_of(squares), product = sum_of(along);
  for (; i < count; i++) {
    square += x[i] * x[i];
    product += x[i] * dy[i] * weight[i];
  }
  const float scale = 1 / sqrtf(square / (float)count + epsilon);
  const float pull = product * scale * scale / (float)count;
  for (i = 0; i + LANES <= count; i += LANES) {
    store(dweight + i, load(dweight + i) + load(dy + i) * load(x + i) * scale);
    store(dx + i, scale * (load(dy + i) * load(weight + i) - load(x + i) * pull));
  }
  for (; i < count; i++) {
    dweight[i] += dy[i] * x[i] * scale;
    dx[i] = scale * (dy[i] * weight[i] - x[i] * pull);
  }
}

TARGET static void layer_norm_gradient(
  const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight, float *dbias) {
  lanes sums = {0}, squares = {0}, totals = {0}, alongs = {0};
  size_t i = 0;
  float sum = 0, square = 0, total = 0, along = 0;
  for (; i + LANES <= count; i += LANES) sums += load(x + i);
  for (; i < count; i++) sum += x[i];
  const float mean = (sum_of(sums) + sum) / (float)count;
  for (i = 0; i + LANES <= count; i += LANES) {
    const lanes off = load(x + i) - mean, pull = load(dy + i) * load(weight + i);
    squares += off * off;
    totals += pull;
    alongs += pull * off;
  }
  for (; i < count; i++) {
    square += (x[i] - mean) * (x[i] - mean);
    total += dy[i] * weight[i];
    along += dy[i] * weight[i] * (x[i] - mean);
  }
  const float scale = 1 / sqrtf((sum_of(squares) + square) / (float)count + epsilon);
  const float level = (sum_of(totals) + total) / (float)count, slope = (sum_of(alongs) + along) * scale / (float)count;
  for (i = 0; i + LANES <= count; i += LANES) {
    const lanes normal = (load(x + i) - mean) * scale;
    store(dweight + i, load(dweight + i) + load(dy + i) * normal);
    store(dbias + i, load(dbias + i) + load(dy + i));
    store(dx + i, scale * (load(dy + i) * load(weight + i) - level - normal * slope));
  }
  for (; i < count; i++) {
    const float normal = (x[i] - mean) * scale;
    dweight[i] += dy[i] * normal;
    dbias[i] += dy[i];
    dx[i] = scale * (dy[i] * weight[i] - level - normal * slope);
  }
}

TARGET static void softmax_gradient(const float *p, float *dp, size_t count, float scale) {
  lanes sums = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) sums += load(p + i) * load(dp + i);
  float along = sum_of(sums);
  for (; i < count; i++) along += p[i] * dp[i];
  for (i = 0; i + LANES <= count; i += LANES) store(dp + i, scale * load(p + i) * (load(dp + i) - along));
  for (; i < count; i++) dp[i] = scale * p[i] * (dp[i] - along);
}

INLINE lanes silu_slope(lanes x) {
  const lanes sigmoid = 1 / (1 + exponential(-x));
  return sigmoid * (1 + x * (1 - sigmoid));
}

/// Φ(x) + x · φ(x).
INLINE lanes gelu_slope(lanes x) {
  const lanes z = x * 0.70710678f;
  const lanes bell = exponential(-z * z);
  return 0.5f * (1 + erf_of(z, bell)) + x * 0.39894228f * bell;
}

INLINE lanes gelu_tanh_slope(lanes x) {
  const lanes square = x * x;
  const lanes sigmoid = 1 / (1 + exponential(-1.59576912f * x * (1 + 0.044715f * square)));
  return sigmoid * (1 + x * (1 - sigmoid) * 1.59576912f * (1 + 0.134145f * square));
}

#define SLOPE(NAME) \
  TARGET static void NAME##_gradient(const float *x, const float *dy, float *dx, size_t count) { \
    size_t i = 0; \
    for (; i + LANES <= count; i += LANES) store(dx + i, load(dy + i) * NAME##_slope(load(x + i))); \
    if (i < count) { \
      const lanes last = load_part(dy + i, count - i) * NAME##_slope(load_part(x + i, count - i)); \
      memcpy(dx + i, &last, (count - i) * sizeof(float)); \
    } \
  }
SLOPE(silu)
SLOPE(gelu)
SLOPE(gelu_tanh)

TARGET static float cross_entropy(float *logits, size_t count, size_t target, float smoothing, float weight) {
  const float sum = log_sum_exp(logits, count);
  const float share = smoothing / (float)count;
  const float wanted = logits[target];
  lanes totals = {0};
  float total = 0;
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    totals += load(logits + i);
    store(logits + i, weight * (exponential(load(logits + i) - sum) - share));
  }
  for (; i < count; i++) {
    total += logits[i];
    logits[i] = weight * (expf(logits[i] - sum) - share);
  }
  logits[target] -= weight * (1 - smoothing);
  return (1 - smoothing) * (sum - wanted) + smoothing * sum - share * (sum_of(totals) + total);
}

TARGET static float distillation(
  float *student, float *teacher, size_t count, size_t target, float temperature, float soft, float weight) {
  const float plain = log_sum_exp(student, count), wanted = student[target], inverse = 1 / temperature;
  for (size_t i = 0; i < count; i++) {
    teacher[i] *= inverse;
    student[i] *= inverse;
  }
  const float teacher_sum = log_sum_exp(teacher, count), student_sum = log_sum_exp(student, count);
  lanes sums = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    const lanes t = load(teacher + i) - teacher_sum, s = load(student + i) - student_sum;
    const lanes p = exponential(t), q = exponential(s), hard = exponential(load(student + i) * temperature - plain);
    sums += p * (t - s);
    store(student + i, weight * (soft * temperature * (q - p) + (1 - soft) * hard));
  }
  float divergence = sum_of(sums);
  for (; i < count; i++) {
    const float p = expf(teacher[i] - teacher_sum), q = expf(student[i] - student_sum);
    divergence += p * ((teacher[i] - teacher_sum) - (student[i] - student_sum));
    student[i] = weight * (soft * temperature * (q - p) + (1 - soft) * expf(student[i] * temperature - plain));
  }
  student[target] -= weight * (1 - soft);
  return soft * temperature * temperature * divergence + (1 - soft) * (plain - wanted);
}

TARGET static void round_to_grid(const pith_grid *g, const float *x, float *out, size_t count) {
  const float inverse = g->scale != 0 ? 1 / g->scale : 0;
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    const lanes place = load(x + i) * inverse + g->zero;
    store(out + i, g->scale * (whole(lesser(greater(place, all(g->lowest)), all(g->highest))) - g->zero));
  }
  pith_kernels_scalar.round_to_grid(g, x + i, out + i, count - i);
}

TARGET static float round_to_grid_gradient(const pith_grid *g, const float *x, const float *dy, float *dx, size_t count) {
  const float inverse = g->scale != 0 ? 1 / g->scale : 0;
  lanes sums = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    const lanes part = load(x + i) * inverse, place = part + g->zero, slope = load(dy + i);
    const ints inside = (place >= all(g->lowest - 0.5f)) & (place <= all(g->highest + 0.5f));
    const lanes code = whole(lesser(greater(place, all(g->lowest)), all(g->highest)));
    store(dx + i, load(dx + i) + (lanes)((ints)slope & inside));
    sums += slope * (code - g->zero - (lanes)((ints)part & inside));
  }
  return sum_of(sums) + pith_kernels_scalar.round_to_grid_gradient(g, x + i, dy + i, dx + i, count - i);
}

TARGET static void adamw(
  const pith_adamw *r, const float *gradient, float *values, float *first, float *second, size_t count) {
  const float rate = r->rate / r->correction1, root = 1 / sqrtf(r->correction2), keep = 1 - r->rate * r->decay;
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    const lanes g = r->factor * load(gradient + i);
    const lanes m = r->beta1 * load(first + i) + (1 - r->beta1) * g;
    const lanes v = r->beta2 * load(second + i) + (1 - r->beta2) * g * g;
    store(first + i, m);
    store(second + i, v);
    store(values + i, keep * load(values + i) - rate * m / (__builtin_elementwise_sqrt(v) * root + r->epsilon));
  }
  pith_kernels_scalar.adamw(r, gradient + i, values + i, first + i, second + i, count - i);
}
