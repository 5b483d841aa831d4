#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace retort {

/// A ShuffleNet of the CIFAR family: a 1x1 stem of 24 channels, three layers of bottlenecks with convolutions in three
/// groups, each of which halves the image, then global average pooling and a linear classifier.
struct RETORT_API ShuffleNetV1Options {
  /// Number of classes.
  int64_t classes = 10;
  /// Channels of the images.
  int64_t input_channels = 3;
  /// Channels of the three layers: multiples of 12, each more than the one before and the first more than 24.
  std::vector<int64_t> filters = {240, 480, 960};
  /// Bottlenecks of the three layers.
  std::vector<int64_t> blocks = {4, 8, 4};
};

/// Creates a ShuffleNet of the CIFAR family. Its weights are initialised as by torch::nn::Conv2d and torch::nn::Linear,
/// with PyTorch's default generator.
///
/// Taps, and their counterparts in RepDistiller's forward(is_feat=True):
/// - `stem`: f0, after ReLU;
/// - `layer1`, `layer2`, `layer3`: f1 to f3, after ReLU;
/// - `layer1.pre`, `layer2.pre`, `layer3.pre`: f1 to f3 of preact=True, the same maps before ReLU. As in RepDistiller,
///   no margins for OFD are known: norm_before() throws for them;
/// - `embedding`: f4, the averaged map [B, filters[2]], the classifier's input.
///
/// Names and order of parameters and buffers are those of RepDistiller's models/ShuffleNetv1.py, whose ShuffleV1 has
/// the default sizes, so weights trained with it load. There, the average is taken over 4x4 windows; here, over the
/// whole map, which is the same for 32x32 images.
/// @throws c10::ValueError if an option is out of range
///
/// Source: Zhang, Zhou, Lin, Sun: ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices,
/// CVPR 2018.
RETORT_API std::shared_ptr<Network> make_shufflenet_v1(const ShuffleNetV1Options& options);

}  // namespace retort
