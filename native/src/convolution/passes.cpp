#include "convolution/passes.h"

#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/convolution_native.h>

#include "convolution/checks.h"
#include "convolution/conv3x3.h"
#include "tensor/operators.h"

namespace retort {
namespace {

using Optional = const std::optional<at::Tensor>&;

bool is_float_on_cpu(const at::Tensor& tensor) {
  return (tensor.device().is_cpu() || tensor.is_meta()) && tensor.scalar_type() == at::kFloat &&
         tensor.layout() == at::kStrided;
}

/// Whether one of torch.func's transformations is to see what ATen would do.
bool is_transformed(const at::Tensor& tensor) {
  constexpr c10::DispatchKeySet kTransformations(
      {c10::DispatchKey::FuncTorchGradWrapper, c10::DispatchKey::FuncTorchBatched});
  return tensor.key_set().has_any(kTransformations);
}

at::Tensor dense_weight(const at::Tensor& weight) {
  return weight.is_contiguous(kLast) ? weight : weight.contiguous();
}

Conv3x3Shape shape_of(const at::Tensor& input, const at::Tensor& weight) {
  return {input.size(0), input.size(1), weight.size(0), input.size(2), input.size(3)};
}

/// Of channels-last maps or, of a gradient, the transpose.
at::Tensor convolve(
    const at::Tensor& input, const at::Tensor& weight, const Conv3x3Epilogue& epilogue, bool of_gradient) {
  using Convolve = at::Tensor(const at::Tensor&, const at::Tensor&, Optional, Optional, Optional, bool, bool);
  static const auto op = find_operator<Convolve>("retort::_winograd_convolve");
  return op.call(
      input, dense_weight(weight), epilogue.scale, epilogue.shift, epilogue.residual, epilogue.relu, of_gradient);
}

}  // namespace

bool suits_winograd(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  const auto suits = [](const at::Tensor& tensor) { return is_float_on_cpu(tensor) && !is_transformed(tensor); };
  return suits(input) && suits(weight) && (!is_given(bias) || suits(*bias));
}

bool winograd_is_faster(const at::Tensor& input, const at::Tensor& weight, bool packed) {
  Conv3x3Use use;
  use.channels_last = input.is_contiguous(kLast);
  use.packed = packed;
  return winograd_is_faster(shape_of(input, weight), use);
}

bool packing_pays(const at::Tensor& input, const at::Tensor& weight) {
  return packing_pays(shape_of(input, weight));
}

at::Tensor direct_conv3x3(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  // Not at::convolution, which may be Winograd's: see aten_conv2d.cpp.
  return at::native::convolution(
             input, weight, bias, {1, 1}, {1, 1}, {1, 1}, /*transposed=*/false, /*output_padding=*/{0, 0}, /*groups=*/1)
      .contiguous(input.suggest_memory_format());
}

at::Tensor winograd_conv3x3(const at::Tensor& input, const at::Tensor& weight, const Conv3x3Epilogue& epilogue) {
  return convolve(input, weight, epilogue, /*of_gradient=*/false);
}

at::Tensor winograd_conv3x3(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  Conv3x3Epilogue epilogue;
  if (is_given(bias)) epilogue.shift = bias->contiguous();
  return winograd_conv3x3(input.contiguous(kLast), weight, epilogue).contiguous(input.suggest_memory_format());
}

std::vector<at::Tensor> direct_backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight, Wanted wanted) {
  const std::array<int64_t, 1> biases = {weight.size(0)};
  auto [of_input, of_weight, of_bias] = at::convolution_backward(
      gradient, input, weight, biases, {1, 1}, {1, 1}, {1, 1}, /*transposed=*/false, {0, 0}, /*groups=*/1, wanted);
  if (wanted[0]) of_input = of_input.contiguous(input.suggest_memory_format());
  if (wanted[1]) of_weight = of_weight.contiguous(weight.suggest_memory_format());
  return {of_input, of_weight, of_bias};
}

std::vector<at::Tensor> winograd_backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight, Wanted wanted) {
  using WeightGradient = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&);
  static const auto weight_gradient = find_operator<WeightGradient>("retort::_winograd_weight_gradient");
  static const auto sum_positions = find_operator<at::Tensor(const at::Tensor&)>("retort::_sum_positions");
  const at::Tensor gradient_last = gradient.contiguous(kLast);
  const at::Tensor weights = dense_weight(weight);
  std::vector<at::Tensor> results(3);
  if (wanted[0]) {
    results[0] = convolve(gradient_last, weights, {}, /*of_gradient=*/true).contiguous(input.suggest_memory_format());
  }
  if (wanted[1]) {
    results[1] = weight_gradient.call(gradient_last, input.contiguous(kLast), weights)
                     .contiguous(weight.suggest_memory_format());
  }
  if (wanted[2]) results[2] = sum_positions.call(gradient_last);
  return results;
}

}  // namespace retort
