#include <ATen/ops/empty_like.h>
#include <retort/data/augmentation.h>
#include <retort/errors.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "runtime/random.h"
#include "runtime/threads.h"
#include "tensor/check.h"
#include "tensor/normalization.h"
#include "tensor/numbers.h"

namespace retort {
namespace {

constexpr const char* kFunction = "augment";

/// Half a millisecond's work: batches are augmented beside a training step, which needs the cores.
constexpr int64_t kValuesPerThread = int64_t{1} << 20;

constexpr int64_t kOutside = -1;

/// Where one image's pixels come from.
struct Draw {
  int64_t down;
  int64_t right;
  bool mirrored;

  Draw(const AugmentationOptions& options, uint64_t key) {
    down = one_of(random_bits(key, 0), 2 * options.padding + 1) - options.padding;
    right = one_of(random_bits(key, 1), 2 * options.padding + 1) - options.padding;
    mirrored = share_of(random_bits(key, 2)) < options.flip;
  }
};

/// The place of the image that the place around it shows.
int64_t inside(int64_t place, int64_t size, ImageFill fill) {
  if (place >= 0 && place < size) return place;
  if (fill == ImageFill::kZero) return kOutside;
  return place < 0 ? -place : 2 * (size - 1) - place;
}

void check_options(const AugmentationOptions& options, int64_t height, int64_t width) {
  const int64_t padding = options.padding;
  RETORT_CHECK(padding >= 0, kFunction, ": padding must be at least 0 (got ", padding, ")");
  if (options.fill == ImageFill::kReflect) {
    RETORT_CHECK(
        padding < height && padding < width, kFunction, ": padding must be less than the images' ", height,
        " rows and ", width, " columns to be reflected (got ", padding, ")");
  } else {
    // So that sums of places stay numbers.
    RETORT_CHECK(padding <= INT32_MAX, kFunction, ": padding must be at most ", INT32_MAX, " (got ", padding, ")");
  }
  RETORT_CHECK(
      options.flip >= 0 && options.flip <= 1, kFunction, ": flip must be between 0 and 1 (got ",
      without_sign_of_nan(options.flip), ")");
}

void check_float(const char* argument, const at::Tensor& images) {
  RETORT_CHECK_AS(ShapeError, images.defined(), kFunction, ": ", argument, " must be given (got an undefined tensor)");
  RETORT_CHECK_AS(
      ShapeError, images.scalar_type() == at::kFloat && images.device().is_cpu() && images.layout() == at::kStrided,
      kFunction, ": ", argument, " must be dense float32 on the CPU (got ", images.scalar_type(), ", ", images.layout(),
      ", ", images.device(), ")");
}

void check_images(const at::Tensor& images) {
  check_float("images", images);
  RETORT_CHECK_AS(
      ShapeError, images.dim() == 4 && images.numel() > 0, kFunction,
      ": images must be of shape [batch, channels, height, width] and not empty (got ", images.sizes(), ")");
}

void check_indices(const at::Tensor& indices, int64_t batch) {
  RETORT_CHECK_AS(ShapeError, indices.defined(), kFunction, ": indices must be given (got an undefined tensor)");
  RETORT_CHECK_AS(
      ShapeError,
      indices.scalar_type() == at::kLong && indices.device().is_cpu() && indices.sizes() == at::IntArrayRef({batch}),
      kFunction, ": indices must be int64 of shape [", batch, "] on the CPU (got ", indices.scalar_type(), " ",
      indices.sizes(), ", ", indices.device(), ")");
  for (int64_t i = 0; i < batch; ++i) {
    const int64_t index = indices.const_data_ptr<int64_t>()[i * indices.stride(0)];
    RETORT_CHECK(index >= 0, kFunction, ": indices must be at least 0 (got ", index, ")");
  }
}

void check_augmented(const at::Tensor& augmented, const at::Tensor& images) {
  check_float("augmented", augmented);
  RETORT_CHECK_AS(
      ShapeError, augmented.sizes() == images.sizes() && augmented.is_contiguous(), kFunction,
      ": augmented must be contiguous and of the images' shape ", images.sizes(), " (got ", augmented.sizes(), ")");
  const float* from = images.const_data_ptr<float>();
  const float* to = augmented.const_data_ptr<float>();
  RETORT_CHECK(
      to + augmented.numel() <= from || from + images.numel() <= to, kFunction,
      ": augmented must not overlap with images (got memory that does)");
}

/// Augments one image, [C, H, W].
void augment_image(
    const float* from, float* to, at::IntArrayRef shape, const AugmentationOptions& options, const Draw& draw,
    const Normalization& normalization, std::vector<int64_t>& columns) {
  const int64_t channels = shape[1], height = shape[2], width = shape[3];
  for (int64_t x = 0; x < width; ++x) {
    const int64_t place = draw.mirrored ? width - 1 - x : x;
    columns[static_cast<size_t>(x)] = inside(place + draw.right, width, options.fill);
  }
  for (int64_t c = 0; c < channels; ++c) {
    const auto own = static_cast<size_t>(normalization.scale.size() == 1 ? 0 : c);
    const auto scale = static_cast<float>(normalization.scale[own]);
    const auto shift = static_cast<float>(normalization.shift[own]);
    for (int64_t y = 0; y < height; ++y, to += width) {
      const int64_t row = inside(y + draw.down, height, options.fill);
      if (row == kOutside) {
        std::fill_n(to, width, shift);
        continue;
      }
      const float* values = from + (c * height + row) * width;
      for (int64_t x = 0; x < width; ++x) {
        const int64_t column = columns[static_cast<size_t>(x)];
        to[x] = column == kOutside ? shift : values[column] * scale + shift;
      }
    }
  }
}

/// As `normalization`, which does nothing where it is empty.
Normalization normalization_of(const AugmentationOptions& options, int64_t channels) {
  Normalization normalization(kFunction, options.mean, options.deviation, channels);
  if (normalization.scale.empty()) {
    normalization.scale = {1};
    normalization.shift = {0};
  }
  return normalization;
}

}  // namespace

void augment_into(
    at::Tensor& augmented, const at::Tensor& images, const at::Tensor& indices, const AugmentationOptions& options,
    int64_t seed, int64_t round) {
  check_images(images);
  check_options(options, images.size(2), images.size(3));
  const Normalization normalization = normalization_of(options, images.size(1));
  check_indices(indices, images.size(0));
  RETORT_CHECK(round >= 0, kFunction, ": round must be at least 0 (got ", round, ")");
  const at::Tensor dense = images.contiguous();
  check_augmented(augmented, dense);

  const uint64_t key = random_bits(static_cast<uint64_t>(seed), static_cast<uint64_t>(round));
  const int64_t values = dense.numel() / dense.size(0);
  const float* from = dense.const_data_ptr<float>();
  float* to = augmented.mutable_data_ptr<float>();
  const int64_t* index = indices.const_data_ptr<int64_t>();
  parallel_for(0, dense.size(0), kValuesPerThread / values + 1, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> columns(static_cast<size_t>(dense.size(3)));
    for (int64_t i = begin; i < end; ++i) {
      const Draw draw(options, random_bits(key, static_cast<uint64_t>(index[i * indices.stride(0)])));
      augment_image(from + i * values, to + i * values, dense.sizes(), options, draw, normalization, columns);
    }
  });
}

at::Tensor augment(
    const at::Tensor& images, const at::Tensor& indices, const AugmentationOptions& options, int64_t seed,
    int64_t round) {
  check_images(images);
  at::Tensor augmented = at::empty_like(images, at::MemoryFormat::Contiguous);
  augment_into(augmented, images, indices, options, seed, round);
  return augmented;
}

}  // namespace retort
