#include "convolution/conv3x3.h"

#include <ATen/autocast_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <array>
#include <vector>

#include "convolution/checks.h"
#include "tensor/operators.h"

namespace retort {
namespace {

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

using Wanted = std::array<bool, 3>;

at::Tensor aten_conv2d(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  return at::conv2d(input, weight, bias, /*stride=*/1, /*padding=*/1);
}

void check(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  check_images("conv3x3", input);
  check_weight("conv3x3", weight);
  RETORT_CHECK_AS(
      ShapeError, input.sym_size(1) == weight.sym_size(1),
      "conv3x3: input and weight must have the same number of channels (got ", input.sym_size(1), " and ",
      weight.sym_size(1), ")");
  check_of_filters("conv3x3", "bias", bias, weight.sym_size(0));
}

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

bool is_autocast(at::DeviceType device) {
  return at::autocast::is_autocast_available(device) && at::autocast::is_autocast_enabled(device);
}

at::Tensor checked_conv3x3(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  check(input, weight, bias);
  if (is_autocast(input.device().type())) return aten_conv2d(input, weight, bias);
  check_like_input("conv3x3", "weight", input, weight);
  check_like_input("conv3x3", "bias", input, bias);
  const auto is_ours = [](const at::Tensor& tensor) { return is_float_on_cpu(tensor) && !is_transformed(tensor); };
  const bool are_ours = is_ours(input) && is_ours(weight) && (!is_given(bias) || is_ours(*bias));
  if (!are_ours) return aten_conv2d(input, weight, bias);
  static const auto op = find_operator<decltype(aten_conv2d)>("retort::_conv3x3");
  return op.call(input, weight, bias);
}

bool is_faster(const at::Tensor& input, const at::Tensor& weight) {
  Conv3x3Use use;
  use.channels_last = input.is_contiguous(kLast);
  return winograd_is_faster({input.size(0), input.size(1), weight.size(0), input.size(2), input.size(3)}, use);
}

at::Tensor dense_weight(const at::Tensor& weight) {
  return weight.is_contiguous(kLast) ? weight : weight.contiguous();
}

/// The convolution of channels-last maps, or, of a gradient, its transpose.
at::Tensor winograd(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias, bool of_gradient) {
  using Convolve = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, bool);
  static const auto op = find_operator<Convolve>("retort::_winograd_convolve");
  return op.call(input, weight, bias, of_gradient);
}

at::Tensor forward(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  const at::MemoryFormat format = input.suggest_memory_format();
  if (!is_faster(input, weight)) return aten_conv2d(input, weight, bias).contiguous(format);
  const std::optional<at::Tensor> shift = is_given(bias) ? bias->contiguous() : bias;
  return winograd(input.contiguous(kLast), dense_weight(weight), shift, false).contiguous(format);
}

std::vector<at::Tensor> aten_backward(
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
    results[0] = winograd(gradient_last, weights, std::nullopt, true).contiguous(input.suggest_memory_format());
  }
  if (wanted[1]) {
    results[1] = weight_gradient.call(gradient_last, input.contiguous(kLast), weights)
                     .contiguous(weight.suggest_memory_format());
  }
  if (wanted[2]) results[2] = sum_positions.call(gradient_last);
  return results;
}

/// Only the gradients that are wanted.
std::vector<at::Tensor> backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight, Wanted wanted) {
  std::vector<at::Tensor> all = is_faster(input, weight) ? winograd_backward(gradient, input, weight, wanted)
                                                         : aten_backward(gradient, input, weight, wanted);
  std::vector<at::Tensor> results;
  for (size_t i = 0; i < all.size(); ++i) {
    if (wanted[i]) results.push_back(std::move(all[i]));
  }
  return results;
}

at::Tensor meta_forward(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& /*bias*/) {
  return at::empty_symint(
      {input.sym_size(0), weight.sym_size(0), input.sym_size(2), input.sym_size(3)}, input.options(),
      input.suggest_memory_format());
}

std::vector<at::Tensor> meta_backward(
    const at::Tensor& /*gradient*/, const at::Tensor& input, const at::Tensor& weight, Wanted wanted) {
  std::vector<at::Tensor> results;
  if (wanted[0]) results.push_back(at::empty_like(input, input.options(), input.suggest_memory_format()));
  if (wanted[1]) results.push_back(at::empty_like(weight, weight.options(), weight.suggest_memory_format()));
  if (wanted[2]) results.push_back(at::empty_symint({weight.sym_size(0)}, weight.options()));
  return results;
}

}  // namespace

at::Tensor conv3x3(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  static const auto op = find_operator<decltype(checked_conv3x3)>("retort::conv3x3");
  return op.call(input, weight, bias);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  define_composite(m, "conv3x3(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", &checked_conv3x3);
  // Arguments that were checked, in float32 on the CPU. `wanted` gradients of input, weight and bias are returned.
  m.def("_conv3x3(Tensor input, Tensor weight, Tensor? bias) -> Tensor");
  m.def("_conv3x3_backward(Tensor gradient, Tensor input, Tensor weight, bool[3] wanted) -> Tensor[]");
  // By Winograd's in any case. Maps are channels-last, weights are that or contiguous.
  m.def("_winograd_pack(Tensor weight, bool of_gradient) -> Tensor");
  m.def(
      "_winograd_apply(Tensor input, Tensor packed, Tensor? scale, Tensor? shift, Tensor? residual, bool relu) "
      "-> Tensor");
  m.def("_winograd_convolve(Tensor input, Tensor weight, Tensor? shift, bool of_gradient) -> Tensor");
  m.def("_winograd_weight_gradient(Tensor gradient, Tensor input, Tensor weight) -> Tensor");
  m.def("_sum_positions(Tensor maps) -> Tensor");
}

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_conv3x3", &forward);
  m.impl("_conv3x3_backward", &backward);
}

TORCH_LIBRARY_IMPL(retort, Meta, m) {
  m.impl("_conv3x3", &meta_forward);
  m.impl("_conv3x3_backward", &meta_backward);
}

}  // namespace retort
