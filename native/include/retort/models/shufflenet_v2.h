#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace retort {

/// A ShuffleNet V2 of the CIFAR family: a 1x1 stem of 24 channels, three layers, each of which halves the image and
/// then works on one half of its channels at a time, a 1x1 convolution, global average pooling and a linear classifier.
struct RETORT_API ShuffleNetV2Options {
  /// Number of classes.
  int64_t classes = 10;
  /// Channels of the images.
  int64_t input_channels = 3;
  /// Channels of the three layers, which must be even, and of the last convolution. {48, 96, 192, 1024} gives the
  /// paper's width of 0.5, {176, 352, 704, 1024} that of 1.5.
  std::vector<int64_t> filters = {116, 232, 464, 1024};
  /// Blocks of the three layers besides the one that halves the image.
  std::vector<int64_t> blocks = {3, 7, 3};
};

/// Creates a ShuffleNet V2 of the CIFAR family. Its weights are initialised as by torch::nn::Conv2d and
/// torch::nn::Linear, with PyTorch's default generator.
///
/// Taps, and their counterparts in RepDistiller's forward(is_feat=True):
/// - `stem`: f0, after ReLU;
/// - `layer1`, `layer2`, `layer3`: f1 to f3, after ReLU, their channels shuffled;
/// - `layer1.pre`, `layer2.pre`, `layer3.pre`: f1 to f3 of preact=True: the half that the last block passes through,
///   after ReLU, then the half that it computes, before ReLU, not shuffled. As in RepDistiller, no margins for OFD are
///   known: norm_before() throws for them;
/// - `embedding`: f4, the averaged map [B, filters[3]], the classifier's input.
///
/// Names and order of parameters and buffers are those of RepDistiller's models/ShuffleNetv2.py, whose ShuffleV2 has
/// the default sizes, so weights trained with it load. There, the average is taken over 4x4 windows; here, over the
/// whole map, which is the same for 32x32 images.
/// @throws c10::ValueError if an option is out of range
///
/// Source: Ma, Zhang, Zheng, Sun: ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design, ECCV 2018.
RETORT_API std::shared_ptr<Network> make_shufflenet_v2(const ShuffleNetV2Options& options);

}  // namespace retort
