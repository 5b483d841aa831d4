#pragma once

#include <ATen/Functions.h>

#include <vector>

namespace retort::test::reference {

/// Attention transfer: for each pair of maps [B, C, H, W] the mean squared difference of where both are strong, the
/// student's brought to the teacher's size, summed up over the pairs.
inline at::Tensor attention_transfer(
    const std::vector<at::Tensor>& student, const std::vector<at::Tensor>& teacher, double power = 2) {
  at::Tensor loss = at::zeros({}, student.at(0).options());
  for (size_t i = 0; i < student.size(); ++i) {
    std::vector<at::Tensor> unit;
    for (const at::Tensor& map : {student[i], teacher.at(i)}) {
      const at::Tensor sized = at::adaptive_avg_pool2d(map, {teacher[i].size(2), teacher[i].size(3)});
      at::Tensor strength = at::zeros({map.size(0), teacher[i].size(2), teacher[i].size(3)}, map.options());
      for (const at::Tensor& channel : sized.unbind(1)) strength = strength + channel.abs().pow(power) / map.size(1);
      unit.push_back(strength / strength.square().sum({1, 2}, /*keepdim=*/true).sqrt());
    }
    loss = loss + (unit[0] - unit[1]).square().sum() / unit[0].numel();
  }
  return loss;
}

}  // namespace retort::test::reference
