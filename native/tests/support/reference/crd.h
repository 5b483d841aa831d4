#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

namespace retort::reference {

/// exp(v_i . m_ij / T) of each anchor and candidate, from gathered rows, in the embeddings' dtype.
inline at::Tensor crd_exponentials(
    const at::Tensor& embeddings, const at::Tensor& memory, const at::Tensor& contrast, double temperature) {
  const at::Tensor rows = memory.index_select(0, contrast.flatten())
                              .view({contrast.size(0), contrast.size(1), memory.size(1)})
                              .to(embeddings.scalar_type());
  return at::exp(at::bmm(rows, embeddings.unsqueeze(2)).squeeze(2) / temperature);
}

/// The specification of retort::crd_z.
inline double crd_z(
    const at::Tensor& embeddings, const at::Tensor& memory, const at::Tensor& contrast, double temperature) {
  const at::Tensor exponentials = crd_exponentials(embeddings, memory, contrast, temperature);
  return exponentials.mean().item<double>() * static_cast<double>(memory.size(0));
}

/// One side of retort::crd_loss.
inline at::Tensor crd_side(
    const at::Tensor& embeddings, const at::Tensor& memory, const at::Tensor& contrast, double z, double temperature) {
  constexpr double kEpsilon = 1e-7;
  const double noise = static_cast<double>(contrast.size(1) - 1) / static_cast<double>(memory.size(0));
  const at::Tensor p = crd_exponentials(embeddings, memory, contrast, temperature) / z;
  const at::Tensor positive = p.narrow(1, 0, 1);
  const at::Tensor negatives = p.slice(1, 1);
  const at::Tensor data = at::log(positive / (positive + noise + kEpsilon));
  const at::Tensor others = at::log(noise / (negatives + noise + kEpsilon));
  return -(data.sum() + others.sum()) / static_cast<double>(contrast.size(0));
}

/// The specification of retort::crd_loss, as the reference code has it. Autograd gives its gradients.
inline at::Tensor crd_loss(
    const at::Tensor& student, const at::Tensor& teacher, const at::Tensor& student_memory,
    const at::Tensor& teacher_memory, const at::Tensor& contrast, double z_student, double z_teacher,
    double temperature) {
  return crd_side(student, teacher_memory, contrast, z_student, temperature) +
         crd_side(teacher, student_memory, contrast, z_teacher, temperature);
}

/// The specification of retort::ContrastMemory::update: the memory afterwards, row by row.
inline at::Tensor updated_memory(
    const at::Tensor& memory, const at::Tensor& indices, const at::Tensor& embeddings, double momentum) {
  at::Tensor result = memory.clone();
  for (int64_t i = 0; i < indices.size(0); ++i) {
    const auto row = indices[i].item<int64_t>();
    const at::Tensor moved = momentum * memory[row] + (1 - momentum) * embeddings[i];
    result[row].copy_(moved / moved.square().sum().sqrt().clamp_min(1e-12));
  }
  return result;
}

}  // namespace retort::reference
