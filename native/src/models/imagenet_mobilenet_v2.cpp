#include <c10/util/StringUtil.h>
#include <retort/models/imagenet_mobilenet_v2.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/dropout.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/image_network.h"
#include "models/layers.h"
#include "models/mobilenet_v2_parts.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

namespace nn = torch::nn;

/// The features with taps: the stem and the last blocks before the image is halved or the blocks end.
constexpr std::array<size_t, 5> kTapped = {0, 3, 6, 13, 17};

/// To the nearest multiple of 8, but not by more than a tenth down.
int64_t rounded(double channels) {
  constexpr int64_t kDivisor = 8;
  const int64_t nearest = static_cast<int64_t>(channels + kDivisor / 2.0) / kDivisor * kDivisor;
  const int64_t result = std::max(nearest, kDivisor);
  return static_cast<double>(result) < 0.9 * channels ? result + kDivisor : result;
}

std::shared_ptr<Chain> convolve_normalise_relu6(
    int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t groups = 1) {
  return std::make_shared<Chain>(
      drawn_by_fan_out(conv_layer(in, out, kernel, stride, groups)), nn::BatchNorm2d(out),
      nn::ReLU6(nn::ReLU6Options(true)));
}

std::shared_ptr<InvertedResidual> block_with_relu6(int64_t in, int64_t out, int64_t stride, int64_t expansion) {
  const int64_t inner = in * expansion;
  nn::Sequential conv;
  if (expansion > 1) conv->push_back(convolve_normalise_relu6(in, inner, 1));
  conv->push_back(convolve_normalise_relu6(inner, inner, 3, stride, inner));
  conv->push_back(drawn_by_fan_out(conv_layer(inner, out, 1)));
  conv->push_back(nn::BatchNorm2d(out));
  return std::make_shared<InvertedResidual>(conv, stride == 1 && in == out);
}

class ImageNetMobileNetV2 final : public ImageNetwork {
 public:
  explicit ImageNetMobileNetV2(const ImageNetMobileNetV2Options& options)
      : ImageNetwork({"MobileNetV2", options.input_channels, 1, kTapped.size() - 1, structure_of_blocks()}) {
    const auto scaled = [&](int64_t count) { return rounded(static_cast<double>(count) * options.width); };
    int64_t channels = scaled(32);
    features_->push_back(convolve_normalise_relu6(options.input_channels, channels, 3, 2));
    for (const MobileNetV2Group& group : kMobileNetV2Groups) {
      const int64_t out = scaled(group.channels);
      for (int64_t i = 0; i < group.blocks; ++i) {
        features_->push_back(block_with_relu6(channels, out, i == 0 ? group.stride : 1, group.expansion));
        channels = out;
      }
    }
    const int64_t last = std::max(scaled(kMobileNetV2Last), kMobileNetV2Last);
    features_->push_back(convolve_normalise_relu6(channels, last, 1));
    register_module("features", features_);
    classifier_ = register_module(
        "classifier", nn::Sequential(nn::Dropout(options.dropout), mobilenet_v2_classifier(last, options.classes)));
  }

  ProgramSource program_source() const override {
    std::string body = "    x = images\n";
    std::string after, before;
    for (size_t i = 0; i < features_->size(); ++i) {
      body += c10::str("    x = getattr(self.features, '", i, "').forward(x)\n");
      const auto* const tapped = std::find(kTapped.begin(), kTapped.end(), i);
      if (tapped == kTapped.end()) continue;
      const auto layer = tapped - kTapped.begin();
      body += c10::str("    map", layer, " = x\n");
      if (layer == 0) continue;  // the stem
      after += c10::str("'layer", layer, "': map", layer, ", ");
      before += c10::str("'layer", layer, ".pre': map", layer, ", ");
    }
    return {
        "MobileNetV2",
        c10::str(
            "def forward(self, images) -> Tuple[Tensor, Dict[str, Tensor]]:\n", body,
            "    embedding = x.mean([2, 3])\n    return self.classifier.forward(embedding), {'stem': map0, ", after,
            before, "'embedding': embedding}\n")};
  }

 protected:
  NetworkOutput compute(const at::Tensor& images) override {
    at::Tensor x = images;
    std::vector<at::Tensor> maps;
    size_t i = 0;
    for (nn::AnyModule& part : *features_) {
      x = part.forward(x);
      if (maps.size() < kTapped.size() && i == kTapped[maps.size()]) maps.push_back(x);
      ++i;
    }
    const at::Tensor embedding = x.mean({2, 3});
    std::vector<at::Tensor> features = maps;
    features.insert(features.end(), maps.begin() + 1, maps.end());
    features.push_back(embedding);
    return {classifier_->forward(embedding), std::move(features)};
  }

 private:
  static NetworkStructure structure_of_blocks() {
    NetworkStructure structure;
    for (size_t i = 0; i <= kTapped.back(); ++i) structure.backbone.push_back(c10::str("features.", i));
    // Of a block's parts the last one; those with a tap all widen their input.
    for (size_t i = 1; i < kTapped.size(); ++i) {
      structure.norms.push_back({c10::str("layer", i, ".pre"), c10::str("features.", kTapped[i], ".conv.3")});
    }
    return structure;
  }

  nn::Sequential features_;
  nn::Sequential classifier_{nullptr};
};

}  // namespace

std::shared_ptr<Network> make_imagenet_mobilenet_v2(const ImageNetMobileNetV2Options& options) {
  static CallSite site;
  const RunningCall running(site);
  check_mobilenet_v2_width("make_imagenet_mobilenet_v2", options.width);
  check_counts("make_imagenet_mobilenet_v2", options.classes, options.input_channels);
  RETORT_CHECK(
      options.dropout >= 0 && options.dropout < 1,
      "make_imagenet_mobilenet_v2: dropout must be at least 0 and below 1 (got ", options.dropout, ")");
  return std::make_shared<ImageNetMobileNetV2>(options);
}

}  // namespace retort
