#include <retort/models/exported.h>

#include <algorithm>
#include <utility>

#include "io/memory_adapter.h"
#include "io/stream.h"
#include "models/exported/archive.h"
#include "models/exported/emitter.h"
#include "models/exported/modes.h"
#include "models/exported/read.h"
#include "models/exported/structure.h"
#include "models/exported/taps.h"
#include "models/torchscript/program_network.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

using exported::Archive;
using exported::Feature;
using exported::NetworkSource;
using exported::Program;
using exported::Source;

constexpr const char* kLoad = "load_exported";

NetworkSource read_network(Archive& archive, const std::string& name, const std::vector<ModuleTap>& taps) {
  NetworkSource network = {exported::read_source(archive, name), "", {}};
  const Program& program = network.source.program;
  exported::NetworkResults results = exported::network_results(program);
  network.logits = results.logits;
  if (taps.empty()) {
    network.features = std::move(results.features);
  } else {
    const exported::ModuleValues modules(program);
    for (const ModuleTap& tap : taps) network.features.push_back({tap.name, modules.value_of(tap)});
  }
  return network;
}

std::vector<std::optional<int64_t>> input_shape_of(const Program& program) {
  const auto found = program.graph.shapes.find(images_of(program));
  if (found == program.graph.shapes.end() || found->second.empty()) fail<FileError>("its images have no shape");
  const exported::Shape& shape = found->second;
  if (shape.front()) {
    fail<FileError>(
        "its batch is fixed at ", *shape.front(),
        ", export it with dynamic_shapes=({0: torch.export.Dim(\"batch\")},) and two images or more");
  }
  return {shape.begin() + 1, shape.end()};
}

std::shared_ptr<Network> network_of(const ArchiveFile& file, const std::vector<ModuleTap>& taps) {
  Archive archive(std::move(file));
  const NetworkSource network = read_network(archive, archive.main_program(), taps);
  const Program& program = network.source.program;
  ProgramTraits traits;
  traits.name = "ExportedNetwork";
  for (const Feature& feature : network.features) traits.tap_names.push_back(feature.name);
  traits.input_shape = input_shape_of(program);
  traits.structure = structure_of(program, network.features);
  if (exported::is_of_evaluation(program)) {
    traits.cannot_learn = "exported in training mode, by export(model.train(), …)";
  }
  if (!archive.has_evaluation_program()) {
    for (const std::string& noise : exported::noise_in(program)) {
      TORCH_WARN(
          kLoad, ": ", noise,
          " draws random numbers in evaluation mode, too (a program called evaluation beside this "
          "one would run there instead)");
    }
    return program_network(exported::emit_network(network, nullptr), std::move(traits));
  }
  const NetworkSource evaluation = read_network(archive, Archive::kEvaluation, taps);
  const bool is_alike = std::equal(
      network.features.begin(), network.features.end(), evaluation.features.begin(), evaluation.features.end(),
      [](const Feature& one, const Feature& other) { return one.name == other.name; });
  if (!is_alike) fail<FileError>("its program of evaluation returns other features");
  return program_network(exported::emit_network(network, &evaluation), std::move(traits));
}

/// @param name of the file, for error messages
std::shared_ptr<Network> load(const ArchiveFile& file, const std::vector<std::string>& taps, const std::string& name) {
  const std::vector<ModuleTap> parsed = parse_module_taps(kLoad, taps);
  return exported::read(kLoad, name, file, [&](const ArchiveFile& program) { return network_of(program, parsed); });
}

}  // namespace

std::shared_ptr<Network> load_exported(const std::string& path, const std::vector<std::string>& taps) {
  static CallSite site;
  const RunningCall running(site);
  return load(open_archive(kLoad, path), taps, path);
}

std::shared_ptr<Network> load_exported(
    std::istream& stream, const std::vector<std::string>& taps, const std::string& name) {
  const std::string bytes = read_stream(kLoad, stream, name);
  static CallSite site;
  const RunningCall running(site);
  return load(std::make_shared<MemoryAdapter>(bytes), taps, name);
}

}  // namespace retort
