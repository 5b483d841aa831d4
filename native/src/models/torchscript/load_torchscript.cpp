#include <retort/models/torchscript.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "io/memory_adapter.h"
#include "io/stream.h"
#include "io/whole_file.h"
#include "models/network_state.h"
#include "models/preprocessing_text.h"
#include "models/torchscript/module_taps.h"
#include "models/torchscript/program_network.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

constexpr const char* kLoad = "load_torchscript";

/// @param name of the program, for error messages
std::shared_ptr<Network> network_of(
    const std::function<torch::jit::Module(torch::jit::ExtraFilesMap&)>& read,
    const std::vector<std::string>& tap_names, const std::string& name) {
  torch::jit::Module program;
  torch::jit::ExtraFilesMap extras = {{kPreprocessingRecord, {}}};
  try {
    program = read(extras);
  } catch (const std::exception&) {
    // What LibTorch says about a foreign file speaks of its reader's internals.
    fail<FileError>(kLoad, ": file must be a TorchScript module saved by torch.jit.save (got ", name, ")");
  }
  name_convolutions(program);
  ProgramTraits traits;
  traits.tap_names = tap_names;
  const auto is_path = [](const std::string& tap) { return tap.find('=') != std::string::npos; };
  if (std::any_of(tap_names.begin(), tap_names.end(), is_path)) {
    const std::vector<ModuleTap> taps = parse_module_taps(kLoad, tap_names);
    program = with_module_taps(kLoad, program, taps);
    std::transform(taps.begin(), taps.end(), traits.tap_names.begin(), [](const ModuleTap& tap) { return tap.name; });
  }
  const auto network = program_network(program, std::move(traits));
  if (const std::string& text = extras[kPreprocessingRecord]; !text.empty()) {
    network->set_preprocessing(parse_preprocessing(kLoad, text, name));
    probe_as_trained(*network);
  }
  return network;
}

}  // namespace

std::shared_ptr<Network> load_torchscript(const std::string& path, const std::vector<std::string>& tap_names) {
  static CallSite site;
  const RunningCall running(site);
  require_file(kLoad, path);
  return network_of(
      [&](torch::jit::ExtraFilesMap& extras) { return torch::jit::load(path, at::kCPU, extras); }, tap_names, path);
}

std::shared_ptr<Network> load_torchscript(
    std::istream& stream, const std::vector<std::string>& tap_names, const std::string& name) {
  const std::string bytes = read_stream(kLoad, stream, name);
  static CallSite site;
  const RunningCall running(site);
  return network_of(
      [&](torch::jit::ExtraFilesMap& extras) {
        return torch::jit::load(std::make_shared<MemoryAdapter>(bytes), at::kCPU, extras);
      },
      tap_names, name);
}

}  // namespace retort
