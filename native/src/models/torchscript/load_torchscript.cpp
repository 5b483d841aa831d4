#include <retort/models/torchscript.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "io/memory_adapter.h"
#include "io/stream.h"
#include "models/network_state.h"
#include "models/preprocessing_text.h"
#include "models/torchscript/module_taps.h"
#include "models/torchscript/program_network.h"
#include "models/torchscript/read_torchscript.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

constexpr const char* kLoad = "load_torchscript";

/// @param name of the program, for error messages
std::shared_ptr<Network> network_of(
    const ArchiveFile& file, const std::vector<std::string>& tap_names, const std::string& name) {
  torch::jit::ExtraFilesMap extras = {{kPreprocessingRecord, {}}};
  torch::jit::Module program =
      read_torchscript(kLoad, file, "a TorchScript module saved by torch.jit.save", name, extras);
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
  return network_of(open_archive(kLoad, path), tap_names, path);
}

std::shared_ptr<Network> load_torchscript(
    std::istream& stream, const std::vector<std::string>& tap_names, const std::string& name) {
  const std::string bytes = read_stream(kLoad, stream, name);
  static CallSite site;
  const RunningCall running(site);
  return network_of(std::make_shared<MemoryAdapter>(bytes), tap_names, name);
}

}  // namespace retort
