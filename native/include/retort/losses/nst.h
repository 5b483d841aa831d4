#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/losses/criterion.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace retort {

/// How nst_loss compares two channels x, y, as unit vectors of H W numbers.
enum class NstKernel {
  /// x^T y
  kLinear,
  /// (x^T y + offset)^degree
  kPolynomial,
  /// exp(-|x - y|^2 / (2 variance))
  kGaussian,
};

/// The options of nst_loss. As a term of a training step, the loss is the sum over its layers. It takes one or more
/// taps, which must be maps.
struct RETORT_API NstOptions : CriterionOptions {
  /// Sets the kernel and leaves the other options at their defaults. The polynomial kernel is the paper's best and the
  /// only one in public code.
  NstOptions(NstKernel of_kernel = NstKernel::kPolynomial) : kernel(of_kernel) {}

  NstKernel kernel;
  /// The degree of the polynomial kernel, between 1 and 16; 2 in the paper and all public code.
  int64_t degree = 2;
  /// The offset of the polynomial kernel, at least 0, as a kernel requires, and finite; 0 in the paper and all public
  /// code.
  double offset = 0.0;
  /// sigma^2 of the Gaussian kernel, positive and finite. By default, as in the paper, it is the mean of |x - y|^2 over
  /// all pairs of a student's and a teacher's channel of the sample, which is a constant in the gradient.
  std::optional<double> variance;
  /// Whether the loss includes mean k(t, t'), without which it may be negative. The term does not depend on the
  /// student. RepDistiller includes it by default; TuSimple's code, the paper's own, does not.
  bool teacher_term = true;
  /// Channels with a smaller norm get no gradient; at least 0 and finite. 0 gives the exact gradient of
  /// torch.nn.functional.normalize.
  double dead_channel_norm = 1e-6;

  std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const override;
  std::string description() const override;
};

/// Neuron selectivity transfer: the maximum mean discrepancy between the activation patterns of the student's and the
/// teacher's channels. For each layer
///
///   loss = mean over B of (mean k(s, s') + mean k(t, t') - 2 mean k(s, t))
///
/// over all pairs of channels s, s' of the student's map and t, t' of the teacher's, each a vector of H W numbers
/// divided by its norm (or by 1e-12 if that is larger). If the two maps of a layer differ in size, both are first
/// averaged down to the smaller height and the smaller width (adaptive average pooling).
///
/// Gradients flow to student maps, and to those of the teacher's maps that require them. They are computed together
/// with the loss, and can't be differentiated again. A channel whose norm is below `dead_channel_norm` gets no
/// gradient: its direction is meaningless, and its exact gradient is up to 1e12 times larger than the others. With the
/// teacher's term, no loss is ever negative, and equal maps give 0. The order of channels does not matter. Computed in
/// float32, or in float64 for float64 inputs, sample by sample: besides the gradients and the unit vectors of one
/// sample per thread, memory is needed only for a few rows of the kernel matrix. The result is the same for any number
/// of threads.
///
/// Also registered as the operator `retort::nst_loss(Tensor[] student, Tensor[] teacher, str kernel="polynomial", *,
/// int degree=2, float offset=0., float? variance=None, bool teacher_term=True, float dead_channel_norm=1e-06) ->
/// Tensor[]`, with kernel "linear", "polynomial" or "gaussian".
///
/// @param student n >= 1 maps [B, C_i, H_i, W_i], floating point, any strides
/// @param teacher the same number of maps, with the same batch and device; channels, heights and widths may differ;
///     dtypes may, unless one of them is float64
/// @param options the kernel and the other options; an NstKernel converts implicitly
/// @return the losses of the n layers, scalars []; of the inputs' dtype, float32 for half-precision and mixed inputs
/// @throws ShapeError if there is no map, if a map is undefined, not dense, not floating point, not of rank 4 or empty,
///     or if maps differ in batch or device, or float64 is mixed with another dtype
/// @throws c10::ValueError if an option is out of range
///
/// Source: Huang, Wang: Like What You Like: Knowledge Distill via Neuron Selectivity Transfer, 2017, arXiv 1707.01219.
/// The polynomial kernel's values are those of RepDistiller's distiller_zoo/NST.py, which handles square maps only; no
/// public code has the other two kernels, which follow the paper. The paper halves the loss.
///
///   const std::vector<at::Tensor> losses =
///       retort::nst_loss(student_maps, teacher_maps, retort::NstKernel::kPolynomial);
RETORT_API std::vector<at::Tensor> nst_loss(
    at::TensorList student, at::TensorList teacher, const NstOptions& options = {});

}  // namespace retort
