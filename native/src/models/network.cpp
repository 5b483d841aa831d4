#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <retort/models/network.h>
#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "convolution/mode.h"
#include "models/module_mode.h"
#include "models/network_state.h"
#include "runtime/cuda.h"
#include "runtime/exit_gate.h"
#include "runtime/threads.h"
#include "tensor/check.h"
#include "tensor/convert.h"
#include "tensor/labels.h"
#include "tensor/parameters.h"
#include "tensor/spelling.h"

namespace retort {
namespace {

std::string shape_of(const at::Tensor& tensor) {
  return tensor.defined() ? c10::str(tensor.sizes()) : "an undefined tensor";
}

void check_batch(const at::Tensor& images) {
  RETORT_CHECK_AS(
      ShapeError, images.defined() && images.dim() > 0, "Network.forward: images must have a batch dimension (got ",
      shape_of(images), ")");
}

void check_logits(const at::Tensor& logits, int64_t batch) {
  RETORT_CHECK_AS(
      ShapeError, logits.defined() && logits.dim() == 2 && logits.size(0) == batch,
      "Network.forward: logits must be of shape [", batch, ", classes] (got ", shape_of(logits), ")");
}

/// @param name of the network's class
NetworkStructure known(const char* function, std::optional<NetworkStructure> structure, const std::string& name) {
  RETORT_CHECK(
      structure, function, ": network must be a native one, or implement structure (got ",
      name.substr(name.rfind(':') + 1), ")");
  return std::move(*structure);
}

}  // namespace

Network::Network(std::vector<std::string> tap_names) {
  NetworkState::give(*this, std::make_unique<NetworkState>(std::move(tap_names)));
}

Network::~Network() = default;

NetworkOutput Network::forward(const at::Tensor& images) {
  return run(images, [&] { return compute(images); });
}

NetworkOutput Network::run(const at::Tensor& images, const std::function<NetworkOutput()>& compute) {
  adopt_threads();
  check_batch(images);
  check_images(images);
  NetworkOutput output = [&] {
    const ConvolutionMode mode(state_->convolution());
    return compute();
  }();
  const int64_t batch = images.size(0);
  check_logits(output.logits, batch);
  const std::vector<std::string>& taps = state_->shapes().current_tap_names();
  RETORT_CHECK_AS(
      ShapeError, output.features.size() == taps.size(), "Network.forward: features must be one for each of ",
      taps.size(), " taps (got ", output.features.size(), ")");
  for (size_t i = 0; i < output.features.size(); ++i) {
    const at::Tensor& feature = output.features[i];
    RETORT_CHECK_AS(
        ShapeError, feature.defined() && feature.dim() > 0 && feature.size(0) == batch, "Network.forward: feature '",
        taps[i], "' must have the batch of ", batch, " first (got ", shape_of(feature), ")");
  }
  return output;
}

NetworkOutput Network::evaluate(const at::Tensor& input) {
  const at::NoGradGuard no_grad;
  const ModulePlan evaluation(*this, /*trains=*/false);
  const ModuleMode mode(evaluation);
  return forward(input);
}

at::Tensor Network::predict(const at::Tensor& images) {
  static CallSite site;
  const RunningCall running(site);
  return state_->predict(images);
}

at::Tensor NetworkState::predict(const at::Tensor& images, const Preprocessor* given) {
  auto version = serving_.version();
  if (!version || version->is_by_itself()) {
    if (const auto lock = version ? try_lock_settled() : lock_settled()) {
      const bool is_first = !version;
      synchronise();
      version = serving_.publish_itself(*network_);
      // By running, a TorchScript network learns the names of its taps.
      const bool must_learn = is_first && shapes_.current_tap_names().empty();
      if (!version || must_learn) {
        const Preprocessor& current = given ? *given : *preprocessor_;
        return network_->evaluate(current.input_for(images, network_->tensor_options(), format_of_maps())).logits;
      }
    }
  }
  adopt_threads();
  check_batch(images);
  const at::Tensor input = version->input_for(images, given);
  network_->check_images(input);
  const ConvolutionMode mode(convolution());
  at::Tensor logits = version->predict(input, [&](const std::string& reason) { refuse(input, reason); });
  check_logits(logits, input.size(0));
  return logits;
}

at::Tensor Network::current_logits(const at::Tensor& images) {
  return state_->evaluate(state_->preprocessor()->input_for(images, tensor_options(), state_->format_of_maps())).logits;
}

double Network::accuracy(const at::Tensor& images, const at::Tensor& labels) {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = state_->lock_settled();
  const at::Tensor logits = current_logits(images);
  const int64_t labeled = check_labels("Network.accuracy", labels, logits.size(0), logits.size(1));
  RETORT_CHECK(labeled > 0, "Network.accuracy: labels must name at least one class (got none)");
  const at::Tensor correct = at::empty({}, logits.options().dtype(at::kDouble));
  write_correct(logits, labels, correct);
  return correct.item<double>() / static_cast<double>(labeled);
}

int64_t Network::count_predictions(
    const at::Tensor& images, const at::Tensor& labels, const at::Tensor& confusion, int64_t top) {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = state_->lock_settled();
  return retort::count_predictions(current_logits(images), labels, confusion, top);
}

void Network::publish() {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = state_->lock_settled();
  state_->publish();
}

Preprocessing Network::preprocessing() const {
  return state_->preprocessor()->options();
}

void Network::set_preprocessing(const Preprocessing& preprocessing) {
  static CallSite site;
  const RunningCall running(site);
  auto preprocessor = std::make_shared<const Preprocessor>("Network", preprocessing);
  const auto lock = state_->lock_settled();
  state_->set_preprocessor(std::move(preprocessor));
}

Convolution Network::convolution() const {
  return state_->convolution();
}

void Network::set_convolution(Convolution algorithm) {
  state_->set_convolution(algorithm);
}

void Network::probe(const std::vector<int64_t>& input_shape) {
  static CallSite site;
  const RunningCall running(site);
  RETORT_CHECK(
      !input_shape.empty() && std::all_of(input_shape.begin(), input_shape.end(), [](int64_t n) { return n > 0; }),
      "Network.probe: input shape must have positive sizes (got ", at::IntArrayRef(input_shape), ")");
  const std::lock_guard<std::mutex> lock(mutex());
  state_->check_nothing_pending();
  // Two images, so that a network that drops a batch of one is found out by the checks of forward().
  std::vector<int64_t> shape = {2};
  shape.insert(shape.end(), input_shape.begin(), input_shape.end());
  state_->note_probe();
  const auto before = state_->new_snapshot();
  before->take();
  NetworkOutput output;
  try {
    output = evaluate(at::zeros(shape, tensor_options()));
  } catch (...) {
    before->restore();
    throw;
  }
  before->restore();
  state_->shapes().learn(input_shape, output);
}

std::vector<int64_t> Network::input_shape() const {
  return state_->shapes().input_shape();
}

int64_t Network::classes() const {
  return state_->shapes().classes();
}

std::vector<std::string> Network::tap_names() const {
  return state_->shapes().tap_names();
}

std::vector<int64_t> Network::tap_shape(const std::string& name) const {
  return state_->shapes().tap_shape(name);
}

int64_t Network::tap_index(const std::string& name) const {
  return state_->shapes().tap_index(name);
}

std::vector<std::string> Network::backbone() const {
  return known("Network.backbone", structure(), state_->class_name()).backbone;
}

std::string Network::norm_before(const std::string& tap) const {
  const std::vector<NormBefore> norms = known("Network.norm_before", structure(), state_->class_name()).norms;
  tap_index(tap);  // which fails if there is none
  std::vector<std::string> taps;
  for (const NormBefore& one : norms) {
    if (one.tap == tap) return one.norm;
    taps.push_back(one.tap);
  }
  RETORT_CHECK(!taps.empty(), "Network.norm_before: network must have a BatchNorm before a tap (got none)");
  fail("Network.norm_before: tap must be ", one_of(taps, tap));
}

void Network::check_images(const at::Tensor&) const {}

torch::jit::Module Network::to_torchscript() {
  fail<NoProgramError>(
      "Network: network must be a native or a TorchScript one, or implement to_torchscript (got ", name(), ")");
}

std::optional<NetworkStructure> Network::structure() const {
  return std::nullopt;
}

void Network::convert(at::ScalarType dtype) {
  static CallSite site;
  const RunningCall running(site);
  RETORT_CHECK(at::isFloatingType(dtype), "Network.convert: dtype must be floating point (got ", dtype, ")");
  const auto lock = state_->lock_settled();
  state_->synchronise();
  state_->note_change();
  convert_floating_point(*this, dtype);
}

void Network::move_to(const std::string& device) {
  static CallSite site;
  const RunningCall running(site);
  const at::Device target = device_of("Network.move_to", device);
  const auto lock = state_->lock_settled();
  state_->synchronise();
  state_->note_change();
  replace_contents(*this, [&](const at::Tensor& tensor) { return tensor.to(target); });
}

int64_t Network::parameter_count() const {
  const std::lock_guard<std::mutex> lock(mutex());
  int64_t count = 0;
  for (const at::Tensor& parameter : parameters()) count += parameter.numel();
  return count;
}

at::TensorOptions Network::tensor_options() const {
  const at::Tensor parameter = first_floating_point(*this);
  return parameter.defined() ? parameter.options().requires_grad(std::nullopt) : at::TensorOptions(at::kFloat);
}

std::mutex& Network::mutex() const {
  return state_->mutex();
}

}  // namespace retort
