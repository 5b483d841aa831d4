#pragma once

#include <retort/convolution.h>

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

}  // namespace retort
