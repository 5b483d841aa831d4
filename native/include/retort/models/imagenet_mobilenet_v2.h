#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>

namespace retort {

/// A MobileNetV2 of the ImageNet family, for images of 224x224: a 3x3 stem that halves the image, seventeen inverted
/// residual blocks, four of which halve it again, a 1x1 convolution, global average pooling, dropout and a linear
/// classifier. All blocks but the first widen their input sixfold.
struct RETORT_API ImageNetMobileNetV2Options {
  /// The multiple of the paper's channels, between 1/16 and 16; the products are rounded to multiples of 8 as in
  /// torchvision, never down by more than a tenth. The 1x1 convolution before the average has 1280 channels, and more
  /// only for a width above 1.
  double width = 1.0;
  /// Number of classes.
  int64_t classes = 1000;
  /// Channels of the images.
  int64_t input_channels = 3;
  /// The probability that the classifier drops an element of its input in training mode, at least 0 and below 1.
  double dropout = 0.2;
};

/// Creates a MobileNetV2 of the ImageNet family. Its weights are initialised with PyTorch's default generator, as in
/// torchvision: convolutions Kaiming normal (fan-out), BatchNorm 1 and 0, the classifier normal with standard deviation
/// 0.01 and bias 0. Dropout draws from the same generator. Images may have any size; the last block reduces 32x32 to a
/// single pixel.
///
/// Taps, all but the last of which are the last map of their size:
/// - `stem`: `features.0`, after ReLU6, 112x112 for images of 224x224;
/// - `layer1` to `layer4`: the outputs of `features.3`, `features.6`, `features.13` and `features.17`, of the same
///   sizes as a ResNet's, 56x56, 28x28, 14x14 and 7x7; they are linear bottlenecks, which are not followed by ReLU;
/// - `layer1.pre` to `layer4.pre`: the very same maps, under the names that other networks give to maps before ReLU,
///   for losses such as OFD's;
/// - `embedding`: the averaged map [B, 1280] before dropout.
///
/// Names, order and shapes of parameters and buffers are those of torchvision's mobilenet_v2, so its published weights
/// load.
/// @throws c10::ValueError if an option is out of range
///
/// Source: Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018.
RETORT_API std::shared_ptr<Network> make_imagenet_mobilenet_v2(const ImageNetMobileNetV2Options& options);

}  // namespace retort
