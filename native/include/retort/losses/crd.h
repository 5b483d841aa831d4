#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/losses/criterion.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace retort {

/// Contrastive representation distillation: an embedding of one network must identify the other network's embedding of
/// the same sample (the positive) among those of K other samples (the negatives), which are held in a memory of M rows.
/// With
///
///   P_ij = exp(v_i . m_ij / T) / Z         for anchor v_i and its candidate rows m_i0 (positive), m_i1 ... m_iK
///   c    = K / M + 1e-7
///   side = -1/B sum_i [ log(P_i0 / (P_i0 + c)) + sum_k log((K / M) / (P_ik + c)) ]
///   loss = side of the student's embeddings against the teacher memory, with z_student
///        + side of the teacher's embeddings against the student memory, with z_teacher
///
/// Gradients flow to `student`, and to `teacher` if it requires them, but never to the memories. They are computed
/// together with the loss, while a row is in the cache: no tensor of size B K d is ever materialised. They can't be
/// differentiated again. The loss is never negative. It is computed from logarithms of P, which neither overflow nor
/// underflow, in float32, or in float64 for float64 memories. The result is the same for any number of threads.
///
/// Also registered as the operator `retort::crd_loss(Tensor student, Tensor teacher, Tensor student_memory, Tensor
/// teacher_memory, Tensor contrast, float z_student, float z_teacher, float temperature) -> Tensor`.
///
/// @param student [B, d], the student's embeddings, rows of length 1, which is not checked; floating point, any strides
/// @param teacher the teacher's embeddings, of the same shape and device; dtypes may differ unless one of them is
///     float64
/// @param student_memory [M, d], float64 for float64 embeddings, float32 or bfloat16 for all others; on the same device
/// @param teacher_memory of the same shape, dtype and device
/// @param contrast int64 [B, K+1], rows of the memories, the positive first, K >= 1; rows may repeat
/// @param z_student Z of the student's side, positive and finite, see crd_z
/// @param z_teacher Z of the teacher's side, positive and finite
/// @param temperature T, positive and finite
/// @return scalar [], float64 for float64 memories, otherwise float32
/// @throws ShapeError if a tensor is undefined, empty or does not fit
/// @throws c10::ValueError if a row is out of range or a number is not positive and finite
///
/// Source: Tian, Krishnan, Isola: Contrastive Representation Distillation, ICLR 2020, arXiv 1910.10699. The values are
/// those of RepDistiller's crd/, whose loss is of shape [1] and which sets Z once, on the first batch.
RETORT_API at::Tensor crd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& student_memory,
    const at::Tensor& teacher_memory, const at::Tensor& contrast, double z_student, double z_teacher,
    double temperature);

/// Estimates the constant Z of one side of crd_loss from a batch:
///
///   Z = M * mean over B, K+1 of exp(v_i . m_ij / T)
///
/// Z is a constant: no gradient flows. Also registered as the operator `retort::crd_z(Tensor embeddings, Tensor memory,
/// Tensor contrast, float temperature) -> float`.
///
/// @param embeddings [B, d] of one network
/// @param memory [M, d] of the other
/// @param contrast int64 [B, K+1], rows of the memory
/// @param temperature T, positive and finite
/// @return Z; infinite if e^(1/T) overflows, at temperatures below 0.0015
/// @throws ShapeError and c10::ValueError as crd_loss does
RETORT_API double crd_z(
    const at::Tensor& embeddings, const at::Tensor& memory, const at::Tensor& contrast, double temperature);

/// Draws the candidates of a batch for crd_loss: for each sample its own row, then negatives drawn uniformly, with
/// replacement, from all other rows. What a sample draws depends only on its own row and the generator's state: the
/// order and division of a batch do not matter, and equal rows of a batch draw equal candidates. This is mmrazor's
/// `random` mode; RepDistiller does not exclude the sample itself if it has no indices to contrast with.
///
/// Also registered as the operator `retort::crd_contrast(Tensor indices, int rows, int negatives, *, Generator?
/// generator=None) -> Tensor`.
///
/// @param indices int64 [B], the samples' own rows
/// @param rows M, the number of rows in the memory, >= 2
/// @param negatives K, between 1 and 2147483647
/// @param generator of the indices' device; by default that device's default generator
/// @return int64 [B, K+1]
/// @throws ShapeError if a tensor is undefined, empty or does not fit
/// @throws c10::ValueError if a number is out of range
RETORT_API at::Tensor crd_contrast(
    const at::Tensor& indices, int64_t rows, int64_t negatives,
    const std::optional<at::Generator>& generator = std::nullopt);

