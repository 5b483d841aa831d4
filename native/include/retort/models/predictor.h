#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/models/network.h>
#include <retort/models/preprocessing.h>

#include <memory>

namespace retort {

class Preprocessor;

/// Serves a network: predicts from raw images with the weights that were last published, see Network::predict. Any
/// number of threads may use one.
class RETORT_API Predictor {
 public:
  /// Prepares images as the network's published weights were trained with, see Network::preprocessing.
  explicit Predictor(std::shared_ptr<Network> network);
  /// Prepares images in a given way, for example those that lie with channels last in memory.
  /// @throws c10::ValueError if a value is out of range, or if the network was trained with another normalisation
  Predictor(std::shared_ptr<Network> network, const Preprocessing& preprocessing);

  /// Logits [B, classes] without gradients.
  /// @param images of the network's dtype or uint8, on its device or the CPU
  at::Tensor logits(const at::Tensor& images) const;
  /// Their softmax over the classes.
  at::Tensor probabilities(const at::Tensor& images) const;

  const std::shared_ptr<Network>& network() const { return network_; }
  /// How images are prepared, with the network's input shape.
  Preprocessing preprocessing() const;

 private:
  std::shared_ptr<Network> network_;
  std::shared_ptr<const Preprocessor> preprocessor_;  // null for the network's own
};

}  // namespace retort
