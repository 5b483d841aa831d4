#pragma once

namespace retort {

/// The algorithm for a network's convolutions with 3 x 3 weights, stride 1, padding 1 and one group, on float32 maps on
/// a CPU. All other convolutions are LibTorch's. Results differ only by rounding errors, which are about as large for
/// both.
enum class Convolution {
  /// LibTorch's algorithm, which sums products directly.
  kDirect,
  /// Winograd's F(4 x 4, 3 x 3), which needs a quarter of the multiplications, for the shapes for which it is usually
  /// faster: from 16 channels up. A given shape always gets the same algorithm.
  kWinograd,
  /// The faster of the two for each shape: the first convolution of a shape is computed both ways several times and
  /// timed, with its gradients if they are needed. The process remembers the choice. Two processes may therefore choose
  /// differently and differ in rounding, even when one resumes from the other's checkpoint.
  kAuto,
};

}  // namespace retort
