// What augment() is, written naively: by LibTorch's pad, slice, flip and interpolation, and pixel by pixel in float64.
#pragma once

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <retort/data/augmentation.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace retort::reference {

/// The header's splitmix64, after Steele, Lea and Flood, 2014.
inline uint64_t bits(uint64_t key, uint64_t i) {
  uint64_t state = key;
  uint64_t z = 0;
  for (uint64_t draw = 0; draw <= i; ++draw) {
    state += 0x9e3779b97f4a7c15u;
    z = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
  }
  return z;
}

inline double share(uint64_t key, uint64_t i) {
  return std::ldexp(static_cast<double>(bits(key, i) >> 11), -53);
}

inline int64_t one_of(uint64_t key, uint64_t i, int64_t count) {
  return static_cast<int64_t>(share(key, i) * static_cast<double>(count));
}

inline double between(uint64_t key, uint64_t i, double low, double high) {
  return low + share(key, i) * (high - low);
}

/// The part of an image [1, C, H, W] that is resized.
inline at::Tensor random_part(const at::Tensor& image, const RandomResizedCrop& crop, uint64_t key) {
  const int64_t height = image.size(2), width = image.size(3);
  for (uint64_t i = 16; i < 56; i += 4) {
    const double area = static_cast<double>(height * width) * between(key, i, crop.min_scale, crop.max_scale);
    const double ratio = std::exp(between(key, i + 1, std::log(crop.min_ratio), std::log(crop.max_ratio)));
    const int64_t h = std::lrint(std::sqrt(area / ratio)), w = std::lrint(std::sqrt(area * ratio));
    if (h < 1 || h > height || w < 1 || w > width) continue;
    const int64_t top = one_of(key, i + 2, height - h + 1), left = one_of(key, i + 3, width - w + 1);
    return image.slice(2, top, top + h).slice(3, left, left + w);
  }
  const double ratio = static_cast<double>(width) / static_cast<double>(height);
  const int64_t h = ratio < crop.min_ratio ? std::lrint(static_cast<double>(width) / crop.min_ratio) : height;
  const int64_t w = ratio > crop.max_ratio ? std::lrint(static_cast<double>(height) * crop.max_ratio) : width;
  const int64_t top = (height - h) / 2, left = (width - w) / 2;
  return image.slice(2, top, top + h).slice(3, left, left + w);
}

inline at::Tensor cropped(const at::Tensor& image, const AugmentationOptions& options, uint64_t key) {
  const int64_t height = options.height > 0 ? options.height : image.size(2);
  const int64_t width = options.width > 0 ? options.width : image.size(3);
  if (options.resized_crop) {
    const at::Tensor part = random_part(image, *options.resized_crop, key).contiguous();
    return at::_upsample_bilinear2d_aa(part, {height, width}, /*align_corners=*/false);
  }
  const int64_t p = options.padding;
  const at::Tensor padded = options.fill == ImageFill::kZero ? at::constant_pad_nd(image, {p, p, p, p}, 0)
                                                             : at::reflection_pad2d(image, {p, p, p, p});
  const int64_t top = one_of(key, 0, 2 * p + 1) + std::lrint(static_cast<double>(image.size(2) - height) / 2);
  const int64_t left = one_of(key, 1, 2 * p + 1) + std::lrint(static_cast<double>(image.size(3) - width) / 2);
  return padded.slice(2, top, top + height).slice(3, left, left + width);
}

inline at::Tensor grey_of(const at::Tensor& image) {
  if (image.size(1) == 1) return image;
  return 0.2989 * image.select(1, 0) + 0.587 * image.select(1, 1) + 0.114 * image.select(1, 2);
}

/// Turns the hue of one pixel, by the hexagon of HSV.
inline void turn_hue(double* pixel, double by) {
  const double value = std::max({pixel[0], pixel[1], pixel[2]});
  const double range = value - std::min({pixel[0], pixel[1], pixel[2]});
  if (range == 0) return;
  // The corner of the largest channel, and how far the other two draw it to their sides.
  const auto largest = static_cast<int>(std::max_element(pixel, pixel + 3) - pixel);
  double hue = 2 * largest + (pixel[(largest + 1) % 3] - pixel[(largest + 2) % 3]) / range + 6 * by;
  hue -= 6 * std::floor(hue / 6);
  for (int c = 0; c < 3; ++c) {
    const double distance = std::min(std::abs(hue - 2 * c), 6 - std::abs(hue - 2 * c));
    pixel[c] = value - range * std::min(1.0, std::max(0.0, distance - 1));
  }
}

/// One of the 24 orders of brightness, contrast, saturation, hue.
inline std::array<int, 4> order_of(int64_t number) {
  std::array<int, 4> order = {0, 1, 2, 3};
  for (int64_t left = 4; left > 1; --left) {
    std::swap(order[static_cast<size_t>(left - 1)], order[static_cast<size_t>(number % left)]);
    number /= left;
  }
  return order;
}

/// Changes the colours of an image [1, C, H, W] in float64.
inline at::Tensor jittered(at::Tensor image, const ColorJitter& jitter, uint64_t key) {
  const double strengths[] = {jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue};
  for (const int operation : order_of(one_of(key, 3, 24))) {
    const double strength = strengths[operation];
    if (strength == 0) continue;
    const auto number_of_factor = static_cast<uint64_t>(4 + operation);
    if (operation == 3) {
      const double by = between(key, number_of_factor, -strength, strength);
      if (image.size(1) == 1) continue;
      image = image.permute({0, 2, 3, 1}).contiguous();
      for (int64_t i = 0; i < image.numel(); i += 3) turn_hue(image.mutable_data_ptr<double>() + i, by);
      image = image.permute({0, 3, 1, 2});
    } else {
      const double factor = between(key, number_of_factor, std::max(0.0, 1 - strength), 1 + strength);
      const at::Tensor other = operation == 0   ? at::zeros({1}, at::kDouble)
                               : operation == 1 ? grey_of(image).mean()
                                                : grey_of(image);
      image = (factor * image + (1 - factor) * other).clamp(0, 1);
    }
  }
  return image;
}

inline void cut_out(at::Tensor& image, const AugmentationOptions& options, uint64_t key) {
  const int64_t row = one_of(key, 8, image.size(2)), column = one_of(key, 9, image.size(3));
  for (int64_t c = 0; c < image.size(1); ++c) {
    const std::vector<double>& values = options.cutout_value;
    const double value = values.empty() ? 0 : values[values.size() == 1 ? 0 : static_cast<size_t>(c)];
    for (int64_t i = 0; i < options.cutout; ++i) {
      for (int64_t j = 0; j < options.cutout; ++j) {
        const int64_t y = row - options.cutout / 2 + i, x = column - options.cutout / 2 + j;
        if (y >= 0 && y < image.size(2) && x >= 0 && x < image.size(3)) image[0][c][y][x] = value;
      }
    }
  }
}

inline at::Tensor augment(
    const at::Tensor& images, const at::Tensor& indices, const AugmentationOptions& options, int64_t seed,
    int64_t round) {
  std::vector<at::Tensor> results;
  for (int64_t i = 0; i < images.size(0); ++i) {
    const uint64_t key = bits(
        bits(static_cast<uint64_t>(seed), static_cast<uint64_t>(round)),
        static_cast<uint64_t>(indices[i].item<int64_t>()));
    at::Tensor result = cropped(images[i].unsqueeze(0), options, key);
    if (share(key, 2) < options.flip) result = result.flip(3);
    result = jittered(result.to(at::kDouble), options.color_jitter, key).contiguous();
    for (int64_t c = 0; c < images.size(1) && !options.mean.empty(); ++c) {
      const size_t own = options.mean.size() == 1 ? 0 : static_cast<size_t>(c);
      result.select(1, c).sub_(options.mean[own]).div_(options.deviation[own]);
    }
    cut_out(result, options, key);
    results.push_back(result);
  }
  return at::cat(results).to(at::kFloat);
}

}  // namespace retort::reference
