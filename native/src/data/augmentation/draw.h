#pragma once

#include <retort/data/augmentation.h>

#include <array>
#include <cstdint>

namespace retort::augmentation {

/// Rows and columns.
struct Size {
  int64_t height;
  int64_t width;
};

/// A part of an image, which may reach beyond it unless it is resized.
struct Window {
  int64_t top;
  int64_t left;
  Size size;
};

enum class ColorOperation { kBrightness, kContrast, kSaturation, kHue };

struct ColorChange {
  ColorOperation operation;
  double factor;
};

/// What happens to one image.
struct Draw {
  Window window;
  bool mirrored;
  /// In this order, as many as `changes` says.
  std::array<ColorChange, 4> colors;
  int changes;
  /// What is overwritten, within the result. Of no rows if nothing is.
  Window cutout;
};

/// The draws for an image of the key `bits(bits(seed, round), index)`: the table in augmentation.h.
Draw draw_of(const AugmentationOptions& options, Size image, Size output, uint64_t key);

}  // namespace retort::augmentation
