#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>

#include <cstdint>
#include <vector>

namespace retort {

/// How an image is padded.
enum class ImageFill {
  kZero,     ///< black
  kReflect,  ///< the image mirrored at its border rows and columns, which are not repeated; torch's "reflect"
};

/// How the images of a training batch are augmented. Each image is, in this order, padded with `padding` pixels on
/// every side and randomly cropped to its original size; randomly flipped; normalised, so that black padding and black
/// pixels get the same value.
struct RETORT_API AugmentationOptions {
  /// Pixels, at least 0; for kReflect less than height and width. With kZero, the crop is a shift by up to that many
  /// pixels. CIFAR's usual recipe has 4.
  int64_t padding = 0;
  ImageFill fill = ImageFill::kZero;
  /// The probability of a horizontal flip, from 0 to 1; usually 0.5 or, for digits, 0.
  double flip = 0;
  /// Channel c becomes (value - mean[c]) / deviation[c]: one for each channel, or one for all; empty for no change, for
  /// example if the step normalises, see Preprocessing.
  std::vector<double> mean;
  /// The same number of values, > 0 and finite.
  std::vector<double> deviation;
};

/// Augments a batch. With k = bits(bits(seed, round), index) and bits(key, i) the i-th output of a splitmix64 generator
/// whose initial state is `key`, the vertical and horizontal offset of an image's crop, each uniform in 0 ... 2
/// padding, and its flip come from bits(k, 0), bits(k, 1) and bits(k, 2). The result for an image therefore depends
/// only on the options, `seed`, `round` and its index, and not on the batch it is in, the order or the number of
/// threads.
///
/// @param images [B, C, H, W], float32, on the CPU, dense; B > 0
/// @param indices int64 [B], at least 0: each image's index in the data set
/// @param seed any number
/// @param round at least 0, usually the epoch: each round augments an image differently
/// @return new images [B, C, H, W], contiguous
/// @throws ShapeError if a tensor does not fit, or c10::ValueError if an option is out of range
///
/// Thread-safe. Parallel over images, if there are many.
///
/// Example:
///   AugmentationOptions options;
///   options.padding = 4;
///   options.flip = 0.5;
///   at::Tensor augmented = augment(images, indices, options, /*seed=*/1, /*round=*/epoch);
RETORT_API at::Tensor augment(
    const at::Tensor& images, const at::Tensor& indices, const AugmentationOptions& options, int64_t seed,
    int64_t round);

/// Same as augment(), but writes into `augmented`, which has the shape of `images`, is float32 and contiguous, and does
/// not overlap with them.
RETORT_API void augment_into(
    at::Tensor& augmented, const at::Tensor& images, const at::Tensor& indices, const AugmentationOptions& options,
    int64_t seed, int64_t round);

}  // namespace retort
