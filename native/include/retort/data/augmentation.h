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

/// A random part of an image, resized: what ImageNet's networks are trained on (Szegedy et al., Going Deeper with
/// Convolutions, 2015). The part has an area drawn uniformly and an aspect ratio (width / height) whose logarithm is
/// drawn uniformly; up to ten times, until a part of that shape fits into the image, where it then lies anywhere with
/// the same probability. If none fits, it is the largest part in the middle whose aspect ratio is in the range.
/// torchvision's RandomResizedCrop draws in the same way.
struct RandomResizedCrop {
  /// The least and the largest area, as a share of the image's: above 0 to 1.
  double min_scale = 0.08;
  double max_scale = 1;
  /// The least and the largest aspect ratio, positive and finite.
  double min_ratio = 3.0 / 4.0;
  double max_ratio = 4.0 / 3.0;
};

/// Random changes of an image's colours, by the formulas and in the ranges of torchvision's ColorJitter. Where v is a
/// value, grey = 0.2989 red + 0.587 green + 0.114 blue, f a factor that is drawn uniformly for each image, and results
/// are cut off at 0 and 1:
///
///   brightness  f v                                        f from max(0, 1 - brightness) to 1 + brightness
///   contrast    f v + (1 - f) (mean of the image's grey)   f from max(0, 1 - contrast) to 1 + contrast
///   saturation  f v + (1 - f) (the pixel's grey)           f from max(0, 1 - saturation) to 1 + saturation
///   hue         the hue of HSV, a circle of length 1,      f from -hue to hue
///               moves on by f
///
/// They are applied one after the other, each of their 24 orders with the same probability; 0 leaves one out. The
/// images have values from 0 to 1 and are RGB, or grey in one channel, whose saturation and hue stay as they are.
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
/// What is not asked for is left out. The default changes nothing.
struct RETORT_API AugmentationOptions {
  /// Rows and columns of an augmented image; both 0 for those of the images. Without `resized_crop` the part in the
  /// middle is taken, which is moved by `padding`, and images are not smaller. For a middle that can't be halved,
  /// torchvision's CenterCrop decides: from half a pixel to the even number.
  int64_t height = 0;
  int64_t width = 0;
  /// Pixels, at least 0; for kReflect less than height and width. The image is padded with so many pixels on every side
  /// and cropped at random, which moves it by up to that many pixels. CIFAR's usual recipe has 4. Where the output is
  /// smaller than the image, the part that is taken moves by up to that many pixels; half the difference of the sizes
  /// moves it anywhere in the image, as torchvision's RandomCrop does.
  int64_t padding = 0;
  ImageFill fill = ImageFill::kZero;
  /// In place of `padding`, which is 0 then. Resized bilinearly, with antialiasing where it becomes smaller: torch's
  /// interpolate(mode="bilinear", antialias=True).
  std::optional<RandomResizedCrop> resized_crop;
  /// The probability of a horizontal flip, from 0 to 1; usually 0.5 or, for digits, 0.
  double flip = 0;
  ColorJitter color_jitter;
  /// Channel c becomes (value - mean[c]) / deviation[c]: one for each channel, or one for all; empty for no change, for
  /// example if the step normalises, see Preprocessing. Black padding and black pixels get the same value.
  std::vector<double> mean;
  /// The same number of values, > 0 and finite.
  std::vector<double> deviation;
  /// The side of the square that is overwritten, at least 0; 0 for none. Cutout (DeVries and Taylor, Improved
  /// Regularization of Convolutional Neural Networks with Cutout, 2017): its centre is anywhere in the image with the
  /// same probability, and what lies beyond the border is cut off. It covers the rows from centre - side / 2 (rounded
  /// down) on; an odd side counts in full, where the authors' code takes one less.
  int64_t cutout = 0;
  /// What the square is filled with, one for each channel or one for all; empty for 0. As in the authors' code, it is
  /// not normalised any more, so that 0 stands for the mean. Where the step normalises, its mean does the same.
  std::vector<double> cutout_value;
};

/// Augments a batch. What becomes of an image depends only on the options, `seed`, `round` and its index, and not on
/// the batch it is in, the order, the number of threads, or the processor. With k = bits(bits(seed, round), index) and
/// bits(key, i) the i-th output of a splitmix64 generator whose initial state is `key`, each draw has numbers of its
/// own, so that an option changes no draw of another:
///
///   bits(k, 0), bits(k, 1)    by how much the crop moves vertically and horizontally, uniform in -padding ... padding
///   bits(k, 2)                the flip
///   bits(k, 3)                the order of the changes in colour
///   bits(k, 4 ... 7)          the factors of brightness, contrast, saturation, hue
///   bits(k, 8), bits(k, 9)    row and column of the cutout's centre
///   bits(k, 16 + 4 t ...)     the t-th try of a resized crop: area, aspect ratio, and the part's first row and column
///
/// @param images [B, C, H, W], float32, on the CPU, dense; B > 0
/// @param indices int64 [B], at least 0: each image's index in the data set
/// @param seed any number
/// @param round at least 0, usually the epoch: each round augments an image differently
/// @return new images [B, C, options.height or H, options.width or W], contiguous
/// @throws ShapeError if a tensor does not fit, or c10::ValueError if an option is out of range
///
/// Thread-safe. Parallel over images, if there are many.
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

/// Same as augment(), but writes into `augmented`, which has the shape of the result, is float32 and contiguous, and
/// does not overlap with the images.
RETORT_API void augment_into(
    at::Tensor& augmented, const at::Tensor& images, const at::Tensor& indices, const AugmentationOptions& options,
    int64_t seed, int64_t round);

}  // namespace retort
