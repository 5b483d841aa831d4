#pragma once

#include <retort/models/network.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/torchscript/program_source.h"

namespace retort {

/// Requires the sizes that every classifier of images has.
/// @param function the maker's name
void check_counts(const char* function, int64_t classes, int64_t input_channels);

/// layer1, …, layer1.pre, …, embedding.
std::vector<std::string> layer_tap_names(size_t layers);

/// What the native networks for images have in common.
class ImageNetwork : public Network, public Scripted {
 public:
  struct Traits {
    /// The class's name, for messages.
    const char* name;
    int64_t input_channels;
    /// The least height and width of an image.
    int64_t least_size;
    /// How many layers have taps, beside the stem and the embedding.
    size_t layers;
    NetworkStructure structure;
  };

 protected:
  explicit ImageNetwork(Traits traits);

  void check_images(const at::Tensor& images) const override;
  std::optional<NetworkStructure> structure() const override;
  torch::jit::Module to_torchscript() override;

 private:
  Traits traits_;
};

}  // namespace retort
