#include "convolution/mode.h"

#include <ATen/core/grad_mode.h>

#include "convolution/checks.h"
#include "convolution/passes.h"
#include "convolution/timed_choice.h"

namespace retort {
namespace {

bool is_3x3(const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  return input.dim() == 4 && weight.dim() == 4 && weight.size(2) == 3 && weight.size(3) == 3 &&
         input.size(1) == weight.size(1) && input.numel() > 0 && weight.numel() > 0 &&
         (!is_given(bias) || (bias->dim() == 1 && bias->size(0) == weight.size(0)));
}

}  // namespace

Convolution& ConvolutionMode::current() {
  thread_local Convolution algorithm = Convolution::kDirect;
  return algorithm;
}

bool is_by_winograd(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias, bool packed) {
  const Convolution algorithm = ConvolutionMode::current();
  if (algorithm == Convolution::kDirect || !suits_winograd(input, weight, bias) || !is_3x3(input, weight, bias)) {
    return false;
  }
  if (algorithm == Convolution::kWinograd) return winograd_is_faster(input, weight, packed);
  const bool learns = at::GradMode::is_enabled() && (input.requires_grad() || weight.requires_grad());
  return winograd_was_faster(input, weight, bias, learns);
}

}  // namespace retort