/// Draws the candidates of a batch for crd_loss by class: negatives are drawn uniformly from the rows of all other
/// classes, without replacement unless there are fewer than K. The positive is the sample's own row or, if `relaxed`,
/// any row of its class. As in crd_contrast, what a sample draws depends only on its own row and the generator's state.
///
/// These are the `exact` and `relax` modes of RepDistiller's, mdistiller's and torchdistill's data loaders. Each call
/// sorts `classes`; a criterion sorts them only once.
///
/// Also registered as the operator `retort::crd_class_contrast(Tensor indices, Tensor classes, int negatives, *, bool
/// relaxed=False, Generator? generator=None) -> Tensor`.
///
/// @param indices int64 [B], the samples' own rows
/// @param classes int64 [M], the class of each memory row, any numbers, at least two different ones; on the same device
/// @param negatives K, between 1 and 2147483647
/// @param relaxed whether the positive may be another row of the class
/// @param generator of the indices' device; by default that device's default generator
/// @return int64 [B, K+1]
/// @throws ShapeError if a tensor is undefined, empty or does not fit
/// @throws c10::ValueError if a number is out of range
RETORT_API at::Tensor crd_class_contrast(
    const at::Tensor& indices, const at::Tensor& classes, int64_t negatives, bool relaxed = false,
    const std::optional<at::Generator>& generator = std::nullopt);

/// Where a criterion gets Z from.
enum class CrdZ {
  /// Estimated from the first batch by crd_z and fixed from then on, as in all public code.
  kFirstBatch,
  /// Given.
  kFixed,
  /// Estimated from every batch, as a moving average that starts with the first, at the cost of one more pass over the
  /// memories' rows. CMC's authors recommend it (HobbitLong/CMC #23) where the estimate of one batch is noisy, as with
  /// few dimensions.
  kMovingAverage,
};

/// How a criterion's memories are stored.
enum class CrdMemoryDtype {
  kFloat32,
  /// Half the memory, with half the traffic. Computations on rows use float32; rounding rotates a row by less than 0.23
  /// degrees. A step of a float64 student keeps its memories in float64.
  kBFloat16,
};

/// crd_loss as a term of a training step. It holds everything it needs: an embedding head for each network, a linear
/// layer to `dimension` features followed by L2 normalisation, trained with the student but not part of it; a memory of
/// each network's embeddings; and Z.
///
/// It takes one tap of each network, of any shape, which is flattened. Each batch must have indices. The candidates are
/// those of the batch if it has `contrast`, as the reference code's data loaders draw them; otherwise,
/// crd_class_contrast draws them if the samples' classes are given, and crd_contrast if not. After each step, the
/// memories move towards the new embeddings; see ContrastMemory.
///
/// For streaming data, a queue replaces the memory of the whole data set, as in He et al.: Momentum Contrast, CVPR
/// 2020, arXiv 1911.05722. Batches need no indices: their embeddings replace the oldest rows before they are compared,
/// so the positive is the other network's embedding from the same step, and the negatives are drawn from the other
/// rows, by crd_contrast. A batch must not be larger than the queue.
///
/// An embedding with a norm below 1e-6 has no direction: it is treated as zero and gets no gradient.
///
/// The tensors are named `student_embedding.weight`, `student_embedding.bias`, `teacher_embedding.…`,
/// `student_memory.embeddings`, `teacher_memory.embeddings`, `z_student`, `z_teacher`, which are 0 until the first
/// batch unless given, and, with a queue, `oldest`, the next row to be replaced. The memories take 2 M d numbers of
/// `memory_dtype`.
struct RETORT_API CrdOptions : CriterionOptions {
  /// M, the number of samples in the data set, >= 2; 0 with a queue.
  int64_t samples = 0;
  /// M, the number of rows in the queue, >= 2; 0 with a memory of the whole data set.
  int64_t queue = 0;
  /// int64 [samples], the class of each sample: negatives are then drawn from other classes only, as in the paper's
  /// experiments. If undefined, any other sample may be a negative.
  at::Tensor classes;
  /// Whether the positive may be any sample of the same class; requires `classes`.
  bool relaxed = false;
  /// K, the number of negatives for batches without `contrast`; RepDistiller's value for CIFAR-100 and ImageNet.
  int64_t negatives = 16384;
  /// d, the length of the embeddings; RepDistiller's value.
  int64_t dimension = 128;
  /// T, the paper's value. Below about 0.012, Z may exceed the range of float32: the first step then fails.
  double temperature = 0.07;
  /// The momentum of the memories: the weight of a row's old value in its update, in [0, 1); the paper's value. A queue
  /// does not use it.
  double momentum = 0.5;
  /// How the memories are stored.
  CrdMemoryDtype memory_dtype = CrdMemoryDtype::kFloat32;
  /// Where the criterion gets Z from.
  CrdZ z = CrdZ::kFirstBatch;
  /// Z of both sides for kFixed, positive and finite; M e^(1 / (2 T^2 d)) for embeddings spread in all directions, e.g.
  /// 2.219 M with T = 0.07 and d = 128.
  double z_student = 0.0;
  double z_teacher = 0.0;
  /// The momentum of Z with kMovingAverage: the weight of its old value, in [0, 1); CMC's value.
  double z_momentum = 0.99;

  std::shared_ptr<Criterion> build(const FeatureShapes& shapes) const override;
  std::string description() const override;
};

}  // namespace retort
