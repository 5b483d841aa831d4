#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace retort {

/// A ResNet of the CIFAR family: a 3x3 stem and three layers of (depth - 2) / 6 basic blocks, the second and third of
/// which halve the image, then global average pooling and a linear classifier.
struct RETORT_API ResNetOptions {
  /// 6n + 2: 8, 14, 20, 32, 44, 56, 110, … 1202.
  int64_t depth = 20;
  /// Number of classes.
  int64_t classes = 10;
  /// Channels of the images.
  int64_t input_channels = 3;
  /// Channels of the stem and the three layers; {32, 64, 128, 256} gives the "x4" networks.
  std::vector<int64_t> filters = {16, 16, 32, 64};
};

/// Creates a ResNet of the CIFAR family. Its weights are initialised with PyTorch's default generator: convolutions
/// Kaiming normal (fan-out), BatchNorm 1 and 0, the classifier as torch::nn::Linear.
///
/// Taps: `stem`, `layer1`, `layer2`, `layer3` (after ReLU), `layer1.pre`, `layer2.pre`, `layer3.pre` (the same maps
/// before ReLU) and `embedding` (the averaged map [B, filters[3]], the classifier's input).
///
/// Names and order of parameters and buffers are those of RepDistiller's models/resnet.py, so its published weights
/// load. There, the average is taken over a fixed 8x8 window; here, over the whole map, which is the same for 32x32
/// images.
/// @throws c10::ValueError if an option is out of range
///
/// Source: He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2.
RETORT_API std::shared_ptr<Network> make_resnet(const ResNetOptions& options);

}  // namespace retort
