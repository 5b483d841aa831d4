#pragma once

#include <retort/export.h>

#include <cstdint>
#include <string>
#include <vector>

namespace retort {

/// The way images become the input of a network: their size and what is done to them. Values may be floating point, or
/// uint8, which is divided by 255. Normalisation turns channel c into (value - mean[c]) / deviation[c].
///
/// A network keeps the preprocessing it was trained with, so that predictions prepare images as training does: see
/// Network::preprocessing.
struct RETORT_API Preprocessing {
  /// Shape of one image, without the batch, channels first; empty if it is not known.
  std::vector<int64_t> input_shape;
  /// One for each channel or one for all, e.g. CIFAR-100's {0.5071, 0.4867, 0.4408}; empty if images are already
  /// normalised.
  std::vector<double> mean;
  /// The same number of values, > 0.
  std::vector<double> deviation;
  /// Whether images are [B, height, width, channels] instead of [B, channels, height, width].
  bool channels_last = false;

  /// Returns whether floating point images stay as they are.
  bool is_identity() const { return mean.empty() && deviation.empty() && !channels_last; }
  /// Returns whether `other` normalises in the same way.
  bool normalizes_as(const Preprocessing& other) const { return mean == other.mean && deviation == other.deviation; }

  /// Returns what is done to images in one line, for checkpoints.
  std::string description() const;
};

inline bool operator==(const Preprocessing& left, const Preprocessing& right) {
  return left.input_shape == right.input_shape && left.normalizes_as(right) &&
         left.channels_last == right.channels_last;
}
inline bool operator!=(const Preprocessing& left, const Preprocessing& right) {
  return !(left == right);
}

}  // namespace retort
