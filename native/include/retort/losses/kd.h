#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/losses/criterion.h>

#include <memory>

namespace retort {

/// Classic knowledge distillation: the divergence of the student's softened predictions from the teacher's.
///
///   loss = T^2 / B * sum_b KL(softmax(teacher_b / T) || softmax(student_b / T))
///
/// The sum over the classes is averaged over the batch (PyTorch's `batchmean`), and T^2 keeps the gradient's size
/// independent of the temperature.
///
/// Gradients: to `student`, T / B * (softmax(student / T) - softmax(teacher / T)); to `teacher` only if it requires
/// them. They are computed together with the loss. Differentiating twice is an error.
/// Extreme logits are safe: a teacher's logit of -inf is a class of probability 0. A NaN in gives a NaN out.
/// Computed in float32, or in float64 for float64 inputs; the same result for any number of threads.
///
/// Also registered as the operator `retort::kd_loss(Tensor student, Tensor teacher, float temperature) -> Tensor`.
///
/// @param student logits [B, classes], floating point, any strides
/// @param teacher logits of the same shape, dtype and device
/// @param temperature T > 0
/// @return scalar []; the inputs' dtype, float32 for half-precision inputs
/// @throws c10::ValueError if a tensor is undefined, not dense, not floating point, not of rank 2 or empty, if the two
/// differ in
///     shape, dtype or device, or if the temperature is not positive and finite
///
/// Source: Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, NIPS workshop 2014, arXiv 1503.02531.
/// The values are those of RepDistiller's distiller_zoo/KD.py. The paper leaves the batch reduction open.
///
///   at::Tensor loss = retort::kd_loss(student_logits, teacher_logits, 4.0);
///   loss.backward();
RETORT_API at::Tensor kd_loss(const at::Tensor& student, const at::Tensor& teacher, double temperature);

/// kd_loss as a term of a training step. It compares logits and takes no taps.
struct RETORT_API KdOptions : CriterionOptions {
  /// T of kd_loss; 4 is RepDistiller's value.
  double temperature = 4.0;

  std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const override;
};

}  // namespace retort
