#include "data/augmentation/color.h"

#include "data/augmentation/rows.simd.h"

namespace retort::augmentation {
namespace {

constexpr int64_t kColors = 3;

ColorRow colors_of(float* row, Size size) {
  const int64_t plane = size.height * size.width;
  return {row, row + plane, row + 2 * plane, size.width};
}

}  // namespace

ColorChanges::ColorChanges(const Draw& draw, int64_t channels, Size size)
    : draw_(draw), channels_(channels), size_(size) {
  while (needs_mean() && draw.colors[static_cast<size_t>(contrast_)].operation != ColorOperation::kContrast) {
    ++contrast_;
  }
}

void ColorChanges::begin(float* row) {
  for (int i = 0; i < contrast_; ++i) apply(draw_.colors[static_cast<size_t>(i)], row);
  if (needs_mean()) {
    grey_ +=
        channels_ == kColors ? row_kernels().sum_of_grey(colors_of(row, size_)) : row_kernels().sum(row, size_.width);
  }
}

void ColorChanges::finish(float* row) const {
  for (int i = contrast_; i < draw_.changes; ++i) apply(draw_.colors[static_cast<size_t>(i)], row);
}

void ColorChanges::apply(const ColorChange& change, float* row) const {
  const auto factor = static_cast<float>(change.factor);
  const auto rest = static_cast<float>(1 - change.factor);
  switch (change.operation) {
    case ColorOperation::kBrightness:
    case ColorOperation::kContrast: {
      const auto pixels = static_cast<double>(size_.height) * static_cast<double>(size_.width);
      const float add = change.operation == ColorOperation::kContrast ? rest * static_cast<float>(grey_ / pixels) : 0;
      for (int64_t c = 0; c < channels_; ++c) {
        row_kernels().blend(row + c * size_.height * size_.width, size_.width, factor, add);
      }
      break;
    }
    case ColorOperation::kSaturation:
      if (channels_ == kColors) row_kernels().saturate(colors_of(row, size_), factor, rest);
      break;
    case ColorOperation::kHue:
      if (channels_ == kColors) row_kernels().shift_hue(colors_of(row, size_), factor);
      break;
  }
}

}  // namespace retort::augmentation
