#pragma once

#include <retort/data/augmentation.h>

#include <cstdint>
#include <vector>

#include "data/augmentation/draw.h"

namespace retort::augmentation {

/// Reads the rows of a part of an image as they are. Keeps its memory from image to image.
class Cropper {
 public:
  explicit Cropper(ImageFill fill) : fill_(fill) {}

  /// Prepares for a part of an image.
  void start(const Window& window, bool mirrored, Size image);

  /// Reads row `y` of the part.
  /// @param plane [H, W]: a channel of the image
  void read(const float* plane, int64_t y, float* to) const;

 private:
  ImageFill fill_;
  Window window_ = {};
  Size image_ = {};
  std::vector<int32_t> columns_;  // of the image, that each of the part's shows; kOutside for none
};

}  // namespace retort::augmentation
