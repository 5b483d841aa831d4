#include <retort/models/mobilenet_v2.h>
#include <torch/nn/modules/activation.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/container/sequential.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "models/image_network.h"
#include "models/layers.h"
#include "models/mobilenet_v2_parts.h"
#include "runtime/exit_gate.h"

namespace retort {
namespace {

namespace nn = torch::nn;

nn::ReLU relu_in_place() {
  return nn::ReLU(nn::ReLUOptions(true));
}

nn::Sequential convolve_normalise_relu(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  return nn::Sequential(drawn_by_fan_out(conv_layer(in, out, kernel, stride)), nn::BatchNorm2d(out), relu_in_place());
}

std::shared_ptr<InvertedResidual> block(int64_t in, int64_t out, int64_t stride, int64_t expansion) {
  const int64_t inner = in * expansion;
  return std::make_shared<InvertedResidual>(
      nn::Sequential(
          drawn_by_fan_out(conv_layer(in, inner, 1)), nn::BatchNorm2d(inner), relu_in_place(),
          drawn_by_fan_out(conv_layer(inner, inner, 3, stride, inner)), nn::BatchNorm2d(inner), relu_in_place(),
          drawn_by_fan_out(conv_layer(inner, out, 1)), nn::BatchNorm2d(out)),
      stride == 1 && in == out);
}

class MobileNetV2 final : public ImageNetwork {
 public:
  explicit MobileNetV2(const MobileNetV2Options& options)
      : ImageNetwork(
            {"MobileNetV2",
             options.input_channels,
             1,
             4,
             {{"conv1", "blocks"},
              {{"layer1.pre", "blocks.1.1.conv.7"},
               {"layer2.pre", "blocks.2.2.conv.7"},
               {"layer3.pre", "blocks.4.2.conv.7"},
               {"layer4.pre", "blocks.6.0.conv.7"}}}}) {
    const auto scaled = [&](int64_t count) { return static_cast<int64_t>(static_cast<double>(count) * options.width); };
    int64_t channels = scaled(32);
    conv1_ = register_module("conv1", convolve_normalise_relu(options.input_channels, channels, 3, 2));
    const auto list = register_module("blocks", nn::ModuleList());
    for (const MobileNetV2Group& group : kMobileNetV2Groups) {
      nn::Sequential blocks;
      const int64_t out = scaled(group.channels);
      for (int64_t i = 0; i < group.blocks; ++i) {
        // The images are small: the second group keeps their size.
        const int64_t stride = i == 0 && groups_.size() != 1 ? group.stride : 1;
        blocks->push_back(block(channels, out, stride, group.expansion));
        channels = out;
      }
      list->push_back(blocks);
      groups_.push_back(blocks);
    }
    const int64_t last = std::max(scaled(kMobileNetV2Last), kMobileNetV2Last);
    conv2_ = register_module("conv2", convolve_normalise_relu(channels, last, 1, 1));
    classifier_ = register_module("classifier", nn::Sequential(mobilenet_v2_classifier(last, options.classes)));
  }

  ProgramSource program_source() const override {
    return {"MobileNetV2", R"(
def forward(self, images) -> Tuple[Tensor, Dict[str, Tensor]]:
    stem = self.conv1.forward(images)
    map1 = getattr(self.blocks, "1").forward(getattr(self.blocks, "0").forward(stem))
    map2 = getattr(self.blocks, "2").forward(map1)
    map3 = getattr(self.blocks, "4").forward(getattr(self.blocks, "3").forward(map2))
    map4 = getattr(self.blocks, "6").forward(getattr(self.blocks, "5").forward(map3))
    embedding = self.conv2.forward(map4).mean([2, 3])
    return self.classifier.forward(embedding), {
        "stem": stem, "layer1": map1, "layer2": map2, "layer3": map3, "layer4": map4,
        "layer1.pre": map1, "layer2.pre": map2, "layer3.pre": map3, "layer4.pre": map4, "embedding": embedding}
)"};
  }

 protected:
  NetworkOutput compute(const at::Tensor& images) override {
    const at::Tensor stem = conv1_->forward(images);
    const at::Tensor map1 = groups_[1]->forward(groups_[0]->forward(stem));
    const at::Tensor map2 = groups_[2]->forward(map1);
    const at::Tensor map3 = groups_[4]->forward(groups_[3]->forward(map2));
    const at::Tensor map4 = groups_[6]->forward(groups_[5]->forward(map3));
    const at::Tensor embedding = conv2_->forward(map4).mean({2, 3});
    return {classifier_->forward(embedding), {stem, map1, map2, map3, map4, map1, map2, map3, map4, embedding}};
  }

 private:
  nn::Sequential conv1_{nullptr};
  std::vector<nn::Sequential> groups_;
  nn::Sequential conv2_{nullptr};
  nn::Sequential classifier_{nullptr};
};

}  // namespace

std::shared_ptr<Network> make_mobilenet_v2(const MobileNetV2Options& options) {
  static CallSite site;
  const RunningCall running(site);
  check_mobilenet_v2_width("make_mobilenet_v2", options.width);
  check_counts("make_mobilenet_v2", options.classes, options.input_channels);
  return std::make_shared<MobileNetV2>(options);
}

}  // namespace retort
