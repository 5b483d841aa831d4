#include "convolution/conv3x3.h"

#include <ATen/autocast_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/library.h>

#include <vector>

#include "convolution/checks.h"
#include "convolution/passes.h"
#include "tensor/operators.h"

namespace retort {
namespace {

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

bool is_autocast(at::DeviceType device) {
  return at::autocast::is_autocast_available(device) && at::autocast::is_autocast_enabled(device);
}

at::Tensor checked_conv3x3(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  check(input, weight, bias);
  if (is_autocast(input.device().type())) return aten_conv2d(input, weight, bias);
  check_like_input("conv3x3", "weight", input, weight);
  check_like_input("conv3x3", "bias", input, bias);
  if (!suits_winograd(input, weight, bias)) return aten_conv2d(input, weight, bias);
  static const auto op = find_operator<Conv3x3OfEither>("retort::_conv3x3");
  return op.call(input, weight, bias, /*always=*/false);
}

at::Tensor forward(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias, bool always) {
  return always || winograd_is_faster(input, weight) ? winograd_conv3x3(input, weight, bias)
                                                     : direct_conv3x3(input, weight, bias);
}

/// Only the gradients that are wanted.
std::vector<at::Tensor> backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight, Wanted wanted, bool always) {
  std::vector<at::Tensor> all = always || winograd_is_faster(input, weight)
                                    ? winograd_backward(gradient, input, weight, wanted)
                                    : direct_backward(gradient, input, weight, wanted);
  std::vector<at::Tensor> results;
  for (size_t i = 0; i < all.size(); ++i) {
    if (wanted[i]) results.push_back(std::move(all[i]));
  }
  return results;
}

at::Tensor meta_forward(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& /*bias*/, bool /*always*/) {
  return at::empty_symint(
      {input.sym_size(0), weight.sym_size(0), input.sym_size(2), input.sym_size(3)}, input.options(),
      input.suggest_memory_format());
}

std::vector<at::Tensor> meta_backward(
    const at::Tensor& /*gradient*/, const at::Tensor& input, const at::Tensor& weight, Wanted wanted, bool /*always*/) {
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
  // Arguments that were checked, in float32 on the CPU. `wanted` gradients of input, weight and bias are returned. By
  // Winograd's `always`, or where that is faster.
  m.def("_conv3x3(Tensor input, Tensor weight, Tensor? bias, bool always) -> Tensor");
  m.def("_conv3x3_backward(Tensor gradient, Tensor input, Tensor weight, bool[3] wanted, bool always) -> Tensor[]");
  // By Winograd's in any case. Maps are channels-last, weights are that or contiguous.
  m.def("_winograd_pack(Tensor weight, bool of_gradient) -> Tensor");
  m.def(
      "_winograd_apply(Tensor input, Tensor packed, Tensor? scale, Tensor? shift, Tensor? residual, bool relu) "
      "-> Tensor");
  m.def(
      "_winograd_convolve(Tensor input, Tensor weight, Tensor? scale, Tensor? shift, Tensor? residual, bool relu, "
      "bool of_gradient) -> Tensor");
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
