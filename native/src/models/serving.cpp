#include "models/serving.h"

#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <exception>
#include <set>
#include <utility>

#include "models/network_state.h"
#include "models/torchscript/fused_program.h"
#include "runtime/exit_gate.h"

namespace retort {
namespace {

using Tensors = std::set<const c10::TensorImpl*>;

void insert(const at::Tensor& tensor, Tensors& tensors) {
  if (tensor.defined()) tensors.insert(tensor.unsafeGetTensorImpl());
}

Tensors tensors_of(const Network& network) {
  Tensors tensors;
  for (const at::Tensor& parameter : network.parameters()) insert(parameter, tensors);
  for (const at::Tensor& buffer : network.buffers()) insert(buffer, tensors);
  return tensors;
}

Tensors tensors_of(const torch::jit::Module& program) {
  Tensors tensors;
  for (const at::Tensor& parameter : program.parameters()) insert(parameter, tensors);
  for (const at::Tensor& buffer : program.buffers()) insert(buffer, tensors);
  return tensors;
}

/// How often a tensor was written to, as far as LibTorch counts.
int64_t changes_of(const at::Tensor& tensor) {
  return tensor.is_inference() ? 0 : tensor._version();
}

}  // namespace

/// Whether programs of a class change their own state, found out by the first prediction, which has the time.
class Serving::StateCheck {
 public:
  bool changes_itself(const torch::jit::Module& program) {
    std::call_once(once_, [&] { answer_ = may_change_itself(program); });
    return answer_;
  }

 private:
  std::once_flag once_;
  bool answer_ = true;
};

void Serving::publish(Network& network) {
  make_version(network, /*by_itself=*/false);
}

std::shared_ptr<const Serving::Version> Serving::publish_itself(Network& network) {
  if (version_ && (!version_->is_by_itself() || is_current(network))) return version();
  if (has_no_program_) return nullptr;
  try {
    make_version(network, /*by_itself=*/true);
  } catch (const NoProgramError&) {
    has_no_program_ = true;
  } catch (const std::exception&) {
    // Without a version, the network can run itself; with one, it would answer with two sets of weights.
    if (version_) throw;
  }
  return version();
}

void Serving::publish_again(Network& network) {
  if (version_) make_version(network, version_->is_by_itself());
}

void Serving::make_version(Network& network, bool by_itself) {
  // A call of its own within predict(): LibTorch's compiler makes most of its static objects here.
  static CallSite site;
  const RunningCall running(site);
  // A prediction may use the copies under any mode.
  const c10::InferenceMode no_inference(false);
  const at::NoGradGuard no_grad;
  NetworkState& state = NetworkState::of(network);
  update_program(network);
  std::atomic_store(
      &version_,
      std::make_shared<const Version>(
          *program_, state_check_, state.preprocessor(), network.tensor_options(), state.format_of_maps(), by_itself));
  fingerprint_ = {state.revision(), state.packed_attributes(), {}};
  for (const std::vector<at::Tensor>& tensors : {network.parameters(), network.buffers()}) {
    for (const at::Tensor& tensor : tensors) fingerprint_.tensors.emplace_back(tensor, changes_of(tensor));
  }
}

void Serving::update_program(Network& network) {
  if (program_ && tensors_of(*program_) == tensors_of(network)) return;
  torch::jit::Module program = NetworkState::of(network).program();
  if (!program_ || program.type() != program_->type()) state_check_ = std::make_shared<StateCheck>();
  program_ = std::move(program);
  fused_.reset();
}

const FusedProgram* Serving::fused_program(Network& network) {
  if (!may_have_fused_program()) return nullptr;
  try {
    update_program(network);
    if (!fused_) {
      fused_.emplace();
      auto program =
          state_check_->changes_itself(*program_) ? nullptr : std::make_shared<const FusedProgram>(*program_);
      if (program && program->fused() > 0) fused_ = std::move(program);
    }
  } catch (const NoProgramError&) {
    has_no_program_ = true;
    return nullptr;
  } catch (const std::exception&) {
    fused_.emplace();
  }
  return fused_->get();
}

bool Serving::is_current(const Network& network) const {
  const NetworkState& state = NetworkState::of(network);
  const auto is_same = [](const auto& one) { return changes_of(one.first) == one.second; };
  return state.revision() == fingerprint_.revision && state.packed_attributes() == fingerprint_.attributes &&
         std::all_of(fingerprint_.tensors.begin(), fingerprint_.tensors.end(), is_same);
}

Serving::Version::Version(
    const torch::jit::Module& program, std::shared_ptr<StateCheck> state_check,
    std::shared_ptr<const Preprocessor> preprocessor, at::TensorOptions tensors, at::MemoryFormat of_maps,
    bool by_itself)
    : program_(copy_for_evaluation(program)),
      state_check_(std::move(state_check)),
      preprocessor_(std::move(preprocessor)),
      tensors_(tensors),
      of_maps_(of_maps),
      by_itself_(by_itself) {}

at::Tensor Serving::Version::predict(const at::Tensor& input, const Refusal& refuse) const {
  const at::NoGradGuard no_grad;
  // As written: the optimizer profiles and compiles anew in the first passes, for little in a network.
  const torch::jit::GraphOptimizerEnabledGuard no_optimizer(false);
  std::unique_lock<std::mutex> alone(one_at_a_time_, std::defer_lock);
  if (state_check_->changes_itself(program_)) alone.lock();
  return run_program(program_, input, refuse).logits;
}

}  // namespace retort
