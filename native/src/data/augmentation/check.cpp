#include "data/augmentation/check.h"

#include <retort/errors.h>

#include <cmath>
#include <cstdint>

#include "tensor/check.h"
#include "tensor/numbers.h"

namespace retort::augmentation {
namespace {

void check_float(const char* argument, const at::Tensor& images) {
  RETORT_CHECK_AS(ShapeError, images.defined(), kFunction, ": ", argument, " must be given (got an undefined tensor)");
  RETORT_CHECK_AS(
      ShapeError, images.scalar_type() == at::kFloat && images.device().is_cpu() && images.layout() == at::kStrided,
      kFunction, ": ", argument, " must be dense float32 on the CPU (got ", images.scalar_type(), ", ", images.layout(),
      ", ", images.device(), ")");
}

void check_padding(const AugmentationOptions& options, Size image) {
  const int64_t padding = options.padding;
  RETORT_CHECK(padding >= 0, kFunction, ": padding must be at least 0 (got ", padding, ")");
  RETORT_CHECK(
      padding == 0 || !options.resized_crop, kFunction, ": padding must be 0 beside a resized crop (got ", padding,
      ")");
  if (options.fill == ImageFill::kReflect) {
    RETORT_CHECK(
        padding < image.height && padding < image.width, kFunction, ": padding must be less than the images' ",
        image.height, " rows and ", image.width, " columns to be reflected (got ", padding, ")");
  } else {
    // So that sums of places stay numbers.
    RETORT_CHECK(padding <= INT32_MAX, kFunction, ": padding must be at most ", INT32_MAX, " (got ", padding, ")");
  }
}

void check_output(const AugmentationOptions& options, Size image) {
  const int64_t height = options.height;
  const int64_t width = options.width;
  RETORT_CHECK(
      height >= 0 && height <= INT32_MAX && width >= 0 && width <= INT32_MAX && (height == 0) == (width == 0),
      kFunction, ": height and width must both be positive, or 0 (got ", height, " and ", width, ")");
  RETORT_CHECK(
      options.resized_crop || (height <= image.height && width <= image.width), kFunction,
      ": height and width must be at most the images' ", image.height, " and ", image.width,
      " without a resized crop (got ", height, " and ", width, ")");
}

void check_range(const char* name, double min, double max, double most) {
  RETORT_CHECK(
      min > 0 && min <= max && max <= most && std::isfinite(max), kFunction, ": ", name,
      " must be positive and finite, the minimum first", most == 1 ? ", and at most 1" : "", " (got ",
      without_sign_of_nan(min), " and ", without_sign_of_nan(max), ")");
}

void check_jitter(const ColorJitter& jitter, int64_t channels) {
  check_not_negative(kFunction, "brightness", jitter.brightness);
  check_not_negative(kFunction, "contrast", jitter.contrast);
  check_not_negative(kFunction, "saturation", jitter.saturation);
  RETORT_CHECK(
      jitter.hue >= 0 && jitter.hue <= 0.5, kFunction, ": hue must be between 0 and 0.5 (got ",
      without_sign_of_nan(jitter.hue), ")");
  const bool jitters = jitter.brightness > 0 || jitter.contrast > 0 || jitter.saturation > 0 || jitter.hue > 0;
  RETORT_CHECK_AS(
      ShapeError, !jitters || channels == 1 || channels == 3, kFunction,
      ": images must have 1 or 3 channels for their colours to be changed (got ", channels, ")");
}

void check_cutout(const AugmentationOptions& options, int64_t channels) {
  RETORT_CHECK(
      options.cutout >= 0 && options.cutout <= INT32_MAX, kFunction, ": cutout must be between 0 and ", INT32_MAX,
      " (got ", options.cutout, ")");
  const auto values = static_cast<int64_t>(options.cutout_value.size());
  RETORT_CHECK(
      values <= 1 || values == channels, kFunction, ": cutout_value must be one for each of ", channels,
      " channels, or one (got ", values, ")");
  for (const double value : options.cutout_value) {
    RETORT_CHECK(
        std::isfinite(value), kFunction, ": cutout_value must be finite (got ", without_sign_of_nan(value), ")");
  }
}

}  // namespace

void check_images(const at::Tensor& images) {
  check_float("images", images);
  RETORT_CHECK_AS(
      ShapeError, images.dim() == 4 && images.numel() > 0, kFunction,
      ": images must be of shape [batch, channels, height, width] and not empty (got ", images.sizes(), ")");
  RETORT_CHECK_AS(
      ShapeError, images.size(2) <= INT32_MAX && images.size(3) <= INT32_MAX, kFunction, ": images must have at most ",
      INT32_MAX, " rows and columns (got ", images.sizes(), ")");
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

void check_options(const AugmentationOptions& options, const at::Tensor& images) {
  const Size image = {images.size(2), images.size(3)};
  check_padding(options, image);
  check_output(options, image);
  if (options.resized_crop) {
    check_range("scale", options.resized_crop->min_scale, options.resized_crop->max_scale, 1);
    check_range("ratio", options.resized_crop->min_ratio, options.resized_crop->max_ratio, HUGE_VAL);
  }
  RETORT_CHECK(
      options.flip >= 0 && options.flip <= 1, kFunction, ": flip must be between 0 and 1 (got ",
      without_sign_of_nan(options.flip), ")");
  check_jitter(options.color_jitter, images.size(1));
  check_cutout(options, images.size(1));
}

void check_augmented(const at::Tensor& augmented, at::IntArrayRef shape, const at::Tensor& images) {
  check_float("augmented", augmented);
  RETORT_CHECK_AS(
      ShapeError, augmented.sizes() == shape && augmented.is_contiguous(), kFunction,
      ": augmented must be contiguous and of the result's shape ", shape, " (got ", augmented.sizes(), ")");
  const float* from = images.const_data_ptr<float>();
  const float* to = augmented.const_data_ptr<float>();
  RETORT_CHECK(
      to + augmented.numel() <= from || from + images.numel() <= to, kFunction,
      ": augmented must not overlap with images (got memory that does)");
}

}  // namespace retort::augmentation
