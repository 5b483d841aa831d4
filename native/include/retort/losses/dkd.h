#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/losses/criterion.h>

#include <memory>
#include <string>

namespace retort {

/// Decoupled knowledge distillation: the divergence of kd_loss split into its two parts, each with its own weight.
///
///   loss = T^2 / B * sum_b (alpha * TCKD_b + beta * NCKD_b)
///   TCKD = KL([t_y, 1 - t_y] || [s_y, 1 - s_y])       the target class y against all others
///   NCKD = KL(softmax'(teacher / T) || softmax'(student / T))      the other classes among themselves
///
/// where s and t are softmax(student / T) and softmax(teacher / T), and softmax' is over the classes other than y.
/// kd_loss is TCKD + (1 - t_y) NCKD: the more confident the teacher is, the less it passes on of what it knows about
/// the other classes. Samples without a label (-1) don't count, and B is the number of those that do; with weights w_b,
/// the average is sum_b w_b (...) / sum_b w_b. If no sample counts, the loss is 0. With `standardise`, the logits of
/// both networks are standardised, as with KdTarget::kStandardisedLogits.
///
/// Gradients flow to `student`, and to `teacher` if it requires them, but not to `weight`. They are computed together
/// with the loss, and can't be differentiated again. Log-probabilities are computed from differences of logits, so that
/// neither a confident teacher nor a confident student loses precision. NaNs propagate, unless their sample does not
/// count. Computed in float32, or in float64 for float64 inputs; the result is the same for any number of threads.
///
/// Also registered as the operator `retort::dkd_loss(Tensor student, Tensor teacher, Tensor labels, *, float alpha=1.,
/// float beta=8., float temperature=4., Tensor? weight=None, bool standardise=False) -> Tensor`.
///
/// @param student logits [B, classes] of at least two classes, floating point, any strides
/// @param teacher logits of the same shape and device; dtypes may differ unless one of them is float64
/// @param labels int64 [B] on the same device, each a class or -1
/// @param alpha,beta the weights of the two parts, >= 0 and finite
/// @param temperature T > 0
/// @param weight [B], as in kd_loss
/// @param standardise whether logits are standardised
/// @return scalar []; of the inputs' dtype, float32 for half-precision inputs
/// @throws ShapeError if a tensor is undefined, not dense, of another dtype, rank or shape, or on another device
/// @throws c10::ValueError if a number or a label is out of range
///
/// Source: Zhao, Cui, Song, Qiu, Liang: Decoupled Knowledge Distillation, CVPR 2022, arXiv 2203.08679. The values are
/// those of mdistiller's distillers/DKD.py, which hides the target class by subtracting 1000 from its logit, has no
/// weights, and expects a label for every sample. There, the loss is warmed up over the first `warmup` epochs, per
/// epoch; here, the schedule of the term's weight does this, Schedule::constant().with_warmup(steps, 0), per step.
///
///   at::Tensor loss = retort::dkd_loss(student_logits, teacher_logits, labels);
///   loss.backward();
RETORT_API at::Tensor dkd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& labels, double alpha = 1.0,
    double beta = 8.0, double temperature = 4.0, const at::Tensor& weight = {}, bool standardise = false);

/// dkd_loss as a term of a training step. It compares logits with the same number of classes, uses the batch's labels
/// and weights, and takes no taps. A batch in which no sample counts is skipped.
struct RETORT_API DkdOptions : CriterionOptions {
  /// Weight of the target class against all others, >= 0.
  double alpha = 1.0;
  /// Weight of the other classes among themselves, >= 0. The paper uses 8 for CIFAR-100, and 1, 2 and 4 for networks
  /// whose teacher is less confident.
  double beta = 8.0;
  /// T of dkd_loss.
  double temperature = 4.0;
  /// Whether logits are standardised, as with KdTarget::kStandardisedLogits.
  bool standardise = false;

  std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const override;
  std::string description() const override;
};

}  // namespace retort
