#pragma once

namespace retort {

/// The algorithm of a network's convolutions with 3 x 3 weights, stride 1, padding 1 and one group, of float32 maps on
/// a CPU. All other convolutions are LibTorch's. Results differ only by rounding, which is about as large for both.
enum class Convolution {
  /// LibTorch's, which sums products directly.
  kDirect,
  /// Winograd's F(4 x 4, 3 x 3), which takes a quarter of the multiplications, for the shapes for which it is faster as
  /// a rule: from 16 channels up. A shape always gets the same algorithm.
  kWinograd,
  /// The faster of the two for each shape: its first convolution is computed both ways several times and timed, with
  /// its gradients if they are needed. The process remembers the choice. Two processes may therefore choose differently
  /// and differ in rounding, also when one resumes from the other's checkpoint.
  kAuto,
};

}  // namespace retort
