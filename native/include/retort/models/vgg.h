#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace retort {

/// A VGG network with BatchNorm, of the CIFAR family: five blocks of 3x3 convolutions, the first three of which are
/// followed by pooling that halves the image, then global average pooling and a linear classifier.
struct RETORT_API VggOptions {
  /// 8, 11, 13, 16 or 19.
  int64_t depth = 8;
  /// Number of classes.
  int64_t classes = 10;
  /// Channels of the images.
  int64_t input_channels = 3;
  /// Channels of each of the five blocks.
  std::vector<int64_t> filters = {64, 128, 256, 512, 512};
};

/// Creates a VGG network of the CIFAR family. Its weights are initialised with PyTorch's default generator:
/// convolutions normal with variance 2 / (9 out) and bias 0, BatchNorm 1 and 0, the classifier normal with standard
/// deviation 0.01 and bias 0.
///
/// The number of convolutions in the five blocks depends on the depth: 1, 1, 1, 1, 1 for 8, 1, 1, 2, 2, 2 for 11, 2, 2,
/// 2, 2, 2 for 13, 2, 2, 3, 3, 3 for 16 and 2, 2, 4, 4, 4 for 19.
///
/// Taps, and their counterparts in RepDistiller's forward(is_feat=True):
/// - `stem`: f0, the first block after ReLU;
/// - `layer1` to `layer4`: f1 to f4, the other blocks after ReLU;
/// - `layer1.pre` to `layer4.pre`: f1 to f4 of preact=True, the same maps before ReLU;
/// - `embedding`: f5, the averaged map [B, filters[4]], the classifier's input.
///
/// It takes images of at least 8x8. As in RepDistiller, images with a height of 64 are also halved after the fourth
/// block, so that the last block's maps are as large as those of 32x32 images.
///
/// Names and order of parameters and buffers are those of RepDistiller's models/vgg.py (vgg8_bn to vgg19_bn, which it
/// calls vgg8 to vgg19), so its published weights load.
/// @throws c10::ValueError if an option is out of range
///
/// Source: Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015.
RETORT_API std::shared_ptr<Network> make_vgg(const VggOptions& options);

}  // namespace retort
