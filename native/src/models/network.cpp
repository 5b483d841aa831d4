#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <retort/models/network.h>

#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <sstream>

#include "io/state_dict_file.h"
#include "io/whole_file.h"
#include "models/module_mode.h"
#include "models/serving.h"
#include "runtime/cuda.h"
#include "runtime/exit_gate.h"
#include "runtime/threads.h"
#include "tensor/check.h"
#include "tensor/convert.h"
#include "tensor/labels.h"
#include "tensor/parameters.h"
#include "tensor/remember.h"

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

}  // namespace

Network::Network(std::vector<std::string> tap_names)
    : tap_names_(std::move(tap_names)), serving_(std::make_unique<Serving>()) {}

Network::~Network() = default;

NetworkOutput Network::forward(const at::Tensor& images) {
  adopt_threads();
  check_batch(images);
  check_images(images);
  NetworkOutput output = compute(images);
  const int64_t batch = images.size(0);
  check_logits(output.logits, batch);
  RETORT_CHECK_AS(
      ShapeError, output.features.size() == tap_names_.size(), "Network.forward: features must be one for each of ",
      tap_names_.size(), " taps (got ", output.features.size(), ")");
  for (size_t i = 0; i < output.features.size(); ++i) {
    const at::Tensor& feature = output.features[i];
    RETORT_CHECK_AS(
        ShapeError, feature.defined() && feature.dim() > 0 && feature.size(0) == batch, "Network.forward: feature '",
        tap_names_[i], "' must have the batch of ", batch, " first (got ", shape_of(feature), ")");
  }
  return output;
}

NetworkOutput Network::evaluate(const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  const ModulePlan evaluation(*this, /*trains=*/false);
  const ModuleMode mode(evaluation);
  return forward(images.defined() ? images.to(tensor_options().device()) : images);
}

void Network::publish() {
  static CallSite site;
  const RunningCall running(site);
  const std::lock_guard<std::mutex> lock(mutex_);
  publish_held();
}

void Network::publish_held() {
  synchronise();
  serving_->publish(*this);
}

at::Tensor Network::predict(const at::Tensor& images) {
  static CallSite site;
  const RunningCall running(site);
  const auto published = serving_->version();
  if (!published) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return evaluate(images).logits;
  }
  adopt_threads();
  check_batch(images);
  check_images(images);
  at::Tensor logits = published->predict(images, [&](const std::string& reason) { refuse(images, reason); });
  check_logits(logits, images.size(0));
  return logits;
}

double Network::accuracy(const at::Tensor& images, const at::Tensor& labels) {
  static CallSite site;
  const RunningCall running(site);
  const std::lock_guard<std::mutex> lock(mutex_);
  const at::Tensor logits = evaluate(images).logits;
  const int64_t labeled = check_labels("Network.accuracy", labels, logits.size(0), logits.size(1));
  RETORT_CHECK(labeled > 0, "Network.accuracy: labels must name at least one class (got none)");
  return static_cast<double>(count_correct(logits, labels)) / static_cast<double>(labeled);
}

void Network::probe(const std::vector<int64_t>& input_shape) {
  static CallSite site;
  const RunningCall running(site);
  RETORT_CHECK(
      !input_shape.empty() && std::all_of(input_shape.begin(), input_shape.end(), [](int64_t n) { return n > 0; }),
      "Network.probe: input shape must have positive sizes (got ", at::IntArrayRef(input_shape), ")");
  const std::lock_guard<std::mutex> lock(mutex_);
  check_snapshot_is_free(nullptr);
  // Two images, so that a network that drops a batch of one is found out by the checks of forward().
  std::vector<int64_t> shape = {2};
  shape.insert(shape.end(), input_shape.begin(), input_shape.end());
  saved_buffers_.reset();
  snapshot();
  NetworkOutput output;
  try {
    output = evaluate(at::zeros(shape, tensor_options()));
  } catch (...) {
    restore();
    throw;
  }
  restore();
  // The first forward pass may have registered more.
  saved_buffers_.reset();
  snapshot();
  const std::lock_guard<std::mutex> shapes_lock(shapes_mutex_);
  input_shape_ = input_shape;
  classes_ = output.logits.size(1);
  tap_shapes_.clear();
  for (const at::Tensor& feature : output.features) tap_shapes_.push_back(feature.sizes().slice(1).vec());
}

std::vector<int64_t> Network::input_shape() const {
  const std::lock_guard<std::mutex> lock(shapes_mutex_);
  return input_shape_;
}

int64_t Network::classes() const {
  const std::lock_guard<std::mutex> lock(shapes_mutex_);
  return classes_;
}

std::vector<std::string> Network::tap_names() const {
  const std::lock_guard<std::mutex> lock(shapes_mutex_);
  return tap_names_;
}

std::vector<int64_t> Network::tap_shape(const std::string& name) const {
  const std::lock_guard<std::mutex> lock(shapes_mutex_);
  const size_t index = find_tap(name);
  RETORT_CHECK(!tap_shapes_.empty(), "Network: shapes must be known, call probe first (got tap ", name, ")");
  return tap_shapes_[index];
}

int64_t Network::tap_index(const std::string& name) const {
  const std::lock_guard<std::mutex> lock(shapes_mutex_);
  return static_cast<int64_t>(find_tap(name));
}

NetworkStructure Network::known_structure(const char* function) const {
  std::optional<NetworkStructure> known = structure();
  const std::string type = name();
  RETORT_CHECK(
      known, function, ": network must be a native one, or implement structure (got ", type.substr(type.rfind(':') + 1),
      ")");
  return std::move(*known);
}

std::vector<std::string> Network::backbone() const {
  return known_structure("Network.backbone").backbone;
}

