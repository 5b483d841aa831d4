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
    RETORT_CHECK_AS(
        FileError, tensor, "Network.load_state_dict: ", path, " must have the entry ", entry.key(), " (got none)");
    RETORT_CHECK_AS(
        FileError, tensor->sizes() == entry.value().sizes(), "Network.load_state_dict: ", entry.key(),
        " must be of shape ", entry.value().sizes(), " (got ", tensor->sizes(), ")");
  }
  for (const auto& entry : loaded) {
    RETORT_CHECK_AS(
        FileError, state.contains(entry.key()), "Network.load_state_dict: ", path,
        " must have the network's entries only (got ", entry.key(), ")");
  }
}

void copy(const StateDict& from, const StateDict& to) {
  for (const auto& entry : to) at::Tensor(entry.value()).copy_(from[entry.key()]);
}

}  // namespace

torch::OrderedDict<std::string, at::Tensor> Network::state_dict() {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = state_->lock_settled();
  return state_->entries();
}

void Network::save_state_dict(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = state_->lock_settled();
  write_state_dict("Network.save_state_dict", state_->entries(), path);
}

void Network::load_state_dict(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  const StateDict loaded = read_state_dict("Network.load_state_dict", path);
  const auto lock = state_->lock_settled();
  const StateDict state = state_->entries();
  check_fits(loaded, state, path);
  const at::NoGradGuard no_grad;
  StateDict before;
  if (state_->serving().version()) {
    for (const auto& entry : state) before.insert(entry.key(), entry.value().clone());
  }
  state_->note_change();
  copy(loaded, state);
  try {
    state_->serving().publish_again(*this);
  } catch (...) {
    copy(before, state);
    throw;
  }
}

void Network::save_torchscript(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  std::ostringstream bytes;
  {
    const auto lock = state_->lock_settled();
    state_->program().save(bytes);
  }
  write_whole_file("Network.save_torchscript", path, bytes.str());
}

}  // namespace retort
