#include <retort/models/imagenet_resnet.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "models/residual_blocks.h"
#include "models/residual_network.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

namespace nn = torch::nn;

constexpr size_t kLayers = 4;

struct Configuration {
  int64_t depth;
  bool has_bottlenecks;
  /// Of each layer.
  std::array<int64_t, kLayers> blocks;
};

constexpr Configuration kConfigurations[] = {
    {18, false, {2, 2, 2, 2}}, {34, false, {3, 4, 6, 3}}, {50, true, {3, 4, 6, 3}}};

}  // namespace

std::shared_ptr<Network> make_imagenet_resnet(const ImageNetResNetOptions& options) {
  static CallSite site;
  const RunningCall running(site);
  const auto* configuration = std::find_if(
      std::begin(kConfigurations), std::end(kConfigurations),
      [&](const Configuration& known) { return known.depth == options.depth; });
  RETORT_CHECK(
      configuration != std::end(kConfigurations), "make_imagenet_resnet: depth must be 18, 34 or 50 (got ",
      options.depth, ")");
  check_counts("make_imagenet_resnet", options.classes, options.input_channels);
  const auto& filters = options.filters;
  RETORT_CHECK(
      filters.size() == kLayers + 1, "make_imagenet_resnet: filters must be five numbers (got ", filters.size(), ")");
  for (int64_t count : filters) {
    RETORT_CHECK(count > 0, "make_imagenet_resnet: filters must be positive (got ", count, ")");
  }
  // In the order of the forward pass, for they draw from one generator.
  const nn::Conv2d stem = drawn_by_fan_out(conv_layer(options.input_channels, filters[0], 7, 2));
  std::vector<std::shared_ptr<ResidualLayer>> layers;
  std::vector<NormBefore> norms;
  int64_t in = filters[0];
  for (size_t i = 0; i < kLayers; ++i) {
    const int64_t channels = filters[i + 1];
    const int64_t blocks = configuration->blocks[i];
    const int64_t stride = i == 0 ? 1 : 2;
    if (configuration->has_bottlenecks) {
      layers.push_back(bottleneck_layer(in, channels, stride, blocks));
      norms.push_back(ResidualNetwork::norm_of(i, blocks, "bn3"));
      in = channels * kBottleneckExpansion;
    } else {
      layers.push_back(basic_layer(in, channels, stride, blocks));
      norms.push_back(ResidualNetwork::norm_of(i, blocks, "bn2"));
      in = channels;
    }
  }
  return std::make_shared<ResidualNetwork>(
      "ResNet", norms,
      ResidualNetwork::Parts{stem, /*pools_stem=*/true, std::move(layers), "fc", nn::Linear(in, options.classes)});
}

}  // namespace retort
