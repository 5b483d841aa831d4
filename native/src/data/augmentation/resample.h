#pragma once

#include <cstdint>
#include <vector>

#include "data/augmentation/draw.h"

namespace retort::augmentation {

/// What the places of a resized row or column are made of: a triangle around each, of half the width 1, or the scale
/// where it becomes smaller. The same as torch's bilinear interpolation with antialiasing.
struct Taps {
  /// Prepares for resizing `from` places to `to`.
  void start(int64_t from, int64_t to);

  /// The largest number of places that one is made of.
  int64_t most = 0;
  std::vector<int32_t> first;  // [to]: the first place of each
  std::vector<int32_t> count;  // [to]: how many
  std::vector<float> weights;  // [to, most], 0 beyond the count
};

/// Reads the rows of a part of an image that is resized. Keeps its memory from image to image.
class Resampler {
 public:
  /// Prepares for a part of an image, which it does not reach beyond.
  void start(const Window& window, bool mirrored, Size image, Size output);

  /// Reads row `y` of the resized part.
  /// @param plane [H, W]: a channel of the image
  void read(const float* plane, int64_t y, float* to);

 private:
  Window window_ = {};
  Size image_ = {};
  Size output_ = {};
  Taps down_;
  Taps across_;
  std::vector<int32_t> first_;  // [output width], mirrored if the image is
  std::vector<float> weights_;  // [across_.most, output width], mirrored if the image is
  std::vector<float> row_;      // [window width + across_.most], 0 beyond the window
};

}  // namespace retort::augmentation
