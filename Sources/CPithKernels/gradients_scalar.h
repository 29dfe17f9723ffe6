// The plain versions of gradients; the oracle of the others. Included by kernels_scalar.c.

static void rms_norm_gradient(
  const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight) {
  float squares = 0, along = 0;
  for (size_t i = 0; i < count; i++) {
    squares += x[i] * x[i];
    along += x[i] * dy[i] * weight[i];
  }
  const float scale = 1 / sqrtf(squares / (float)count + epsilon);
  const float pull = along * scale * scale / (float)count;
  for (size_t i = 0; i < count; i++) {
    dweight[i] += dy[i] * x[i] * scale;
    dx[i] = scale * (dy[i] * weight[i] - x[i] * pull);
  }
}

static void layer_norm_gradient(
  const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight, float *dbias) {
  float sum = 0, squares = 0;
  for (size_t i = 0; i < count; i++) sum += x[i];
  const float mean = sum / (float)count;
  for (size_t i = 0; i < count; i++) squares += (x[i] - mean) * (x[i] - mean);
  const float scale = 1 / sqrtf(squares / (float)count + epsilon);
  float total = 0, along = 0;
  for (size_t i = 0; i < count; i++) {
    total += dy[i] * weight[i];
    along += dy[i] * weight[i] * (x[i] - mean) * scale;
  }
  for (size_t i = 0; i < count; i++) {
    const float normal = (x[i] - mean) * scale;
    dweight[i] += dy[i] * normal;
    dbias[i] += dy[i];
    dx[i] = scale * (dy[i] * weight[i] - (total + normal * along) / (float)count);
  }
}

static void softmax_gradient(const float *p, float *dp, size_t count, float scale) {
  float along = 0;
  for (size_t i = 0; i < count; i++) along += p[i] * dp[i];
  for (size_t i = 0; i < count; i++) dp[i] = scale * p[i] * (dp[i] - along);
}

static void silu_gradient(const float *x, const float *dy, float *dx, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const float sigmoid = 1 / (1 + expf(-x[i]));
    dx[i] = dy[i] * sigmoid * (1 + x[i] * (1 - sigmoid));
  }
}

static void gelu_gradient(const float *x, const float *dy, float *dx, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const float share = 0.5f * (1 + erff(x[i] * 0.70710678f));
    dx[i] = dy[i] * (share + x[i] * 0.39894228f * expf(-0.5f * x[i] * x[i]));
  }
}

static void gelu_tanh_gradient(const float *x, const float *dy, float *dx, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const float square = x[i] * x[i];
    const float sigmoid = 1 / (1 + expf(-1.59576912f * x[i] * (1 + 0.044715f * square)));
    dx[i] = dy[i] * sigmoid * (1 + x[i] * (1 - sigmoid) * 1.59576912f * (1 + 0.134145f * square));
  }
}

static float cross_entropy(float *logits, size_t count, size_t target, float smoothing, float weight) {
  const float sum = log_sum_exp(logits, count);
  const float share = smoothing / (float)count;
  float loss = (1 - smoothing) * (sum - logits[target]);
  for (size_t i = 0; i < count; i++) {
    loss += share * (sum - logits[i]);
    logits[i] = weight * (expf(logits[i] - sum) - share);
  }
  logits[target] -= weight * (1 - smoothing);
  return loss;
}

static float distillation(
  float *student, float *teacher, size_t count, size_t target, float temperature, float soft, float weight) {
  const float plain = log_sum_exp(student, count), wanted = student[target], inverse = 1 / temperature;
  for (size_t i = 0; i < count; i++) teacher[i] *= inverse;
  const float teacher_sum = log_sum_exp(teacher, count);
  // The student's logits over T, for their sum; then back.
  for (size_t i = 0; i < count; i++) student[i] *= inverse;
  const float student_sum = log_sum_exp(student, count);
  float divergence = 0;
  for (size_t i = 0; i < count; i++) {
    const float p = expf(teacher[i] - teacher_sum), q = expf(student[i] - student_sum);
    divergence += p * ((teacher[i] - teacher_sum) - (student[i] - student_sum));
    const float hard = expf(student[i] * temperature - plain);
    student[i] = weight * (soft * temperature * (q - p) + (1 - soft) * hard);
  }
  student[target] -= weight * (1 - soft);
  return soft * temperature * temperature * divergence + (1 - soft) * (plain - wanted);
}

/// The code of x, and whether it lies in the grid's range.
static float grid_code(const pith_grid *g, float inverse, float x, bool *inside) {
  const float place = x * inverse + g->zero;
  *inside = place >= g->lowest - 0.5f && place <= g->highest + 0.5f;
  const float code = place < g->lowest ? g->lowest : place > g->highest ? g->highest : place;
  return nearbyintf(code);
}

static void round_to_grid(const pith_grid *g, const float *x, float *out, size_t count) {
  const float inverse = g->scale != 0 ? 1 / g->scale : 0;
  bool inside;
  for (size_t i = 0; i < count; i++) out[i] = g->scale * (grid_code(g, inverse, x[i], &inside) - g->zero);
}

static float round_to_grid_gradient(const pith_grid *g, const float *x, const float *dy, float *dx, size_t count) {
  const float inverse = g->scale != 0 ? 1 / g->scale : 0;
  float sum = 0;
  for (size_t i = 0; i < count; i++) {
    bool inside;
    const float code = grid_code(g, inverse, x[i], &inside);
    if (inside) dx[i] += dy[i];
    sum += dy[i] * (code - g->zero - (inside ? x[i] * inverse : 0));
  }
  return sum;
}

static void adamw(const pith_adamw *r, const float *gradient, float *values, float *first, float *second, size_t count) {
  const float rate = r->rate / r->correction1, root = 1 / sqrtf(r->correction2), keep = 1 - r->rate * r->decay;
  for (size_t i = 0; i < count; i++) {
    const float g = r->factor * gradient[i];
    first[i] = r->beta1 * first[i] + (1 - r->beta1) * g;
    second[i] = r->beta2 * second[i] + (1 - r->beta2) * g * g;
    values[i] = keep * values[i] - rate * first[i] / (sqrtf(second[i]) * root + r->epsilon);
  }
}
