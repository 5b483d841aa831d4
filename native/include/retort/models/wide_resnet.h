#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>

namespace retort {

/// A wide ResNet of the CIFAR family: a 3x3 stem and three layers of (depth - 4) / 6 blocks that normalise before they
/// convolve, then BatchNorm, ReLU, global average pooling and a linear classifier. The second and third layers halve
/// the image. There is no dropout.
struct RETORT_API WideResNetOptions {
  /// 6n + 4: 10, 16, 22, 28, 40, … 1204.
  int64_t depth = 16;
  /// The factor k, at most 64: the layers have 16 k, 32 k and 64 k channels, the stem has 16.
  int64_t width = 2;
  /// Number of classes.
  int64_t classes = 10;
  /// Channels of the images.
  int64_t input_channels = 3;
};

/// Creates a wide ResNet of the CIFAR family. Its weights are initialised with PyTorch's default generator:
/// convolutions normal with variance 2 / (kernel² out), BatchNorm 1 and 0, the classifier as torch::nn::Linear with
/// bias 0.
///
/// Taps, and their counterparts in RepDistiller's forward(is_feat=True):
/// - `stem`: f0, the first convolution's output, without BatchNorm or ReLU;
/// - `layer1`, `layer2`, `layer3`: f1 to f3, the unmodified sums of the residual branches, with negative values;
/// - `layer1.pre`, `layer2.pre`, `layer3.pre`: f1 to f3 of preact=True, the same sums after the BatchNorm that follows
///   them, before its ReLU;
/// - `embedding`: f4, the averaged map [B, 64 width], the classifier's input.
///
/// Names and order of parameters and buffers are those of RepDistiller's models/wrn.py, so its published weights load.
/// There, the average is taken over 8x8 windows; here, over the whole map, which is the same for 32x32 images. There,
/// preact=True passes the maps through their BatchNorm a second time, so that in training mode its statistics are
/// updated twice; here, they are updated once.
/// @throws c10::ValueError if an option is out of range
///
/// Source: Zagoruyko, Komodakis: Wide Residual Networks, BMVC 2016.
RETORT_API std::shared_ptr<Network> make_wide_resnet(const WideResNetOptions& options);

}  // namespace retort
