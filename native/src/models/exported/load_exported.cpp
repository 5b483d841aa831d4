#include <caffe2/serialize/file_adapter.h>
#include <retort/models/exported.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "io/memory_adapter.h"
#include "io/stream.h"
#include "io/whole_file.h"
#include "models/exported/archive.h"
#include "models/exported/emitter.h"
#include "models/exported/operators.h"
#include "models/exported/structure.h"
#include "models/exported/taps.h"
#include "models/torchscript/program_network.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

using exported::Archive;
using exported::Node;
using exported::NodeKind;
using exported::Program;
using exported::ProgramResult;
using exported::Source;
using exported::Tap;

constexpr const char* kLoad = "load_exported";
/// What package_pt2 calls the programs of a file with two.
constexpr const char* kMain = "model";
constexpr const char* kEvaluation = "evaluation";

std::vector<ProgramResult> features_of(const Program& program, const std::vector<Tap>& taps) {
  if (taps.empty()) return program.features;
  const exported::ModuleValues modules(program);
  std::vector<ProgramResult> features;
  for (const Tap& tap : taps) features.push_back({tap.name, modules.value_of(tap)});
  return features;
}

/// @throws FileError whose message is the reason
std::string main_program(Archive& archive) {
  const std::vector<std::string> names = archive.programs();
  if (names.size() == 1) return names.front();
  if (std::find(names.begin(), names.end(), kMain) != names.end()) return kMain;
  fail<FileError>("its programs are ", c10::Join(", ", names), ", and none is called ", kMain);
}

Source read_source(Archive& archive, const std::string& name, const std::vector<Tap>& taps) {
  Source source = {exported::read_program(archive.program(name)), archive.weights(name), archive.constants(name), {}};
  source.features = features_of(source.program, taps);
  return source;
}

/// Why a program can't learn; empty if it can.
std::string cannot_learn(const Program& program) {
  bool evaluates = false;
  for (const Node& node : program.graph.nodes) {
    if (kind_of(node) != NodeKind::kOperator) continue;
    const exported::Operator op = operator_of(node);
    if (!has_mode(node, op)) continue;
    if (is_in_training(node, op)) return {};
    evaluates = true;
  }
  return evaluates ? "exported in training mode, by export(model.train(), …)" : "";
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
  const std::string name = main_program(archive);
  const Source source = read_source(archive, name, taps);
  std::optional<Source> evaluation;
  const std::vector<std::string> programs = archive.programs();
  if (name != kEvaluation && std::find(programs.begin(), programs.end(), kEvaluation) != programs.end()) {
    evaluation = read_source(archive, kEvaluation, taps);
  }
  ProgramTraits traits;
  traits.name = "ExportedNetwork";
  for (const ProgramResult& feature : source.features) traits.tap_names.push_back(feature.name);
  traits.input_shape = input_shape_of(source.program);
  traits.structure = structure_of(source.program, source.features);
  traits.cannot_learn = cannot_learn(source.program);
  return program_network(exported::emit(source, evaluation ? &*evaluation : nullptr), std::move(traits));
}

/// The reason in one line, without names of the libraries that give it.
std::string reason_of(const std::exception& error) {
  const auto* known = dynamic_cast<const c10::Error*>(&error);
  std::string text = known ? known->what_without_backtrace() : error.what();
  if (const size_t end = text.find("] "); text.compare(0, 16, "[json.exception.") == 0 && end != std::string::npos) {
    text.erase(0, end + 2);
  }
  return text.substr(0, text.find('\n'));
}

/// @param name of the file, for error messages
std::shared_ptr<Network> load(
    std::shared_ptr<caffe2::serialize::ReadAdapterInterface> file, const std::vector<std::string>& taps,
    const std::string& name) {
  const std::vector<Tap> parsed = exported::parse_taps(taps);
  std::string reason;
  try {
    return network_of(std::move(file), parsed);
  } catch (const FileError& error) {
    reason = reason_of(error);
  } catch (const c10::ValueError&) {
    throw;  // about the taps
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const std::exception& error) {
    reason = reason_of(error);
  }
  fail<FileError>(kLoad, ": file must be a program of torch.export that can be run (got ", name, ": ", reason, ")");
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
