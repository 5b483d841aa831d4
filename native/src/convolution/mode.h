#pragma once

#include <ATen/core/Tensor.h>
#include <retort/convolution.h>

#include <optional>

namespace retort {

/// While it lives, convolutions that its thread starts are computed by an algorithm, whichever operators a network is
/// made of. Without one, they are LibTorch's.
class ConvolutionMode {
 public:
  explicit ConvolutionMode(Convolution algorithm) : previous_(current()) { current() = algorithm; }
  ~ConvolutionMode() { current() = previous_; }
  ConvolutionMode(const ConvolutionMode&) = delete;
  ConvolutionMode& operator=(const ConvolutionMode&) = delete;

  /// That of the calling thread.
  static Convolution& current();

 private:
  Convolution previous_;
};

/// Whether a convolution of stride 1, padding 1, dilation 1 and one group is Winograd's in the thread's mode.
/// @param packed whether the weights are those of a frozen network, packed once
bool is_by_winograd(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias, bool packed = false);

}  // namespace retort
