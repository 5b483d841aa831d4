// The files and streams that a network is written to and read from.
#include <ATen/core/grad_mode.h>
#include <retort/models/network.h>
#include <torch/csrc/jit/api/module.h>

#include <sstream>

#include "io/state_dict_file.h"
#include "io/stream.h"
#include "io/whole_file.h"
#include "models/network_state.h"
#include "models/preprocessing_text.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

using StateDict = torch::OrderedDict<std::string, at::Tensor>;

constexpr const char* kSaveStateDict = "Network.save_state_dict";
constexpr const char* kLoadStateDict = "Network.load_state_dict";
constexpr const char* kSaveTorchScript = "Network.save_torchscript";

/// Requires the entries of a file to be those of a network, but for their dtypes.
void check_fits(const StateDict& loaded, const StateDict& state, const std::string& name) {
  for (const auto& entry : state) {
    const at::Tensor* tensor = loaded.find(entry.key());
    RETORT_CHECK_AS(FileError, tensor, kLoadStateDict, ": ", name, " must have the entry ", entry.key(), " (got none)");
    RETORT_CHECK_AS(
        FileError, tensor->sizes() == entry.value().sizes(), kLoadStateDict, ": ", entry.key(), " must be of shape ",
        entry.value().sizes(), " (got ", tensor->sizes(), ")");
  }
  for (const auto& entry : loaded) {
    RETORT_CHECK_AS(
        FileError, state.contains(entry.key()), kLoadStateDict, ": ", name,
        " must have the network's entries only (got ", entry.key(), ")");
  }
}

void copy(const StateDict& from, const StateDict& to) {
  for (const auto& entry : to) at::Tensor(entry.value()).copy_(from[entry.key()]);
}

/// Does not hold the mutex any more when the bytes are written: a disk or a stream may take its time.
std::string packed_entries(NetworkState& state) {
  std::string bytes;
  const auto lock = state.lock_settled();
  append_archive(state.entries(), bytes, {{kPreprocessingRecord, packed(state.preprocessor()->options())}});
  return bytes;
}

std::string packed_program(NetworkState& state) {
  std::ostringstream bytes;
  const auto lock = state.lock_settled();
  state.program().save(bytes, {{kPreprocessingRecord, packed(state.preprocessor()->options())}});
  return bytes.str();
}

/// Takes over what a file holds.
/// @param preprocessing the text of its record; empty if it has none
/// @param name of what was loaded, for error messages
void take_over(Network& network, const StateDict& loaded, const std::string& preprocessing, const std::string& name) {
  NetworkState& state = NetworkState::of(network);
  std::shared_ptr<const Preprocessor> preprocessor;  // null for the network's own
  if (!preprocessing.empty()) {
    preprocessor = std::make_shared<Preprocessor>("Network", parse_preprocessing(kLoadStateDict, preprocessing, name));
  }
  const auto lock = state.lock_settled();
  const StateDict entries = state.entries();
  check_fits(loaded, entries, name);
  const at::NoGradGuard no_grad;
  StateDict before;
  if (state.serving().version()) {
    for (const auto& entry : entries) before.insert(entry.key(), entry.value().clone());
  }
  const std::shared_ptr<const Preprocessor> preprocessor_before = state.preprocessor();
  state.note_change();
  if (preprocessor) state.set_preprocessor(preprocessor);
  copy(loaded, entries);
  try {
    state.serving().publish_again(network);
  } catch (...) {
    copy(before, entries);
    state.set_preprocessor(preprocessor_before);
    throw;
  }
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
  write_whole_file(kSaveStateDict, path, packed_entries(*state_));
}

void Network::save_state_dict(std::ostream& stream) {
  const auto pack = [this] {
    static CallSite site;
    const RunningCall running(site);
    return packed_entries(*state_);
  };
  write_stream(kSaveStateDict, stream, pack());
}

void Network::load_state_dict(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  ExtraRecord preprocessing = {kPreprocessingRecord, {}};
  const StateDict loaded = read_state_dict(kLoadStateDict, path, &preprocessing);
  take_over(*this, loaded, preprocessing.text, path);
  probe_as_trained(*this);
}

void Network::load_state_dict(std::istream& stream, const std::string& name) {
  const std::string bytes = read_stream(kLoadStateDict, stream, name);
  static CallSite site;
  const RunningCall running(site);
  ExtraRecord preprocessing = {kPreprocessingRecord, {}};
  const StateDict loaded = parse_state_dict(kLoadStateDict, bytes, name, &preprocessing);
  take_over(*this, loaded, preprocessing.text, name);
  probe_as_trained(*this);
}

void Network::save_torchscript(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  write_whole_file(kSaveTorchScript, path, packed_program(*state_));
}

void Network::save_torchscript(std::ostream& stream) {
  const auto pack = [this] {
    static CallSite site;
    const RunningCall running(site);
    return packed_program(*state_);
  };
  write_stream(kSaveTorchScript, stream, pack());
}

}  // namespace retort
