#include "data/augmentation/draw.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "runtime/random.h"

namespace retort::augmentation {
namespace {

/// Which numbers of an image's stream belong to which draw. Never changed, so that trainings can be resumed.
enum Number : uint64_t {
  kDown = 0,
  kRight = 1,
  kFlip = 2,
  kOrder = 3,
  kFactors = 4,
  kCutoutRow = 8,
  kCutoutColumn = 9,
  kTries = 16,
};

constexpr int kMostTries = 10;
constexpr uint64_t kNumbersPerTry = 4;
constexpr int64_t kOrders = 24;

/// The nearest integer; of two, the even one, as Python rounds.
int64_t rounded(double value) {
  return static_cast<int64_t>(std::nearbyint(value));
}

double between(double low, double high, uint64_t bits) {
  return low + share_of(bits) * (high - low);
}

Window centered(Size image, Size size) {
  return {
      rounded(static_cast<double>(image.height - size.height) / 2),
      rounded(static_cast<double>(image.width - size.width) / 2), size};
}

Window moved_window(const AugmentationOptions& options, Size image, Size output, uint64_t key) {
  Window window = centered(image, output);
  window.top += one_of(random_bits(key, kDown), 2 * options.padding + 1) - options.padding;
  window.left += one_of(random_bits(key, kRight), 2 * options.padding + 1) - options.padding;
  return window;
}

/// The largest part in the middle whose aspect ratio is in the range.
Window fallback(const RandomResizedCrop& crop, Size image) {
  const double ratio = static_cast<double>(image.width) / static_cast<double>(image.height);
  Size size = image;
  if (ratio < crop.min_ratio) {
    size.height = std::max<int64_t>(1, rounded(static_cast<double>(image.width) / crop.min_ratio));
  } else if (ratio > crop.max_ratio) {
    size.width = std::max<int64_t>(1, rounded(static_cast<double>(image.height) * crop.max_ratio));
  }
  return {(image.height - size.height) / 2, (image.width - size.width) / 2, size};
}

Window resized_window(const RandomResizedCrop& crop, Size image, uint64_t key) {
  const double area = static_cast<double>(image.height) * static_cast<double>(image.width);
  for (int i = 0; i < kMostTries; ++i) {
    const uint64_t first = kTries + static_cast<uint64_t>(i) * kNumbersPerTry;
    const double part = area * between(crop.min_scale, crop.max_scale, random_bits(key, first));
    const double ratio =
        std::exp(between(std::log(crop.min_ratio), std::log(crop.max_ratio), random_bits(key, first + 1)));
    const double height = std::nearbyint(std::sqrt(part / ratio));
    const double width = std::nearbyint(std::sqrt(part * ratio));
    if (height >= 1 && height <= static_cast<double>(image.height) && width >= 1 &&
        width <= static_cast<double>(image.width)) {
      const Size size = {static_cast<int64_t>(height), static_cast<int64_t>(width)};
      return {
          one_of(random_bits(key, first + 2), image.height - size.height + 1),
          one_of(random_bits(key, first + 3), image.width - size.width + 1), size};
    }
  }
  return fallback(crop, image);
}

/// The `number`-th order of the four operations.
std::array<ColorOperation, 4> order_of(int64_t number) {
  std::array<ColorOperation, 4> order = {
      ColorOperation::kBrightness, ColorOperation::kContrast, ColorOperation::kSaturation, ColorOperation::kHue};
  for (int64_t left = 4; left > 1; --left) {
    std::swap(order[static_cast<size_t>(left - 1)], order[static_cast<size_t>(number % left)]);
    number /= left;
  }
  return order;
}

/// Draws the operations that are asked for.
void draw_colors(const ColorJitter& jitter, uint64_t key, Draw& draw) {
  const std::array<double, 4> strengths = {jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue};
  draw.changes = 0;
  for (const ColorOperation operation : order_of(one_of(random_bits(key, kOrder), kOrders))) {
    const auto own = static_cast<size_t>(operation);
    const double strength = strengths[own];
    if (strength == 0) continue;
    const uint64_t bits = random_bits(key, kFactors + own);
    const double factor = operation == ColorOperation::kHue ? between(-strength, strength, bits)
                                                            : between(std::max(0.0, 1 - strength), 1 + strength, bits);
    draw.colors[static_cast<size_t>(draw.changes++)] = {operation, factor};
  }
}

/// From where to where of `size` places a length around a centre reaches.
std::pair<int64_t, int64_t> covered(int64_t centre, int64_t length, int64_t size) {
  const int64_t first = centre - length / 2;
  return {std::max<int64_t>(0, first), std::min(size, first + length)};
}

Window cutout_of(int64_t side, Size output, uint64_t key) {
  const auto [top, bottom] = covered(one_of(random_bits(key, kCutoutRow), output.height), side, output.height);
  const auto [left, right] = covered(one_of(random_bits(key, kCutoutColumn), output.width), side, output.width);
  return {top, left, {bottom - top, right - left}};
}

}  // namespace

Draw draw_of(const AugmentationOptions& options, Size image, Size output, uint64_t key) {
  Draw draw = {};
  draw.window = options.resized_crop ? resized_window(*options.resized_crop, image, key)
                                     : moved_window(options, image, output, key);
  draw.mirrored = share_of(random_bits(key, kFlip)) < options.flip;
  draw_colors(options.color_jitter, key, draw);
  draw.cutout = cutout_of(options.cutout, output, key);
  return draw;
}

}  // namespace retort::augmentation
