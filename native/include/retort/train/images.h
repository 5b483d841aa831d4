#pragma once

#include <retort/export.h>

#include <string>
#include <vector>

namespace retort {

/// How the images of a batch are prepared for the networks. Values may be floating point, or uint8, which stands for
/// value / 255. Normalised, channel c becomes (value - mean[c]) / deviation[c].
struct RETORT_API ImageOptions {
  /// One for each channel, or one for all; empty if the images are normalised already. E.g. CIFAR-100's {0.5071,
  /// 0.4867, 0.4408}.
  std::vector<double> mean;
  /// The same number of values, > 0.
  std::vector<double> deviation;
  /// Whether images are [B, height, width, channels] instead of [B, channels, height, width].
  bool channels_last = false;

  /// The options in one line, for a checkpoint.
  std::string description() const;
};

}  // namespace retort
