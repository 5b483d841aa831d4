#include "models/network_state.h"

#include <torch/csrc/jit/api/module.h>

#include <exception>
#include <utility>

#include "models/torchscript/features.h"
#include "models/torchscript/fused_program.h"
#include "tensor/check.h"

namespace retort {

NetworkState::NetworkState(std::vector<std::string> tap_names) : shapes_(std::move(tap_names)) {}

NetworkState::~NetworkState() = default;

void NetworkState::give(Network& network, std::unique_ptr<NetworkState> state) {
  state->network_ = &network;
  network.state_ = std::move(state);
}

torch::OrderedDict<std::string, at::Tensor> NetworkState::entries() {
  synchronise();
  torch::OrderedDict<std::string, at::Tensor> state;
  for (const auto& module : network_->named_modules()) {
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

void NetworkState::publish() {
  synchronise();
  serving_.publish(*network_);
}

std::optional<NetworkOutput> NetworkState::evaluate_fused(const at::Tensor& input) {
  if (convolution() == Convolution::kDirect || !serving_.may_have_fused_program()) return std::nullopt;
  const at::TensorOptions tensors = network_->tensor_options();
  const bool are_floats = tensors.device().is_cpu() && c10::typeMetaToScalarType(tensors.dtype()) == at::kFloat;
  const FusedProgram* const program = are_floats ? serving_.fused_program(*network_) : nullptr;
  if (!program) return std::nullopt;
  return network_->run(input, [&]() -> NetworkOutput {
    const ProgramOutput output = program->run(input, [&](const std::string& reason) { refuse(input, reason); });
    return {output.logits, features_of(output.features, shapes_)};
  });
}

NetworkOutput NetworkState::evaluate(const at::Tensor& input) {
  std::optional<NetworkOutput> output = evaluate_fused(input);
  return output ? std::move(*output) : network_->evaluate(input);
}

void NetworkState::set_preprocessor(std::shared_ptr<const Preprocessor> preprocessor) {
  if (preprocessor->options() == preprocessor_->options()) return;
  note_change();
  std::atomic_store(&preprocessor_, std::move(preprocessor));
}

at::MemoryFormat NetworkState::format_of_maps() const {
  const bool is_faster = takes_channels_last_ && network_->tensor_options().device().is_cpu();
  return is_faster ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

std::unique_ptr<NetworkSnapshot> NetworkState::new_snapshot() {
  return std::make_unique<NetworkSnapshot>(*network_);
}

std::string NetworkState::packed_attributes() const {
  return {};
}

std::function<void()> NetworkState::unpack_attributes(const std::string& bytes) {
  RETORT_CHECK(
      bytes.empty(), "Network.unpack_attributes: bytes must be empty for a network without attributes (got ",
      bytes.size(), " bytes)");
  return [] {};
}

std::unique_lock<std::mutex> NetworkState::settled(std::unique_lock<std::mutex> lock, bool waits) {
  while (lock) {
    const std::shared_ptr<PendingOwner> owner = pending();
    if (!owner) break;
    // It locks its own mutex before the networks'.
    lock.unlock();
    lock = owner->settle_and_lock(*network_, waits);
  }
  return lock;
}

void NetworkState::check_nothing_pending() const {
  RETORT_CHECK(
      pending_.expired(),
      "Network: late result of another training step must be finished first (got one that is pending)");
}

torch::jit::Module NetworkState::program() {
  synchronise();
  return network_->to_torchscript();
}

void NetworkState::refuse(const at::Tensor& /*images*/, const std::string& reason) const {
  fail<c10::Error>(reason);
}

void probe_as_trained(Network& network) {
  const std::vector<int64_t> shape = network.preprocessing().input_shape;
  if (shape.empty() || !network.input_shape().empty()) return;
  try {
    network.probe(shape);
  } catch (const std::exception&) {
  }
}

}  // namespace retort
