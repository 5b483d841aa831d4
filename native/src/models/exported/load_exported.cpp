#include <caffe2/serialize/file_adapter.h>
#include <retort/models/exported.h>

#include <algorithm>
#include <utility>

#include "io/memory_adapter.h"
#include "io/stream.h"
#include "io/whole_file.h"
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
using exported::Program;
using exported::ProgramResult;
using exported::Source;
using exported::Tap;

constexpr const char* kLoad = "load_exported";

std::vector<ProgramResult> features_of(const Program& program, const std::vector<Tap>& taps) {
  if (taps.empty()) return program.features;
  const exported::ModuleValues modules(program);
  std::vector<ProgramResult> features;
  for (const Tap& tap : taps) features.push_back({tap.name, modules.value_of(tap)});
  return features;
}

Source read_source(Archive& archive, const std::string& name, const std::vector<Tap>& taps) {
  Source source = {exported::read_program(archive.program(name)), archive.weights(name), archive.constants(name), {}};
  source.features = features_of(source.program, taps);
  return source;
}

std::vector<std::optional<int64_t>> input_shape_of(const Program& program) {
  const auto found = program.graph.shapes.find(program.images);
  if (found == program.graph.shapes.end() || found->second.empty()) fail<FileError>("its images have no shape");
  const exported::Shape& shape = found->second;
  if (shape.front()) {
    fail<FileError>(
        "its batch is fixed at ", *shape.front(),
        ", export it with dynamic_shapes=({0: torch.export.Dim(\"batch\")},) and two images or more");
  }
  return {shape.begin() + 1, shape.end()};
}

std::shared_ptr<Network> network_of(
    std::shared_ptr<caffe2::serialize::ReadAdapterInterface> file, const std::vector<Tap>& taps) {
  Archive archive(std::move(file));
  const std::string name = archive.main_program();
  const Source source = read_source(archive, name, taps);
  std::optional<Source> evaluation;
  if (archive.has_evaluation_program()) {
    evaluation = read_source(archive, Archive::kEvaluation, taps);
    const bool is_alike = std::equal(
        source.features.begin(), source.features.end(), evaluation->features.begin(), evaluation->features.end(),
        [](const ProgramResult& one, const ProgramResult& other) { return one.name == other.name; });
    if (!is_alike) fail<FileError>("its program of evaluation returns other features");
  }
  ProgramTraits traits;
  traits.name = "ExportedNetwork";
  for (const ProgramResult& feature : source.features) traits.tap_names.push_back(feature.name);
  traits.input_shape = input_shape_of(source.program);
  traits.structure = structure_of(source.program, source.features);
  if (exported::is_of_evaluation(source.program)) {
    traits.cannot_learn = "exported in training mode, by export(model.train(), …)";
  }
  if (!evaluation) {
    for (const std::string& name_of_operator : exported::noise_in(source.program)) {
      TORCH_WARN(
          kLoad, ": ", name_of_operator,
          " draws random numbers in evaluation mode, too (a program called evaluation "
          "beside this one, without it, would run there)");
    }
  }
  return program_network(exported::emit(source, evaluation ? &*evaluation : nullptr), std::move(traits));
}

/// @param name of the file, for error messages
std::shared_ptr<Network> load(
    std::shared_ptr<caffe2::serialize::ReadAdapterInterface> file, const std::vector<std::string>& taps,
    const std::string& name) {
  const std::vector<Tap> parsed = exported::parse_taps(taps);
  return exported::read(kLoad, name, [&] { return network_of(std::move(file), parsed); });
}

}  // namespace

std::shared_ptr<Network> load_exported(const std::string& path, const std::vector<std::string>& taps) {
  static CallSite site;
  const RunningCall running(site);
  require_file(kLoad, path);
  return load(std::make_shared<caffe2::serialize::FileAdapter>(path), taps, path);
}

std::shared_ptr<Network> load_exported(
    std::istream& stream, const std::vector<std::string>& taps, const std::string& name) {
  const std::string bytes = read_stream(kLoad, stream, name);
  static CallSite site;
  const RunningCall running(site);
  return load(std::make_shared<MemoryAdapter>(bytes), taps, name);
}

}  // namespace retort
