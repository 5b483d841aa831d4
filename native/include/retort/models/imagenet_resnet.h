#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace retort {

/// A ResNet of the ImageNet family, for images of 224x224: a 7x7 stem and a pooling layer, which each halve the image,
/// four layers, the last three of which halve it again, then global average pooling and a linear classifier. Depths 18
/// and 34 use basic blocks, 50 uses bottleneck blocks, whose outputs have four times the layer's channels.
struct RETORT_API ImageNetResNetOptions {
  /// 18, 34 or 50.
  int64_t depth = 18;
  /// Number of classes.
  int64_t classes = 1000;
  /// Channels of the images.
  int64_t input_channels = 3;
  /// Channels of the stem and the four layers; by default those of the paper and torchvision.
  std::vector<int64_t> filters = {64, 64, 128, 256, 512};
};

/// Creates a ResNet of the ImageNet family. Its weights are initialised with PyTorch's default generator, as in
/// torchvision: convolutions Kaiming normal (fan-out), BatchNorm 1 and 0, the classifier as torch::nn::Linear. Images
/// may have any size; `layer4` reduces 32x32 to a single pixel.
///
/// Taps: `stem` (after ReLU and pooling: the input of `layer1`), `layer1` to `layer4` (after ReLU), `layer1.pre` to
/// `layer4.pre` (the same maps before ReLU) and `embedding` (the averaged map [B, channels of layer4], the classifier's
/// input). For images of 224x224, the stem and layer1 are 56x56, and layer2 to layer4 28x28, 14x14 and 7x7.
///
/// Names, order and shapes of parameters and buffers are those of torchvision's resnet18, resnet34 and resnet50, so its
/// published weights load. As there ("version 1.5"), depth 50 has the stride in the 3x3 convolution, not in the first
/// 1x1 convolution as in the paper.
/// @throws c10::ValueError if an option is out of range
///
/// Source: He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, CVPR 2016, section 3.3 and table 1.
RETORT_API std::shared_ptr<Network> make_imagenet_resnet(const ImageNetResNetOptions& options);

}  // namespace retort
