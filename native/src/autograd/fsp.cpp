#include <torch/library.h>

#include <algorithm>
#include <array>

#include "autograd/scalar_loss.h"
#include "tensor/operators.h"

namespace retort::autograd {
namespace {

LossWithGradients fsp_forward(
    at::TensorList student, at::TensorList teacher, at::IntArrayRef pairs, c10::string_view pooling,
    c10::string_view reduction, std::array<bool, 2> /*gradients*/) {
  static const auto forward = find_operator<decltype(fsp_forward)>("retort::_fsp_forward");
  std::vector<at::Tensor> inputs = student.vec();
  inputs.insert(inputs.end(), teacher.begin(), teacher.end());
  return differentiable("fsp_loss", inputs, [&](const Wanted& wanted) {
    const auto first_teacher = wanted.begin() + student.size();
    const auto any = [](auto begin, auto end) { return std::find(begin, end, true) != end; };
    return forward.call(
        student, teacher, pairs, pooling, reduction,
        {any(wanted.begin(), first_teacher), any(first_teacher, wanted.end())});
  });
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, Autograd, m) {
  m.impl("_fsp_forward", &fsp_forward);
}

}  // namespace retort::autograd
