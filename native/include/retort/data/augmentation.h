#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace retort {

/// How an image is padded.
enum class ImageFill {
  kZero,     ///< black
  kReflect,  ///< the image mirrored at its border rows and columns, which are not repeated; torch's "reflect"
};

/// A random part of an image that is resized, as in training on ImageNet (Szegedy et al., Going Deeper with
/// Convolutions, 2015). Its area and the logarithm of its aspect ratio, width / height, are drawn uniformly, up to ten
/// times, until a part of that shape fits into the image; its position is then drawn uniformly. If none fits, it is the
/// largest central part whose aspect ratio is in the range. The same as torchvision's RandomResizedCrop.
struct RandomResizedCrop {
  /// The smallest and the largest area, as a share of the image's, above 0 and at most 1.
  double min_scale = 0.08;
  double max_scale = 1;
  /// The smallest and the largest aspect ratio, positive and finite.
  double min_ratio = 3.0 / 4.0;
  double max_ratio = 4.0 / 3.0;
};

/// Random changes to an image's colours, by the formulas and in the ranges of torchvision's ColorJitter. For values v,
/// with factors f drawn uniformly for each image and grey = 0.2989 red + 0.587 green + 0.114 blue, they compute the
/// following, clamped to 0 and 1:
///
///   brightness  f v                                        f from max(0, 1 - brightness) to 1 + brightness
///   contrast    f v + (1 - f) (mean of the image's grey)   f from max(0, 1 - contrast) to 1 + contrast
///   saturation  f v + (1 - f) (grey of the pixel)          f from max(0, 1 - saturation) to 1 + saturation
///   hue         the hue of HSV, a circle of length 1,      f from -hue to hue
///               is shifted by f
///
/// The changes are applied one after the other, in one of their 24 orders, all equally likely; 0 omits a change. Images
/// have values from 0 to 1 and are RGB, or grey with one channel; the saturation and hue of grey images do not change.
struct ColorJitter {
  double brightness = 0;  ///< at least 0
  double contrast = 0;    ///< at least 0
  double saturation = 0;  ///< at least 0
  double hue = 0;         ///< from 0 to 0.5
};

/// How the images of a training batch are augmented. Each image is, in this order,
///
///   1. cropped: either a random part of it is resized, or it is moved by at most `padding` pixels
///   2. flipped
///   3. changed in colour
///   4. normalised
///   5. cut out: a square is overwritten.
///
/// Only the changes that are set are made. The default changes nothing.
struct RETORT_API AugmentationOptions {
  /// Rows and columns of the result; both 0 to keep those of the images. Without `resized_crop`, the central part of an
  /// image is taken, moved by `padding`; images must not be smaller than the result. If the central part starts at half
  /// a pixel, the start is rounded to the even number, as in torchvision's CenterCrop.
  int64_t height = 0;
  int64_t width = 0;
  /// Pixels, at least 0; with kReflect, less than the images' height and width. The image is padded by this many pixels
  /// on every side and cropped at random, which moves it by up to as many pixels. CIFAR's usual recipe uses 4. If the
  /// result is smaller than the image, the central part is moved by up to as many pixels; half the difference of the
  /// sizes allows any position in the image, as in torchvision's RandomCrop.
  int64_t padding = 0;
  ImageFill fill = ImageFill::kZero;
  /// Replaces `padding`, which must then be 0. The part is resized bilinearly, with antialiasing where it shrinks, as
  /// by PyTorch's interpolate(mode="bilinear", antialias=True).
  std::optional<RandomResizedCrop> resized_crop;
  /// The probability of a horizontal flip, from 0 to 1; usually 0.5 or, for digits, 0.
  double flip = 0;
  ColorJitter color_jitter;
  /// Channel c becomes (value - mean[c]) / deviation[c]: one value for each channel or one for all; empty for no
  /// normalisation, for example if the step normalises, see Preprocessing. Black padding is normalised like black
  /// pixels.
  std::vector<double> mean;
  /// The same number of values, > 0 and finite.
  std::vector<double> deviation;
  /// The side of the square that is overwritten, at least 0; 0 for none. Cutout (DeVries and Taylor, Improved
  /// Regularization of Convolutional Neural Networks with Cutout, 2017): the centre may be anywhere in the result, with
  /// equal probability, and the part beyond the border is cut off. The square covers the rows from centre - side / 2
  /// (rounded down); an odd side is used in full, whereas the authors' code uses one less.
  int64_t cutout = 0;
  /// The fill value of the square, one for each channel or one for all; empty for 0. As in the authors' code, it is not
  /// normalised afterwards, so 0 stands for the mean. If the step normalises, its mean has the same effect.
  std::vector<double> cutout_value;
};

/// Augments a batch. How an image is augmented depends only on the options, `seed`, `round` and its index, and not on
/// its batch, the order, the number of threads or the processor. With k = bits(bits(seed, round), index), where
/// bits(key, i) is the i-th output of a splitmix64 generator with the initial state `key`, each draw uses its own
/// numbers, so an option does not affect the draws of another:
///
///   bits(k, 0), bits(k, 1)    the vertical and the horizontal shift of the crop, uniform in -padding ... padding
///   bits(k, 2)                the flip
///   bits(k, 3)                the order of the changes in colour
///   bits(k, 4 ... 7)          the factors of brightness, contrast, saturation, hue
///   bits(k, 8), bits(k, 9)    row and column of the cutout's centre
///   bits(k, 16 + 4 t ...)     the t-th try of a resized crop: area, aspect ratio, first row and column of the part
///
/// @param images [B, C, H, W], float32, on the CPU, dense; B > 0
/// @param indices int64 [B], at least 0: each image's index in the data set
/// @param seed any number
/// @param round at least 0, usually the epoch: each round augments an image differently
/// @return new images [B, C, options.height or H, options.width or W], contiguous
/// @throws ShapeError if a tensor does not fit
/// @throws c10::ValueError if an option, an index or the round is out of range
///
/// Thread-safe. Runs in parallel over images if there are many.
///
/// Example:
///   AugmentationOptions options;
///   options.height = options.width = 224;
///   options.resized_crop = RandomResizedCrop();
///   options.flip = 0.5;
///   options.color_jitter = {0.4, 0.4, 0.4, 0.1};
///   at::Tensor augmented = augment(images, indices, options, /*seed=*/1, /*round=*/epoch);
RETORT_API at::Tensor augment(
    const at::Tensor& images, const at::Tensor& indices, const AugmentationOptions& options, int64_t seed,
    int64_t round);

/// Augments a batch like augment(), but writes to `augmented`, which must have the shape of the result, be float32 and
/// contiguous, and not overlap with the images.
RETORT_API void augment_into(
    at::Tensor& augmented, const at::Tensor& images, const at::Tensor& indices, const AugmentationOptions& options,
    int64_t seed, int64_t round);

}  // namespace retort
