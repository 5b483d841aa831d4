#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>

namespace retort {

/// A MobileNetV2 of the CIFAR family: a 3x3 stem that halves the image, seventeen inverted residual blocks, three of
/// which halve it again, a 1x1 convolution, global average pooling and a linear classifier. All blocks but the first
/// widen their input sixfold.
struct RETORT_API MobileNetV2Options {
  /// The multiple of the paper's channels, between 1/16 and 16; fractions are dropped. The 1x1 convolution before the
  /// average has 1280 channels, and more only for a width above 1.
  double width = 0.5;
  /// Number of classes.
  int64_t classes = 10;
  /// Channels of the images.
  int64_t input_channels = 3;
};

/// Creates a MobileNetV2 of the CIFAR family. Its weights are initialised with PyTorch's default generator:
/// convolutions normal with variance 2 / (kernel² out), BatchNorm 1 and 0, the classifier normal with standard
/// deviation 0.01 and bias 0.
///
/// Taps, and their counterparts in RepDistiller's forward(is_feat=True):
/// - `stem`: f0, after ReLU;
/// - `layer1` to `layer4`: f1 to f4, the outputs of `blocks.1`, `blocks.2`, `blocks.4` and `blocks.6`, without ReLU;
/// - `layer1.pre` to `layer4.pre`: the very same maps, since preact=True changes nothing there;
/// - `embedding`: f5, the averaged map [B, 1280], the classifier's input.
///
/// Names and order of parameters and buffers are those of RepDistiller's models/mobilenetv2.py, whose MobileNetV2
/// (mobile_half) has width 0.5, so weights trained with it load. There, the average is taken over 2x2 windows; here,
/// over the whole map, which is the same for 32x32 images.
/// @throws c10::ValueError if an option is out of range
///
/// Source: Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018.
RETORT_API std::shared_ptr<Network> make_mobilenet_v2(const MobileNetV2Options& options);

}  // namespace retort
