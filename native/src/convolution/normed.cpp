#include "convolution/normed.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/rsqrt.h>
#include <torch/library.h>

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "convolution/checks.h"
#include "convolution/conv3x3.h"
#include "convolution/mode.h"
#include "convolution/packed_weights.h"
#include "convolution/passes.h"

namespace retort {
namespace {

using Optional = const std::optional<at::Tensor>&;

bool are_floats(const at::Tensor& like, std::initializer_list<const at::Tensor*> tensors) {
  return std::all_of(tensors.begin(), tensors.end(), [&](const at::Tensor* tensor) {
    return tensor->scalar_type() == at::kFloat && tensor->device().is_cpu() && tensor->numel() == like.size(0);
  });
}

bool is_like_result(const at::Tensor& tensor, const at::Tensor& input, const at::Tensor& weight) {
  return tensor.scalar_type() == input.scalar_type() && input.dim() == 4 && weight.dim() == 4 &&
         tensor.sizes() == at::IntArrayRef({input.size(0), weight.size(0), input.size(2), input.size(3)});
}

at::Tensor one_by_one(
    const at::Tensor& input, const at::Tensor& weight, Optional bias, Optional gamma, Optional beta,
    const at::Tensor& mean, const at::Tensor& variance, double epsilon) {
  return at::batch_norm(
      at::conv2d(input, weight, bias, /*stride=*/1, /*padding=*/1), gamma, beta, mean, variance, /*training=*/false,
      /*momentum=*/0, epsilon, /*cudnn_enabled=*/true);
}

at::Tensor conv2d_normed(
    const at::Tensor& input, const at::Tensor& weight, Optional bias, Optional gamma, Optional beta,
    const at::Tensor& mean, const at::Tensor& variance, double epsilon, Optional residual, bool relu) {
  const bool has_floats = is_given(gamma) && is_given(beta) && are_floats(weight, {&*gamma, &*beta, &mean, &variance});
  const bool is_sum_of_equals = !is_given(residual) || is_like_result(*residual, input, weight);
  PackedWeights* const packed = PackedWeights::current();
  if (has_floats && is_sum_of_equals && is_by_winograd(input, weight, bias, /*packed=*/packed != nullptr)) {
    Conv3x3Epilogue epilogue;
    epilogue.scale = at::rsqrt(variance + epsilon).mul_(*gamma);
    epilogue.shift = *beta - (is_given(bias) ? mean - *bias : mean) * *epilogue.scale;
    if (is_given(residual)) epilogue.residual = residual->contiguous(kLast);
    epilogue.relu = relu;
    const at::Tensor input_last = input.contiguous(kLast);
    const at::Tensor output = packed && packing_pays(input, weight)
                                  ? frozen_conv3x3(input_last, packed->of(weight), epilogue)
                                  : winograd_conv3x3(input_last, weight, epilogue);
    return output.contiguous(input.suggest_memory_format());
  }
  at::Tensor output = one_by_one(input, weight, bias, gamma, beta, mean, variance, epsilon);
  if (is_given(residual)) {
    const bool is_alike = residual->sizes() == output.sizes() && residual->scalar_type() == output.scalar_type();
    output = is_alike ? output.add_(*residual) : output.add(*residual);
  }
  return relu ? output.relu_() : output;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(retort, m) {
  m.def(
      "_conv2d_normed(Tensor input, Tensor weight, Tensor? bias, Tensor? gamma, Tensor? beta, Tensor mean, "
      "Tensor variance, float epsilon, Tensor? residual, bool relu) -> Tensor",
      &conv2d_normed);
}

}  // namespace retort
