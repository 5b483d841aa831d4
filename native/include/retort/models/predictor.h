#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/models/network.h>
#include <retort/models/preprocessing.h>

#include <memory>

namespace retort {

class Preprocessor;

/// Serves a network: predicts from raw images with the weights last published, like Network::predict. Any number of
/// threads may use a predictor at once.
class RETORT_API Predictor {
 public:
  /// Prepares images with the preprocessing that the network's weights were published with, see Network::preprocessing.
  explicit Predictor(std::shared_ptr<Network> network);
  /// Prepares images with a given preprocessing, for example if their channels are last in memory.
  /// @throws c10::ValueError if a value is out of range, or if the network was trained with a different normalisation
  Predictor(std::shared_ptr<Network> network, const Preprocessing& preprocessing);

  /// Computes logits [B, classes], without gradients.
  /// @param images of the network's dtype or uint8, on its device or the CPU
  at::Tensor logits(const at::Tensor& images) const;
  /// Computes probabilities, the softmax of the logits.
  at::Tensor probabilities(const at::Tensor& images) const;

  const std::shared_ptr<Network>& network() const { return network_; }
  /// Returns how images are prepared, with the network's input shape.
  Preprocessing preprocessing() const;

 private:
  std::shared_ptr<Network> network_;
  std::shared_ptr<const Preprocessor> preprocessor_;  // null for the network's own
};

}  // namespace retort
