#include <ATen/ops/empty.h>
#include <retort/data/augmentation.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "data/augmentation/check.h"
#include "data/augmentation/color.h"
#include "data/augmentation/crop.h"
#include "data/augmentation/draw.h"
#include "data/augmentation/resample.h"
#include "data/augmentation/rows.simd.h"
#include "runtime/random.h"
#include "runtime/threads.h"
#include "tensor/check.h"
#include "tensor/normalization.h"

namespace retort {
namespace augmentation {
namespace {

/// Half a millisecond's work: batches are augmented beside a training step, which needs the cores.
constexpr int64_t kWorkPerThread = int64_t{1} << 20;

/// What a value costs in relation to one that is only moved.
int64_t work_of(const AugmentationOptions& options) {
  const ColorJitter& jitter = options.color_jitter;
  const bool jitters = jitter.brightness > 0 || jitter.contrast > 0 || jitter.saturation > 0 || jitter.hue > 0;
  return 1 + (options.resized_crop ? 3 : 0) + (jitters ? 4 : 0);
}

/// The value of a list for each channel, or of one for all, or of none.
float of_channel(const std::vector<double>& values, int64_t channel, double otherwise) {
  if (values.empty()) return static_cast<float>(otherwise);
  return static_cast<float>(values[values.size() == 1 ? 0 : static_cast<size_t>(channel)]);
}

/// Augments images one after the other. Keeps its memory from image to image.
class Augmenter {
 public:
  Augmenter(
      const AugmentationOptions& options, const Normalization& normalization, int64_t channels, Size image, Size output)
      : options_(options),
        normalization_(normalization),
        channels_(channels),
        image_(image),
        output_(output),
        cropper_(options.fill) {}

  /// @param from [C, H, W]
  /// @param to [C, output height, output width]
  void augment(const float* from, float* to, uint64_t key) {
    const Draw draw = draw_of(options_, image_, output_, key);
    if (options_.resized_crop) {
      resampler_.start(draw.window, draw.mirrored, image_, output_);
    } else {
      cropper_.start(draw.window, draw.mirrored, image_);
    }
    ColorChanges colors(draw, channels_, output_);
    for (int64_t y = 0; y < output_.height; ++y) {
      read_row(from, y, to);
      colors.begin(row(to, 0, y));
      if (!colors.needs_mean()) normalize_row(to, y);
    }
    for (int64_t y = 0; colors.needs_mean() && y < output_.height; ++y) {
      colors.finish(row(to, 0, y));
      normalize_row(to, y);
    }
    cut_out(draw.cutout, to);
  }

 private:
  float* row(float* to, int64_t channel, int64_t y) const {
    return to + (channel * output_.height + y) * output_.width;
  }

  void read_row(const float* from, int64_t y, float* to) {
    for (int64_t c = 0; c < channels_; ++c) {
      const float* plane = from + c * image_.height * image_.width;
      if (options_.resized_crop) {
        resampler_.read(plane, y, row(to, c, y));
      } else {
        cropper_.read(plane, y, row(to, c, y));
      }
    }
  }

  void normalize_row(float* to, int64_t y) const {
    if (normalization_.scale.empty()) return;
    for (int64_t c = 0; c < channels_; ++c) {
      row_kernels().normalize(
          row(to, c, y), output_.width, of_channel(normalization_.scale, c, 1), of_channel(normalization_.shift, c, 0));
    }
  }

  void cut_out(const Window& part, float* to) const {
    for (int64_t c = 0; c < channels_; ++c) {
      const float value = of_channel(options_.cutout_value, c, 0);
      for (int64_t y = part.top; y < part.top + part.size.height; ++y) {
        std::fill_n(row(to, c, y) + part.left, part.size.width, value);
      }
    }
  }

  const AugmentationOptions& options_;
  const Normalization& normalization_;
  int64_t channels_;
  Size image_;
  Size output_;
  Cropper cropper_;
  Resampler resampler_;
};

/// The shape of the result.
std::array<int64_t, 4> shape_of(const at::Tensor& images, const AugmentationOptions& options) {
  return {
      images.size(0), images.size(1), options.height > 0 ? options.height : images.size(2),
      options.width > 0 ? options.width : images.size(3)};
}

}  // namespace
}  // namespace augmentation

void augment_into(
    at::Tensor& augmented, const at::Tensor& images, const at::Tensor& indices, const AugmentationOptions& options,
    int64_t seed, int64_t round) {
  using namespace augmentation;
  check_images(images);
  check_options(options, images);
  const int64_t channels = images.size(1);
  const Normalization normalization(kFunction, options.mean, options.deviation, channels);
  check_indices(indices, images.size(0));
  RETORT_CHECK(round >= 0, kFunction, ": round must be at least 0 (got ", round, ")");
  const at::Tensor dense = images.contiguous();
  const std::array<int64_t, 4> shape = shape_of(images, options);
  check_augmented(augmented, shape, dense);

  const Size image = {images.size(2), images.size(3)};
  const Size output = {shape[2], shape[3]};
  const int64_t values_in = channels * image.height * image.width;
  const int64_t values_out = channels * output.height * output.width;
  const uint64_t key = random_bits(static_cast<uint64_t>(seed), static_cast<uint64_t>(round));
  const float* from = dense.const_data_ptr<float>();
  float* to = augmented.mutable_data_ptr<float>();
  const int64_t* index = indices.const_data_ptr<int64_t>();
  const int64_t grain = kWorkPerThread / work_of(options) / values_out + 1;
  parallel_for(0, dense.size(0), grain, [&](int64_t begin, int64_t end) {
    Augmenter augmenter(options, normalization, channels, image, output);
    for (int64_t i = begin; i < end; ++i) {
      const uint64_t own = random_bits(key, static_cast<uint64_t>(index[i * indices.stride(0)]));
      augmenter.augment(from + i * values_in, to + i * values_out, own);
    }
  });
}

at::Tensor augment(
    const at::Tensor& images, const at::Tensor& indices, const AugmentationOptions& options, int64_t seed,
    int64_t round) {
  augmentation::check_images(images);
  augmentation::check_options(options, images);
  at::Tensor augmented = at::empty(augmentation::shape_of(images, options), images.options());
  augment_into(augmented, images, indices, options, seed, round);
  return augmented;
}

}  // namespace retort
