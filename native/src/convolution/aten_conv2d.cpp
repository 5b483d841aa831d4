// aten::conv2d within a ConvolutionMode, which native, TorchScript and exported networks and classes of a user's own
// have in common. Elsewhere it stays what it is.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv2d_native.h>
#include <torch/library.h>

#include <algorithm>
#include <optional>

#include "convolution/mode.h"
#include "convolution/passes.h"
#include "convolution/timed_choice.h"
#include "tensor/operators.h"

namespace retort {
namespace {

bool are_ones(c10::SymIntArrayRef numbers) {
  return std::all_of(numbers.begin(), numbers.end(), [](const c10::SymInt& number) { return number == 1; });
}

bool is_3x3(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  return input.dim() == 4 && weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3 &&
         input.size(1) == weight.size(1) && input.numel() > 0 && weight.numel() > 0 &&
         (!bias || !bias->defined() || (bias->dim() == 1 && bias->size(0) == weight.size(0)));
}

bool is_by_winograd(
    Convolution algorithm, const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  if (algorithm == Convolution::kAuto) {
    const bool learns = at::GradMode::is_enabled() && (input.requires_grad() || weight.requires_grad());
    return winograd_was_faster(input, weight, bias, learns);
  }
  return winograd_is_faster(input, weight);
}

at::Tensor conv2d(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias,
    c10::SymIntArrayRef stride, c10::SymIntArrayRef padding, c10::SymIntArrayRef dilation, c10::SymInt groups) {
  const Convolution algorithm = ConvolutionMode::current();
  if (algorithm != Convolution::kDirect && groups == 1 && are_ones(stride) && are_ones(padding) && are_ones(dilation) &&
      suits_winograd(input, weight, bias) && is_3x3(input, weight, bias) &&
      is_by_winograd(algorithm, input, weight, bias)) {
    static const auto op = find_operator<Conv3x3OfEither>("retort::_conv3x3");
    return op.call(input, weight, bias, /*always=*/true);
  }
  return at::native::conv2d_symint(input, weight, bias, stride, padding, dilation, groups);
}

}  // namespace

Convolution& ConvolutionMode::current() {
  thread_local Convolution algorithm = Convolution::kDirect;
  return algorithm;
}

// Where LibTorch has no kernels of its own: its conv2d is the same for all devices, and made of others.
TORCH_LIBRARY_IMPL(aten, AutogradCPU, m) {
  m.impl("conv2d", &conv2d);
}

TORCH_LIBRARY_IMPL(aten, CPU, m) {
  m.impl("conv2d", &conv2d);
}

}  // namespace retort
