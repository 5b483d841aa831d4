#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/losses/criterion.h>

#include <memory>
#include <string>

namespace retort {

/// What the teacher's tensor of kd_loss holds.
enum class KdTarget {
  /// Logits, which are softened like the student's.
  kLogits,
  /// Probabilities, which are used as they are.
  kProbabilities,
  /// Logits; those of both networks are standardised before they are softened.
  kStandardisedLogits,
};

/// Classic knowledge distillation: the divergence of the student's softened predictions from the teacher's.
///
///   loss = T^2 / B * sum_b KL(softmax(teacher_b / T) || softmax(student_b / T))
///
/// The sum over the classes is averaged over the batch (PyTorch's `batchmean`), and T^2 keeps the gradient's size
/// independent of the temperature. With weights w_b, the average is sum_b w_b KL_b / sum_b w_b, as in PyTorch's
/// weighted losses: weights of 0 and 1 act as a mask, and masked samples do not affect the loss. If all weights are 0,
/// the loss is 0. With KdTarget::kProbabilities, the teacher's tensor replaces its softmax.
///
/// With KdTarget::kStandardisedLogits, each row x of both networks' logits is replaced by (x - mean x) / (deviation x +
/// 1e-7) before it is divided by T, where the standard deviation divides by classes - 1 (Sun et al.). The student then
/// has to match the teacher's order of the classes rather than the range of its logits.
///
/// Gradients flow to `student` and, if it requires them, to `teacher`, but not to `weight`. Without weights, the
/// student's gradient with respect to the logits that are softened is T / B * (softmax(student / T) - softmax(teacher /
/// T)). Gradients are computed together with the loss and can't be differentiated again. Extreme logits are safe: a
/// teacher's logit of -inf means a class of probability 0. NaNs propagate, unless their sample's weight is 0. Computed
/// in float32, or in float64 for float64 inputs; the result is the same for any number of threads.
///
/// Also registered as the operator `retort::kd_loss(Tensor student, Tensor teacher, float temperature=4., *, Tensor?
/// weight=None, str target="logits") -> Tensor`, with target "logits", "probabilities" or "standardised_logits".
///
/// @param student logits [B, classes], floating point, any strides
/// @param teacher logits of the same shape and device; dtypes may differ unless one of them is float64; or
///     probabilities, at least 0 and summing to 1 in each row, which is not checked
/// @param temperature T > 0
/// @param weight [B], the sample weights, at least 0 and finite, of any real dtype or bool, on the same device; if
///     undefined, all samples have the same weight
/// @param target what `teacher` holds
/// @return scalar []; of the inputs' dtype, float32 for half-precision inputs
/// @throws ShapeError if a tensor is undefined, not dense, not floating point, not of rank 2 or empty, if the two
///     differ in shape or device, if float64 is mixed with another dtype, or if there are not B weights
/// @throws c10::ValueError if the temperature is not positive and finite, or if a weight is negative or not finite
///
/// Source: Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, NIPS workshop 2014, arXiv 1503.02531.
/// The values are those of RepDistiller's distiller_zoo/KD.py, which has no weights. The paper leaves the batch
/// reduction open. Standardisation: Sun, Ren, Li, Wang, Cao: Logit Standardization in Knowledge Distillation, CVPR
/// 2024, arXiv 2403.01427; the values are those of the paper's code with `logit_stand`, which weights the loss by 9 at
/// T = 2.
///
///   at::Tensor loss = retort::kd_loss(student_logits, teacher_logits, 4.0);
///   loss.backward();
RETORT_API at::Tensor kd_loss(
    const at::Tensor& student, const at::Tensor& teacher, double temperature = 4.0, const at::Tensor& weight = {},
    KdTarget target = KdTarget::kLogits);

/// kd_loss as a term of a training step. It compares logits with the same number of classes, uses the batch's weights,
/// and takes no taps.
struct RETORT_API KdOptions : CriterionOptions {
  /// T of kd_loss; 4 is RepDistiller's value.
  double temperature = 4.0;
  /// What the teacher's logits are: kProbabilities for a teacher that ends with a softmax.
  KdTarget target = KdTarget::kLogits;

  std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const override;
  std::string description() const override;
};

}  // namespace retort
