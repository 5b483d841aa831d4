#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/losses/criterion.h>
#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <vector>

namespace retort {

/// How ofd_loss reduces the squared differences to a scalar.
enum class OfdReduction {
  /// The mean over all elements, as in the survey's code.
  kMean,
  /// The sum over all elements, as in the official code, which divides by the batch size later.
  kSum,
  /// The sum over all elements, divided by the batch size, as in mdistiller and mmrazor.
  kBatchMean,
};

/// Overhaul of feature distillation: the student's response must reach the teacher's where that is positive, and stay
/// below a margin where it is negative. On maps before their ReLU, with the target t' = max(teacher, margin),
///
///   loss = mean (or sum) over all elements of (student - t')^2 [student > t' or t' > 0]
///
/// A teacher's map of another height or width is first pooled to the student's size (adaptive average pooling), as in
/// mdistiller.
///
/// Gradients flow to `student`, 2 (student - t') [...] / elements for the mean, and to `teacher` if it requires them,
/// but never to `margin`. They are computed together with the loss, in one pass over memory, and can't be
/// differentiated again. The loss is never negative; a student that equals the target gives 0. NaNs propagate. Computed
/// in float32, or in float64 for float64 inputs; the result is the same for any number of threads.
///
/// Also registered as the operator `retort::ofd_loss(Tensor student, Tensor teacher, Tensor margin, *, str
/// reduction="mean") -> Tensor`, with reduction "mean", "sum" or "batchmean".
///
/// @param student [B, C, H, W], the student's map before ReLU, through a connector if channels differ; floating point,
///     any strides
/// @param teacher [B, C, H', W'] on the same device; dtypes may differ unless one of them is float64
/// @param margin [C], device and dtype as for `teacher`, see ofd_batch_margin and ofd_expected_margin; <= 0 by
///     definition, which is not checked
/// @return scalar []; of the inputs' dtype, float32 for half-precision and mixed inputs
/// @throws ShapeError if a tensor is undefined, not dense, not floating point or of another shape, if the maps are
///     empty, if devices differ, or if float64 is mixed with another dtype
///
/// Source: Heo, Kim, Yun, Park, Kwak, Choi: A Comprehensive Overhaul of Feature Distillation, ICCV 2019. The values are
/// those of clovaai/overhaul-distillation with kSum, of the survey AberHu/Knowledge-Distillation-Zoo with kMean, and of
/// mdistiller and mmrazor with kBatchMean.
///
///   at::Tensor loss = retort::ofd_loss(student, teacher, retort::ofd_batch_margin(teacher));
RETORT_API at::Tensor ofd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& margin,
    OfdReduction reduction = OfdReduction::kMean);

/// Computes the survey's margin: for each channel, the mean of the negative responses in this batch, or 0 if there are
/// none.
///
///   margin_c = sum of negatives / (number of negatives + 1e-6)
///
/// The margin is a constant: no gradient flows to `teacher`. Also registered as the operator
/// `retort::ofd_batch_margin(Tensor teacher) -> Tensor`.
///
/// @param teacher [B, C, H, W], floating point, any strides
/// @return [C]; of the teacher's dtype
/// @throws ShapeError if the tensor is undefined, not dense, not floating point, not of rank 4 or empty
RETORT_API at::Tensor ofd_batch_margin(const at::Tensor& teacher);

/// Computes the official margin: for each channel, the expected negative response of the BatchNorm before the teacher's
/// ReLU, whose output is assumed to be normally distributed with mean beta = bias and standard deviation gamma =
/// |weight|. With z = beta / gamma and phi, Phi the normal density and distribution,
///
///   margin_c = beta - gamma phi(z) / Phi(-z)    if Phi(-z) > 0.001
///   margin_c = -3 gamma                         otherwise
///   margin_c = min(beta, 0)                     if gamma = 0, where the official code fails
///
/// The second case makes the margin jump, from -0.28 gamma to -3 gamma at z = 3.09. A stable margin uses the first case
/// for every z, in a form without underflow or cancellation.
///
/// The margin is a constant: no gradient flows. Also registered as the operator `retort::ofd_expected_margin(Tensor
/// bn_weight, Tensor bn_bias, *, bool stable=False) -> Tensor`.
///
/// @param bn_weight [C], floating point
/// @param bn_bias [C] of the same dtype and device
/// @param stable whether to omit the official code's second case
/// @return [C], of the same dtype
/// @throws ShapeError if a tensor is undefined, not dense, not floating point, not of rank 1 or empty, or if shapes,
///     dtypes or devices differ
RETORT_API at::Tensor ofd_expected_margin(const at::Tensor& bn_weight, const at::Tensor& bn_bias, bool stable = false);

/// Computes the official margins of a whole teacher: the ofd_expected_margin of each of its BatchNorm layers before a
/// tap's ReLU.
///
/// In a residual network, that is the last BatchNorm of a stage's last block: what the shortcut adds is ignored, here
/// as in the official code.
///
/// @param teacher a native or TorchScript network
/// @param norms the names of the BatchNorm layers in the order of the taps, e.g. "layer1.2.bn2"; each has a `weight`
///     and a `bias` among the teacher's parameters
/// @param stable as in ofd_expected_margin
/// @return one margin [C] per layer, for OfdOptions::margins
/// @throws c10::ValueError if a layer has no parameters of these names, or theirs are not of a BatchNorm's shape
RETORT_API std::vector<at::Tensor> ofd_expected_margins(
    const torch::nn::Module& teacher, const std::vector<std::string>& norms, bool stable = false);

/// How a connector's convolution is initialised: from a normal distribution with mean 0 and this standard deviation.
enum class OfdInit {
  /// sqrt(2 / teacher channels), as in all public code.
  kOfficial,
  /// sqrt(2 / student channels), Kaiming's with fan-in, as PyTorch's kaiming_normal_.
  kKaiming,
};

/// ofd_loss as a term of a training step: the sum over the layers, each through its own connector, a 1x1 convolution
/// without bias and a BatchNorm, which adapts the student's map to the teacher's channels.
///
/// The connectors are trained with the student but not part of it. BatchNorms start with weight 1 and bias 0. The
/// tensors of layer I are named `connectors.I.conv.weight`, `connectors.I.norm.weight`,
/// `connectors.I.norm.running_mean`, .... It takes one or more taps, which must be maps before their ReLU.
///
/// Layer i of n has the weight layer_decay^(n - i - 1) / scale. The official code's loss is that of kBatchMean with a
/// decay of 0.5, a scale of 1000 (CIFAR-100) or 10000 (ImageNet), and the margins of ofd_expected_margins.
struct RETORT_API OfdOptions : CriterionOptions {
  /// One margin [C] per layer, e.g. from ofd_expected_margin; if empty, the ofd_batch_margin of each batch.
  std::vector<at::Tensor> margins;
  /// See ofd_loss.
  OfdReduction reduction = OfdReduction::kMean;
  /// The weight of a layer relative to the one after it; positive and finite.
  double layer_decay = 1.0;
  /// The divisor of the sum; positive and finite.
  double scale = 1.0;
  OfdInit init = OfdInit::kOfficial;

  std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const override;
  std::string description() const override;
};

}  // namespace retort
