#pragma once

#include <vector>

#include "reference/maps.h"

namespace retort::reference {

/// The FSP matrix of two maps, [B, C_1, C_2]: the mean over positions of F_1 F_2^T.
inline at::Tensor fsp_matrix(const at::Tensor& first, const at::Tensor& second) {
  const auto [f, g] = of_one_size(first, second);
  return (f.unsqueeze(2) * g.unsqueeze(1)).mean(3);
}

/// The specification of retort::fsp_loss, as its formula says: for each pair of consecutive maps
///
///   loss_i = mean over B, C_i, C_{i+1} of (G_student - G_teacher)^2
///
/// Autograd gives its gradients.
inline std::vector<at::Tensor> fsp_loss(
    const std::vector<at::Tensor>& student, const std::vector<at::Tensor>& teacher) {
  std::vector<at::Tensor> losses;
  for (size_t i = 0; i + 1 < student.size(); ++i) {
    const at::Tensor difference = fsp_matrix(student[i], student[i + 1]) - fsp_matrix(teacher[i], teacher[i + 1]);
    losses.push_back(difference.square().mean());
  }
  return losses;
}

}  // namespace retort::reference
