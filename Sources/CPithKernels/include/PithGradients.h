// Gradients of a loss: from that of what an operation gives, `dy`, to that of what it was given, `dx`.
#pragma once

#include <stddef.h>

/// Of pith_rms_norm; what its scales contributed is added to `dweight`.
void pith_rms_norm_gradient(
  const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight);

/// Of pith_layer_norm; what scales and biases contributed is added to `dweight` and `dbias`.
void pith_layer_norm_gradient(
  const float *x, const float *weight, float epsilon, const float *dy, size_t count, float *dx, float *dweight, float *dbias);

/// dp ← the gradient of the scores, whose softmax, scaled before by `scale`, is p.
void pith_softmax_gradient(const float *p, float *dp, size_t count, float scale);

/// dx = dy · d(x · σ(x))/dx.
void pith_silu_gradient(const float *x, const float *dy, float *dx, size_t count);

/// dx = dy · d(x · Φ(x))/dx.
void pith_gelu_gradient(const float *x, const float *dy, float *dx, size_t count);

/// dx = dy times the derivative of pith_gelu_tanh.
void pith_gelu_tanh_gradient(const float *x, const float *dy, float *dx, size_t count);

/// −Σ_i t_i log softmax(logits)_i of a row, where t is 1 − smoothing at the target and smoothing / count everywhere on top; the
/// logits become `weight` times its gradient.
float pith_cross_entropy(float *logits, size_t count, size_t target, float smoothing, float weight);

/// soft · T² KL(softmax(teacher/T) ‖ softmax(student/T)) + (1 − soft) · cross-entropy of a row of logits; the student's become `weight`
/// times the gradient, the teacher's are divided by T.
float pith_distillation(
  float *student, float *teacher, size_t count, size_t target, float temperature, float soft, float weight);

/// The values that integers of a group stand for: scale · (c − zero) for whole c from `lowest` to `highest`.
typedef struct {
  float scale;  ///< 0 where all values are 0
  float zero, lowest, highest;
} pith_grid;

/// out = the value of the grid nearest to x.
void pith_round_to_grid(const pith_grid *grid, const float *x, float *out, size_t count);

/// Of pith_round_to_grid, whose rounding counts as the identity within the grid's range (straight through) and whose scale is learned
/// (arXiv 1902.08153, equation 3): adds to dx, and gives d(scale).
float pith_round_to_grid_gradient(const pith_grid *grid, const float *x, const float *dy, float *dx, size_t count);

/// A step of AdamW (Loshchilov and Hutter, arXiv 1711.05101).
typedef struct {
  float rate;        ///< the learning rate
  float decay;       ///< of the weights, times the learning rate
  float beta1, beta2, epsilon;
  float correction1, correction2;  ///< 1 − β₁ᵗ and 1 − β₂ᵗ
  float factor;      ///< what gradients are multiplied by first
} pith_adamw;

/// Changes values and the running means of gradients and of their squares.
void pith_adamw_step(const pith_adamw *rule, const float *gradient, float *values, float *first, float *second, size_t count);
