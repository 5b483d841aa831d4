#include "data/augmentation/crop.h"

#include <algorithm>

#include "data/augmentation/rows.simd.h"

namespace retort::augmentation {
namespace {

constexpr int64_t kOutside = -1;

/// The place of the image that the place around it shows.
int64_t inside(int64_t place, int64_t size, ImageFill fill) {
  if (place >= 0 && place < size) return place;
  if (fill == ImageFill::kZero) return kOutside;
  return place < 0 ? -place : 2 * (size - 1) - place;
}

}  // namespace

void Cropper::start(const Window& window, bool mirrored, Size image) {
  window_ = window;
  image_ = image;
  const int64_t width = window.size.width;
  columns_.resize(static_cast<size_t>(width));
  for (int64_t x = 0; x < width; ++x) {
    const int64_t place = window.left + (mirrored ? width - 1 - x : x);
    columns_[static_cast<size_t>(x)] = static_cast<int32_t>(inside(place, image.width, fill_));
  }
}

void Cropper::read(const float* plane, int64_t y, float* to) const {
  const int64_t row = inside(window_.top + y, image_.height, fill_);
  if (row == kOutside) {
    std::fill_n(to, window_.size.width, 0.0f);
  } else {
    row_kernels().pick(plane + row * image_.width, columns_.data(), window_.size.width, to);
  }
}

}  // namespace retort::augmentation
