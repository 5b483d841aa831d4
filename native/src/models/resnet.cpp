#include <retort/models/resnet.h>

#include <memory>
#include <string>

#include "models/residual_blocks.h"
#include "models/residual_network.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

namespace nn = torch::nn;

/// The deepest network of the paper; without a bound a wrong number would take all memory.
constexpr int64_t kMaxDepth = 1202;

}  // namespace

std::shared_ptr<Network> make_resnet(const ResNetOptions& options) {
  static CallSite site;
  const RunningCall running(site);
  RETORT_CHECK(
      options.depth >= 8 && options.depth <= kMaxDepth && (options.depth - 2) % 6 == 0,
      "make_resnet: depth must be 6n + 2 between 8 and ", kMaxDepth, " (got ", options.depth, ")");
  check_counts("make_resnet", options.classes, options.input_channels);
  const auto& filters = options.filters;
  RETORT_CHECK(filters.size() == 4, "make_resnet: filters must be four numbers (got ", filters.size(), ")");
  for (int64_t count : filters) RETORT_CHECK(count > 0, "make_resnet: filters must be positive (got ", count, ")");
  const int64_t blocks = (options.depth - 2) / 6;
  std::vector<NormBefore> norms;
  // In the order of the forward pass, for they draw from one generator.
  const nn::Conv2d stem = drawn_by_fan_out(conv_layer(options.input_channels, filters[0], 3));
  std::vector<std::shared_ptr<ResidualLayer>> layers;
  for (size_t i = 0; i < 3; ++i) {
    layers.push_back(basic_layer(filters[i], filters[i + 1], i == 0 ? 1 : 2, blocks));
    norms.push_back(ResidualNetwork::norm_of(i, blocks, "bn2"));
  }
  return std::make_shared<ResidualNetwork>(
      "ResNet", norms,
      ResidualNetwork::Parts{
          stem, /*pools_stem=*/false, std::move(layers), "fc", nn::Linear(filters[3], options.classes)});
}

}  // namespace retort