std::string Network::norm_before(const std::string& tap) const {
  const std::vector<NormBefore> norms = known_structure("Network.norm_before").norms;
  tap_index(tap);  // which fails if there is none
  std::vector<std::string> taps;
  for (const NormBefore& known : norms) {
    if (known.tap == tap) return known.norm;
    taps.push_back(known.tap);
  }
  RETORT_CHECK(!taps.empty(), "Network.norm_before: network must have a BatchNorm before a tap (got none)");
  fail("Network.norm_before: tap must be one of ", c10::Join(", ", taps), " (got ", tap, ")");
}

void Network::set_tap_names(std::vector<std::string> names) {
  const std::lock_guard<std::mutex> lock(shapes_mutex_);
  tap_names_ = std::move(names);
}

size_t Network::find_tap(const std::string& name) const {
  const auto found = std::find(tap_names_.begin(), tap_names_.end(), name);
  RETORT_CHECK(
      found != tap_names_.end(), "Network: tap must be one of ", c10::Join(", ", tap_names_), " (got ", name, ")");
  return static_cast<size_t>(found - tap_names_.begin());
}

torch::OrderedDict<std::string, at::Tensor> Network::state_dict() {
  static CallSite site;
  const RunningCall running(site);
  const std::lock_guard<std::mutex> lock(mutex_);
  return entries();
}

torch::OrderedDict<std::string, at::Tensor> Network::entries() {
  synchronise();
  torch::OrderedDict<std::string, at::Tensor> state;
  for (const auto& module : named_modules(/*name_prefix=*/std::string(), /*include_self=*/true)) {
    const std::string prefix = module.key().empty() ? "" : module.key() + ".";
    for (const auto& entry : module.value()->named_parameters(/*recurse=*/false)) {
      state.insert(prefix + entry.key(), entry.value().detach());
    }
    for (const auto& entry : module.value()->named_buffers(/*recurse=*/false)) {
      state.insert(prefix + entry.key(), entry.value());
    }
  }
  return state;
}

void Network::save_state_dict(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  const std::lock_guard<std::mutex> lock(mutex_);
  write_state_dict("Network.save_state_dict", entries(), path);
}

void Network::load_state_dict(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  const auto loaded = read_state_dict("Network.load_state_dict", path);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto state = entries();
  for (const auto& entry : state) {
    const at::Tensor* tensor = loaded.find(entry.key());
    RETORT_CHECK(tensor, "Network.load_state_dict: ", path, " must have the entry ", entry.key(), " (got none)");
    RETORT_CHECK(
        tensor->sizes() == entry.value().sizes(), "Network.load_state_dict: ", entry.key(), " must be of shape ",
        entry.value().sizes(), " (got ", tensor->sizes(), ")");
  }
  for (const auto& entry : loaded) {
    RETORT_CHECK(
        state.contains(entry.key()), "Network.load_state_dict: ", path, " must have the network's entries only (got ",
        entry.key(), ")");
  }
  const at::NoGradGuard no_grad;
  for (const auto& entry : state) at::Tensor(entry.value()).copy_(loaded[entry.key()]);
}

void Network::save_torchscript(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  std::ostringstream bytes;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    synchronise();
    to_torchscript().save(bytes);
  }
  write_whole_file("Network.save_torchscript", path, bytes.str());
}

void Network::check_images(const at::Tensor&) const {}

void Network::refuse(const at::Tensor&, const std::string& reason) const {
  fail<c10::Error>(reason);
}

torch::jit::Module Network::to_torchscript() {
  fail("Network: network must be a native or a TorchScript one, or implement to_torchscript (got ", name(), ")");
}

std::optional<NetworkStructure> Network::structure() const {
  return std::nullopt;
}

void Network::convert(at::ScalarType dtype) {
  static CallSite site;
  const RunningCall running(site);
  RETORT_CHECK(at::isFloatingType(dtype), "Network.convert: dtype must be floating point (got ", dtype, ")");
  const std::lock_guard<std::mutex> lock(mutex_);
  synchronise();
  convert_floating_point(*this, dtype);
}

void Network::move_to(const std::string& device) {
  static CallSite site;
  const RunningCall running(site);
  const at::Device target = device_of("Network.move_to", device);
  const std::lock_guard<std::mutex> lock(mutex_);
  synchronise();
  const at::NoGradGuard no_grad;
  for (const std::vector<at::Tensor>& tensors : {parameters(), buffers()}) {
    for (const at::Tensor& tensor : tensors) tensor.set_data(tensor.detach().to(target));
  }
}

int64_t Network::parameter_count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  int64_t count = 0;
  for (const at::Tensor& parameter : parameters()) count += parameter.numel();
  return count;
}

at::TensorOptions Network::tensor_options() const {
  const at::Tensor parameter = first_floating_point(*this);
  return parameter.defined() ? parameter.options().requires_grad(std::nullopt) : at::TensorOptions(at::kFloat);
}

void Network::snapshot() {
  synchronise();
  const at::NoGradGuard no_grad;
  if (!saved_buffers_) saved_buffers_ = buffers();
  remember(saved_contents_, *saved_buffers_);
  ++snapshots_;
}

void Network::restore() {
  const at::NoGradGuard no_grad;
  if (saved_buffers_) copy_all(*saved_buffers_, saved_contents_);
}

void Network::check_snapshot_is_free(const void* owner) const {
  RETORT_CHECK(
      !snapshot_owner_ || snapshot_owner_ == owner,
      "Network: late result of another training step must be finished first (got one that is pending)");
}

std::string Network::packed_attributes() const {
  return {};
}

void Network::unpack_attributes(const std::string& bytes) {
  RETORT_CHECK(
      bytes.empty(), "Network.unpack_attributes: bytes must be empty for a network without attributes (got ",
      bytes.size(), " bytes)");
}

}  // namespace retort
