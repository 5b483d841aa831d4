#include "networks.h"

#include <ATen/Functions.h>

namespace retort::test {

namespace nn = torch::nn;

TinyNetwork::TinyNetwork(int64_t classes, double dropout, int64_t channels)
    : Network({"map", "embedding"}), dropout_(dropout) {
  conv_ = register_module("conv", nn::Conv2d(nn::Conv2dOptions(channels, 4, 3).padding(1)));
  norm_ = register_module("norm", nn::BatchNorm2d(4));
  head_ = register_module("head", nn::Linear(4, classes));
}

NetworkOutput TinyNetwork::compute(const at::Tensor& images) {
  const at::Tensor map = at::relu(norm_(conv_(images)));
  const at::Tensor kept = at::dropout(map, dropout_, is_training());
  if (halfway) halfway();
  const at::Tensor embedding = kept.mean({2, 3});
  NetworkOutput output{head_(embedding), {map, embedding}};
  if (at_end) at_end(output);
  return output;
}

LinearNetwork::LinearNetwork(int64_t features, int64_t classes) : Network({}) {
  head_ = register_module("head", nn::Linear(features, classes));
}

NetworkOutput LinearNetwork::compute(const at::Tensor& images) {
  return {head_(images), {}};
}

}  // namespace retort::test
