#include "models/image_network.h"

#include <torch/csrc/jit/api/module.h>

#include <utility>

#include "models/network_state.h"
#include "tensor/check.h"

namespace retort {
namespace {

std::vector<std::string> tap_names_of(size_t layers) {
  std::vector<std::string> names = layer_tap_names(layers);
  names.insert(names.begin(), "stem");
  return names;
}

}  // namespace

void check_counts(const char* function, int64_t classes, int64_t input_channels) {
  RETORT_CHECK(classes > 0, function, ": classes must be positive (got ", classes, ")");
  RETORT_CHECK(input_channels > 0, function, ": input channels must be positive (got ", input_channels, ")");
}

std::vector<std::string> layer_tap_names(size_t layers) {
  std::vector<std::string> names;
  for (const char* suffix : {"", ".pre"}) {
    for (size_t i = 1; i <= layers; ++i) names.push_back("layer" + std::to_string(i) + suffix);
  }
  names.emplace_back("embedding");
  return names;
}

ImageNetwork::ImageNetwork(Traits traits) : Network(tap_names_of(traits.layers)), traits_(std::move(traits)) {
  NetworkState::of(*this).set_takes_channels_last();
}

void ImageNetwork::check_images(const at::Tensor& images) const {
  RETORT_CHECK_AS(
      ShapeError, images.dim() == 4 && images.size(1) == traits_.input_channels, traits_.name,
      ": images must be of shape [batch, ", traits_.input_channels, ", height, width] (got ", images.sizes(), ")");
  RETORT_CHECK_AS(
      ShapeError, images.size(2) >= traits_.least_size && images.size(3) >= traits_.least_size, traits_.name,
      ": images must have a height and width of at least ", traits_.least_size, " (got ", images.sizes(), ")");
}

std::optional<NetworkStructure> ImageNetwork::structure() const {
  return traits_.structure;
}

torch::jit::Module ImageNetwork::to_torchscript() {
  return program_of(*this);
}

}  // namespace retort
