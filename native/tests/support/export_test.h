#pragma once

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/models/torchscript.h>

#include <memory>
#include <utility>
#include <vector>

#include "expect.h"
#include "seeded_test.h"
#include "temporary_folder.h"

namespace retort::test {

/// For tests of what comes back of a native network that is saved as TorchScript.
class ExportTest : public SeededTest {
 protected:
  explicit ExportTest(std::vector<int64_t> input_shape) : input_shape_(std::move(input_shape)) {}

  std::shared_ptr<Network> exported(Network& network) const {
    network.save_torchscript(folder_.file("network.ts"));
    const auto loaded = load_torchscript(folder_.file("network.ts"));
    loaded->probe(input_shape_);
    return loaded;
  }

  /// Runs both forward and backward on the same images.
  static void expect_same_pass(Network& network, Network& program, const at::Tensor& images) {
    const NetworkOutput expected = network.forward(images);
    const NetworkOutput output = program.forward(images);
    EXPECT_TRUE(same_bits(output.logits, expected.logits));
    for (size_t i = 0; i < output.features.size(); ++i) {
      EXPECT_TRUE(same_bits(output.features[i], expected.features[i])) << network.tap_names()[i];
    }
    expected.logits.square().sum().backward();
    output.logits.square().sum().backward();
    for (const auto& parameter : network.named_parameters()) {
      const at::Tensor gradient = program.named_parameters()[parameter.key()].grad();
      EXPECT_TRUE(same_bits(gradient, parameter.value().grad())) << parameter.key();
    }
  }

  TemporaryFolder folder_;

 private:
  std::vector<int64_t> input_shape_;
};

}  // namespace retort::test
