#pragma once

#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace retort {

/// A multilayer perceptron: linear layers with ReLU between them, e.g. for table rows.
struct RETORT_API MlpOptions {
  /// Elements of one input, units of each hidden layer, number of classes: {64, 128, 10} has one hidden layer, {64, 10}
  /// is a linear classifier.
  std::vector<int64_t> sizes;
};

/// Creates a multilayer perceptron. Its weights are initialised as by torch::nn::Linear, with PyTorch's default
/// generator.
///
/// It takes inputs of any shape with sizes[0] elements, [B, 64] as well as [B, 1, 8, 8], and flattens them.
///
/// Taps: `layer1`, `layer2`, … (hidden layers after ReLU), `layer1.pre`, `layer2.pre`, … (the same before ReLU) and
/// `embedding` (the last layer's input: the last hidden layer or, if there is none, the flattened input).
///
/// Parameters are named like those of torch.nn.Sequential(Linear, ReLU, Linear, …): `0.weight`, `0.bias`, `2.weight`, …
/// @throws c10::ValueError if there are fewer than two sizes or one is not positive
RETORT_API std::shared_ptr<Network> make_mlp(const MlpOptions& options);

}  // namespace retort
