#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/losses/criterion.h>

#include <memory>
#include <vector>

namespace retort {

/// Flow of solution procedure: how the features of one layer go with those of the next, compared between student and
/// teacher. For each pair of consecutive maps i, i+1
///
///   G = F_i F_{i+1}^T / (H W)                                   the FSP matrix [C_i, C_{i+1}] of a sample
///   loss_i = mean over B, C_i, C_{i+1} of (G_student - G_teacher)^2
///
/// where F is a map as the matrix [C, H W]. If the two maps of a pair differ in size, both are first averaged down to
/// the smaller height and the smaller width (adaptive average pooling).
///
/// Gradients: with D = G_student - G_teacher, 2 D F_{i+1} / (H W B C_i C_{i+1}) to student map i and, with the other
/// transposition, to map i+1; to teacher maps only if they require them. They are computed together with the loss.
/// Differentiating twice is an error. No loss is ever negative; maps with the same FSP matrices give 0.
/// Computed in float32, or in float64 for float64 inputs, sample by sample: beside the gradients, a few maps and one
/// FSP matrix a thread are all the memory it takes. The same result for any number of threads.
///
/// Also registered as the operator `retort::fsp_loss(Tensor[] student, Tensor[] teacher) -> Tensor[]`.
///
/// @param student n >= 2 maps [B, C_i, H_i, W_i], floating point, any strides
/// @param teacher as many maps with the same batch, channels, dtype and device; heights and widths may be others
/// @return the n - 1 losses of the pairs, scalars []; the inputs' dtype, float32 for half-precision inputs
/// @throws c10::ValueError if there are fewer than two maps, if a map is undefined, not dense, not floating point, not
///     of rank 4 or empty, or if maps differ in batch, channels, dtype or device
///
/// Source: Yim, Joo, Bae, Kim: A Gift from Knowledge Distillation: Fast Optimization, Network Minimization and Transfer
/// Learning, CVPR 2017. The values are those of RepDistiller's distiller_zoo/FSP.py, which handles square maps only;
/// the paper sums over the matrix instead of averaging, which is C_i C_{i+1} times as much, and pools by maximum.
///
///   const std::vector<at::Tensor> losses = retort::fsp_loss(student_maps, teacher_maps);
RETORT_API std::vector<at::Tensor> fsp_loss(at::TensorList student, at::TensorList teacher);

/// fsp_loss as a term of a training step: the sum of the losses of its pairs. Takes two taps or more, maps with as many
/// channels in the teacher as in the student.
struct RETORT_API FspOptions : CriterionOptions {
  std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const override;
};

}  // namespace retort
