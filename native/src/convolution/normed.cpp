#include "convolution/normed.h"

#include <ATen/ops/add.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/rsqrt.h>
#include <torch/library.h>

#include <optional>

#include "convolution/checks.h"
#include "convolution/mode.h"
#include "convolution/passes.h"

namespace retort {
namespace {

using Optional = const std::optional<at::Tensor>&;

bool are_floats(const at::Tensor& like, std::initializer_list<const at::Tensor*> tensors) {
  return std::all_of(tensors.begin(), tensors.end(), [&](const at::Tensor* tensor) {
    return tensor->scalar_type() == at::kFloat && tensor->device().is_cpu() && tensor->numel() == like.size(0);
  });
}

at::Tensor one_by_one(
    const at::Tensor& input, const at::Tensor& weight, Optional bias, Optional gamma, Optional beta,
    const at::Tensor& mean, const at::Tensor& variance, double epsilon, Optional residual, bool relu) {
  at::Tensor output = at::conv2d(input, weight, bias, /*stride=*/1, /*padding=*/1);
  output = at::batch_norm(
      output, gamma, beta, mean, variance, /*training=*/false, /*momentum=*/0, epsilon, /*cudnn_enabled=*/true);
  if (is_given(residual)) output = at::add(output, *residual);
  return relu ? output.relu_() : output;
}

at::Tensor conv2d_normed(
    const at::Tensor& input, const at::Tensor& weight, Optional bias, Optional gamma, Optional beta,
    const at::Tensor& mean, const at::Tensor& variance, double epsilon, Optional residual, bool relu) {
  const bool is_one_pass = is_by_winograd(input, weight, bias) && is_given(gamma) && is_given(beta) &&
                           are_floats(weight, {&*gamma, &*beta, &mean, &variance});
  if (!is_one_pass) {
    return one_by_one(input, weight, bias, gamma, beta, mean, variance, epsilon, residual, relu);
  }
  constexpr auto last = at::MemoryFormat::ChannelsLast;
  Conv3x3Epilogue epilogue;
  const at::Tensor scale = at::rsqrt(variance + epsilon).mul_(*gamma);
  epilogue.scale = scale;
  epilogue.shift = at::sub(*beta, (is_given(bias) ? mean - *bias : mean) * scale);
  const bool fits = is_given(residual) && residual->scalar_type() == at::kFloat && residual->dim() == 4 &&
                    residual->size(0) == input.size(0) && residual->size(1) == weight.size(0) &&
                    residual->size(2) == input.size(2) && residual->size(3) == input.size(3);
  if (is_given(residual) && !fits) {
    const at::Tensor sum = at::add(winograd_conv3x3(input.contiguous(last), weight, epilogue), *residual);
    return relu ? sum.relu() : sum;
  }
  if (fits) epilogue.residual = residual->contiguous(last);
  epilogue.relu = relu;
  return winograd_conv3x3(input.contiguous(last), weight, epilogue).contiguous(input.suggest_memory_format());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(retort, m) {
  m.def(
      "_conv2d_normed(Tensor input, Tensor weight, Tensor? bias, Tensor? gamma, Tensor? beta, Tensor mean, "
      "Tensor variance, float epsilon, Tensor? residual, bool relu) -> Tensor",
      &conv2d_normed);
}

}  // namespace retort
