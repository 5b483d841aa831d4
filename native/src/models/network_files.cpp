// The files that a network is written to and read from.
#include <ATen/core/grad_mode.h>
#include <retort/models/network.h>
#include <torch/csrc/jit/api/module.h>

#include <sstream>

#include "io/state_dict_file.h"
#include "io/whole_file.h"
#include "models/network_state.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

using StateDict = torch::OrderedDict<std::string, at::Tensor>;

/// Requires the entries of a file to be those of a network, but for their dtypes.
void check_fits(const StateDict& loaded, const StateDict& state, const std::string& path) {
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
}

}  // namespace

torch::OrderedDict<std::string, at::Tensor> Network::state_dict() {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = state_->settled();
  return state_->entries();
}

void Network::save_state_dict(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = state_->settled();
  write_state_dict("Network.save_state_dict", state_->entries(), path);
}

void Network::load_state_dict(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  const StateDict loaded = read_state_dict("Network.load_state_dict", path);
  const auto lock = state_->settled();
  const StateDict state = state_->entries();
  check_fits(loaded, state, path);
  state_->begin_turn();
  const at::NoGradGuard no_grad;
  for (const auto& entry : state) at::Tensor(entry.value()).copy_(loaded[entry.key()]);
  state_->serving().publish_again(*this);
}

void Network::save_torchscript(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  std::ostringstream bytes;
  {
    const auto lock = state_->settled();
    state_->program().save(bytes);
  }
  write_whole_file("Network.save_torchscript", path, bytes.str());
}

}  // namespace retort
