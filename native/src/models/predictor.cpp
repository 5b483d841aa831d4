#include <ATen/ops/softmax.h>
#include <retort/models/predictor.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "models/network_state.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

constexpr const char* kPredictor = "Predictor";

std::shared_ptr<Network> given(std::shared_ptr<Network> network) {
  RETORT_CHECK(network, kPredictor, ": network must be given (got null)");
  return network;
}

}  // namespace

Predictor::Predictor(std::shared_ptr<Network> network) : network_(given(std::move(network))) {}

Predictor::Predictor(std::shared_ptr<Network> network, const Preprocessing& preprocessing)
    : network_(given(std::move(network))), preprocessor_(std::make_shared<Preprocessor>(kPredictor, preprocessing)) {
  const Preprocessing trained = network_->preprocessing();
  RETORT_CHECK(
      trained.is_identity() || trained.normalizes_as(preprocessing), kPredictor,
      ": preprocessing must normalise as the network's, ", trained.description(), " (got ", preprocessing.description(),
      ")");
}

at::Tensor Predictor::logits(const at::Tensor& images) const {
  static CallSite site;
  const RunningCall running(site);
  return NetworkState::of(*network_).predict(images, preprocessor_.get());
}

at::Tensor Predictor::probabilities(const at::Tensor& images) const {
  static CallSite site;
  const RunningCall running(site);
  return at::softmax(NetworkState::of(*network_).predict(images, preprocessor_.get()), /*dim=*/1);
}

Preprocessing Predictor::preprocessing() const {
  Preprocessing known = preprocessor_ ? preprocessor_->options() : network_->preprocessing();
  if (std::vector<int64_t> shape = network_->input_shape(); !shape.empty()) known.input_shape = std::move(shape);
  return known;
}

}  // namespace retort
