#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/losses/criterion.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// How the larger map of a pair is pooled to the size of the smaller.
enum class FspPooling {
  /// Adaptive average pooling, as in RepDistiller.
  kAverage,
  /// Adaptive maximum pooling, as in the paper and torchdistill.
  kMax,
};

/// How the difference D = G_student - G_teacher of a pair is reduced to a scalar.
enum class FspReduction {
  /// mean over B, C_1, C_2 of D^2, as in RepDistiller and all other code that uses PyTorch's mse_loss.
  kMean,
  /// 1/B sum over B, C_1, C_2 of D^2, as in the paper.
  kPaper,
  /// 1/B sum over B, C_2 of the length of D's column, sqrt(sum over C_1 of D^2), as in torchdistill. The gradient of a
  /// zero column is zero.
  kTorchdistill,
};

/// Flow of solution procedure: compares how the features of one layer correlate with those of the next in student and
/// teacher. For each pair of maps
///
///   G = F_1 F_2^T / (H W)                                       the FSP matrix [C_1, C_2] of a sample
///   loss = mean over B, C_1, C_2 of (G_student - G_teacher)^2
///
/// where F is a map as a matrix [C, H W]. If the two maps of a pair differ in size, both are first pooled down to the
/// smaller height and the smaller width.
///
/// Gradients: with D = G_student - G_teacher, 2 D F_2 / (H W B C_1 C_2) flows to the student's first map of a pair, and
/// 2 D^T F_1 / (H W B C_1 C_2) to the second; to teacher maps, only if they require them. They are computed together
/// with the loss, and can't be differentiated again. No loss is ever negative; maps with the same FSP matrices give 0.
/// Computed in float32, or in float64 for float64 inputs, sample by sample: besides the gradients, memory is needed
/// only for a few maps and two FSP matrices per thread. The result is the same for any number of threads.
///
/// Also registered as the operator `retort::fsp_loss(Tensor[] student, Tensor[] teacher, *, int[] pairs=[], str
/// pooling="average", str reduction="mean") -> Tensor[]`, with pooling "average" or "max" and reduction "mean", "paper"
/// or "torchdistill".
///
/// @param student n >= 2 maps [B, C_i, H_i, W_i], floating point, any strides
/// @param teacher the same number of maps, with the same batch, channels and device; heights and widths may differ;
///     dtypes may, unless one of them is float64
/// @param pairs the first and the second map of each pair, one pair after the other, e.g. {0, 1, 1, 2}; empty for the
///     pairs of consecutive maps
/// @param pooling see FspPooling
/// @param reduction see FspReduction
/// @return the losses of the pairs, scalars []; of the inputs' dtype, float32 for half-precision and mixed inputs
/// @throws ShapeError if there are fewer than two maps, if a map is undefined, not dense, not floating point, not of
///     rank 4 or empty, or if maps differ in batch, channels or device, or float64 is mixed with another dtype
/// @throws c10::ValueError if a pair refers to a map that does not exist
///
/// Source: Yim, Joo, Bae, Kim: A Gift from Knowledge Distillation: Fast Optimization, Network Minimization and Transfer
/// Learning, CVPR 2017. By default, the values are those of RepDistiller's distiller_zoo/FSP.py, which handles square
/// maps only. Those of the paper come with kMax and kPaper, those of torchdistill with kMax and kTorchdistill.
///
///   const std::vector<at::Tensor> losses = retort::fsp_loss(student_maps, teacher_maps);
RETORT_API std::vector<at::Tensor> fsp_loss(
    at::TensorList student, at::TensorList teacher, at::IntArrayRef pairs = {},
    FspPooling pooling = FspPooling::kAverage, FspReduction reduction = FspReduction::kMean);

/// Computes the FSP matrix of two maps, as in fsp_loss. The matrix can be differentiated any number of times.
///
/// Also registered as the operator `retort::fsp_matrix(Tensor first, Tensor second, *, str pooling="average") ->
/// Tensor`.
///
/// @param first [B, C_1, H_1, W_1], floating point, any strides
/// @param second [B, C_2, H_2, W_2] on the same device; dtypes may differ unless one of them is float64
/// @param pooling how the larger map is pooled to the size of the smaller
/// @return [B, C_1, C_2]; of the inputs' dtype, float32 for half-precision and mixed inputs. RepDistiller's is
///     transposed.
/// @throws ShapeError if a map is undefined, not dense, not floating point, not of rank 4 or empty, or if the maps
///     differ in batch or device, or float64 is mixed with another dtype
RETORT_API at::Tensor fsp_matrix(
    const at::Tensor& first, const at::Tensor& second, FspPooling pooling = FspPooling::kAverage);

/// fsp_loss as a term of a training step: the sum of the losses of its pairs. It takes two or more taps, whose maps
/// have the same number of channels in teacher and student, or any number with `adapt_channels`.
///
/// The adapter of tap I has the parameters `adapters.I.weight` and `adapters.I.bias`.
struct RETORT_API FspOptions : CriterionOptions {
  /// See fsp_loss.
  std::vector<int64_t> pairs;
  FspPooling pooling = FspPooling::kAverage;
  FspReduction reduction = FspReduction::kMean;
  /// Whether each student map whose number of channels differs from the teacher's first passes through a 1x1
  /// convolution, which is trained with the student but not part of it. No public code for images has this;
  /// TextBrewer's `proj` does the same for sequences.
  bool adapt_channels = false;

  std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const override;
  std::string description() const override;
};

}  // namespace retort
