#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/losses/criterion.h>

#include <memory>
#include <vector>

namespace retort {

/// How ofd_loss turns squared differences into one number.
enum class OfdReduction {
  /// The mean over all elements, as in the survey's code.
  kMean,
  /// The sum over all elements, as in the official code.
  kSum,
};

/// Overhaul of feature distillation: the student's response must reach the teacher's where that is positive, and stay
/// below a margin where it is negative. On maps before their ReLU, with the target t' = max(teacher, margin),
///
///   loss = mean (or sum) over all elements of (student - t')^2 [student > t' or t' > 0]
///
/// Gradients: 2 (student - t') [...] / elements to `student`; to `teacher` only if it requires them; none to `margin`.
/// They are computed together with the loss, in one pass over memory. Differentiating twice is an error. The loss is
/// never negative; a student that equals the target gives 0. A NaN in gives a NaN out.
/// Computed in float32, or in float64 for float64 inputs; the same result for any number of threads.
///
/// Also registered as the operator `retort::ofd_loss(Tensor student, Tensor teacher, Tensor margin, *,
/// str reduction="mean") -> Tensor`, with reduction "mean" or "sum".
///
/// @param student [B, C, H, W], the student's map before ReLU, through a connector where channels differ; floating
///     point, any strides
/// @param teacher of the same shape, dtype and device
/// @param margin [C] of the same dtype and device, see ofd_batch_margin and ofd_expected_margin; <= 0 by its meaning,
///     which is not checked
/// @return scalar []; the inputs' dtype, float32 for half-precision inputs
/// @throws c10::ValueError if a tensor is undefined, not dense, not floating point or of another shape, if the maps are
///     empty, or if dtypes or devices differ
///
/// Source: Heo, Kim, Yun, Park, Kwak, Choi: A Comprehensive Overhaul of Feature Distillation, ICCV 2019. The values are
/// those of clovaai/overhaul-distillation with kSum, and of the survey AberHu/Knowledge-Distillation-Zoo with kMean.
///
///   at::Tensor loss = retort::ofd_loss(student, teacher, retort::ofd_batch_margin(teacher));
RETORT_API at::Tensor ofd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& margin,
    OfdReduction reduction = OfdReduction::kMean);

/// The survey's margin: for each channel the mean of the negative responses in this batch, and 0 if there are none.
///
///   margin_c = sum of negatives / (number of negatives + 1e-6)
///
/// A constant: no gradient flows to `teacher`. Also the operator `retort::ofd_batch_margin(Tensor teacher) -> Tensor`.
///
/// @param teacher [B, C, H, W], floating point, any strides
/// @return [C]; the teacher's dtype
/// @throws c10::ValueError if the tensor is undefined, not dense, not floating point, not of rank 4 or empty
RETORT_API at::Tensor ofd_batch_margin(const at::Tensor& teacher);

/// The official margin: for each channel the expected negative response of the BatchNorm before the teacher's ReLU,
/// whose output is taken for normally distributed with mean beta = bias and deviation gamma = |weight|. With z = beta /
/// gamma, phi and Phi the normal density and distribution,
///
///   margin_c = beta - gamma phi(z) / Phi(-z)    if Phi(-z) > 0.001
///   margin_c = -3 gamma                         otherwise
///   margin_c = min(beta, 0)                     if gamma = 0, where the official code fails
///
/// A constant: no gradient flows. Also the operator `retort::ofd_expected_margin(Tensor bn_weight, Tensor bn_bias) ->
/// Tensor`.
///
/// @param bn_weight [C], floating point
/// @param bn_bias [C] of the same dtype and device
/// @return [C], the same dtype
/// @throws c10::ValueError if a tensor is undefined, not dense, not floating point, not of rank 1 or empty, or if
/// shapes,
///     dtypes or devices differ
RETORT_API at::Tensor ofd_expected_margin(const at::Tensor& bn_weight, const at::Tensor& bn_bias);

/// ofd_loss as a term of a training step: the sum over the layers, each through a connector of its own, a 1x1
/// convolution without bias and a BatchNorm, which brings the student's map to the teacher's channels.
///
/// The connectors are trained with the student and not part of it. Convolutions start normally distributed with
/// deviation sqrt(2 / teacher channels), BatchNorms with weight 1 and bias 0, as both public codes have them. Named
/// `connectors.I.conv.weight`, `connectors.I.norm.weight`, `connectors.I.norm.running_mean`, ... for layer I.
/// Takes one tap or more, maps before their ReLU, of the same height and width in student and teacher.
struct RETORT_API OfdOptions : CriterionOptions {
  /// One margin [C] a layer, e.g. of ofd_expected_margin; if there are none, ofd_batch_margin of each batch.
  std::vector<at::Tensor> margins;
  /// With kSum, layer i of n counts 1 / 2^(n - i - 1), as in the official code, which divides the whole by the batch
  /// and by 1000 (CIFAR-100) or 10000 (ImageNet) besides: choose the term's weight accordingly.
  OfdReduction reduction = OfdReduction::kMean;

  std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const override;
};

}  // namespace retort
