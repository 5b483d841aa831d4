#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/losses/criterion.h>

#include <memory>
#include <string>
#include <vector>

namespace retort {

/// The cross-entropy between the student's logits and the labels, over the labelled samples, as in
/// torch.nn.functional.cross_entropy:
///
///   loss = sum_b u_b * [(1 - s) * -w_y log p_y - s / C * sum_c w_c log p_c] / sum_b u_b w_y
///
/// where p is the softmax of sample b's logits, y its label, u_b its weight, w the class weights, s the label smoothing
/// and C the number of classes. Samples without a label (-1) don't count. If no labelled sample has a positive weight,
/// the loss is 0.
///
/// Gradients flow to `student`, but not to the weights. They are computed together with the loss, and can't be
/// differentiated again. Large logits are safe. NaNs propagate, unless their sample does not count. Computed in
/// float32, or in float64 for float64 logits; the result is the same for any number of threads.
///
/// Also registered as the operator `retort::cross_entropy_loss(Tensor student, Tensor labels, *, Tensor? weight=None,
/// Tensor? class_weights=None, float label_smoothing=0.) -> Tensor`.
///
/// @param student logits [B, classes], floating point, any strides
/// @param labels int64 [B] on the same device, each a class or -1
/// @param weight u [B], at least 0 and finite, of any real dtype or bool, on the same device; if undefined, all samples
///     have the same weight
/// @param class_weights w [classes], as `weight`; if undefined, all classes have the same weight
/// @param label_smoothing s, in [0, 1]
/// @return scalar []; of the logits' dtype, float32 for half-precision logits
/// @throws ShapeError if a tensor is not dense, of another dtype, rank or shape, or on another device
/// @throws c10::ValueError if a number or a label is out of range
///
/// Source: the values are those of PyTorch, which has no sample weights and marks samples without a label by
/// `ignore_index`.
///
/// Call it by its qualified name, since ATen has a function of the same name.
///
///   at::Tensor loss = retort::cross_entropy_loss(logits, labels);
///   loss.backward();
RETORT_API at::Tensor cross_entropy_loss(
    const at::Tensor& student, const at::Tensor& labels, const at::Tensor& weight = {},
    const at::Tensor& class_weights = {}, double label_smoothing = 0.0);

/// cross_entropy_loss as part of a training step. It uses the batch's labels and weights, and takes no taps. A batch in
/// which no sample counts is skipped.
struct RETORT_API CrossEntropyOptions : CriterionOptions {
  /// w, one for each class, >= 0 and not all 0; empty if all are 1.
  std::vector<double> class_weights;
  /// s, in [0, 1].
  double label_smoothing = 0.0;

  std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const override;
  std::string description() const override;
};

}  // namespace retort
