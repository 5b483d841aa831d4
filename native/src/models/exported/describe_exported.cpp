#include <c10/util/StringUtil.h>
#include <retort/models/exported.h>

#include <algorithm>
#include <iomanip>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "io/memory_adapter.h"
#include "io/stream.h"
#include "models/exported/archive.h"
#include "models/exported/modes.h"
#include "models/exported/operators.h"
#include "models/exported/read.h"
#include "models/exported/taps.h"
#include "runtime/exit_gate.h"
#include "tensor/names.h"

namespace retort {
namespace {

using exported::ModuleCall;
using exported::ModuleValues;
using exported::Node;
using exported::Program;
using exported::Shape;
using Calls = std::vector<std::pair<ModuleCall, ModuleValues::Values>>;

constexpr const char* kDescribe = "describe_exported";
constexpr const char* kSuggest = "suggest_exported_taps";
constexpr size_t kRankOfMaps = 4;
constexpr size_t kRankOfVectors = 2;

std::string text_of(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += shape[i] ? std::to_string(*shape[i]) : i == 0 ? "batch" : "any";
  }
  return text + "]";
}

Shape shape_of(const Program& program, const std::string& value) {
  const auto found = program.graph.shapes.find(value);
  return found == program.graph.shapes.end() ? Shape() : found->second;
}

/// Of a module with all its parts; tied parameters count once.
int64_t parameters_of(
    const Program& program, const std::map<std::string, at::Tensor>& weights, const std::string& path) {
  std::set<const at::TensorImpl*> seen;
  int64_t count = 0;
  for (const exported::BoundTensor& bound : program.tensors) {
    if (bound.kind != exported::BoundTensor::Kind::kParameter) continue;
    const auto found = weights.find(bound.name);
    if (found == weights.end() || (!path.empty() && !is_part_of(bound.name, path))) continue;
    if (seen.insert(found->second.unsafeGetTensorImpl()).second) count += found->second.numel();
  }
  return count;
}

std::string text_of(const ModuleCall& call) {
  return call.number == 0 ? call.path : call.path + "@" + std::to_string(call.number);
}

/// A tap to begin with: its name, where it is and what it sees.
struct Suggestion {
  std::string name;
  std::string path;
  Shape shape;
};

/// The last map of a size.
struct LastMap {
  std::string path;
  std::string before_relu;
  Shape shape;
};

/// For each size of maps the last one that a module returns: the outermost module that returns it, and the ReLU that it
/// is the input of before, for losses that compare there.
std::vector<LastMap> last_maps(const Program& program, const Calls& calls) {
  std::vector<LastMap> found;
  for (const auto& [call, values] : calls) {
    if (call.path.empty() || values.returned.size() != 1) continue;
    const std::string& value = values.returned.front();
    const Shape shape = shape_of(program, value);
    if (shape.size() != kRankOfMaps || shape[2].value_or(2) * shape[3].value_or(2) == 1) continue;
    const auto same_size = [&](const LastMap& one) { return one.shape[2] == shape[2] && one.shape[3] == shape[3]; };
    auto place = std::find_if(found.begin(), found.end(), same_size);
    if (place == found.end()) place = found.insert(found.end(), LastMap());
    *place = {text_of(call), "", shape};
    for (const auto& [other, others] : calls) {
      if (others.returned != values.returned || other.path.empty()) continue;
      if (other.path.size() < place->path.size()) place->path = text_of(other);
      const bool is_relu = other.type == "ReLU" || other.type == "ReLU6";
      if (is_relu && others.taken.size() == 1) place->before_relu = text_of(other) + ":in";
    }
  }
  return found;
}

/// What the classifier, the outermost module that makes logits of vectors, is given.
std::optional<Suggestion> embedding(const Program& program, const Calls& calls, const std::string& logits) {
  std::optional<Suggestion> found;
  for (const auto& [call, values] : calls) {
    if (call.path.empty() || values.taken.size() != 1 || values.returned != std::vector<std::string>{logits}) continue;
    const Shape shape = shape_of(program, values.taken.front());
    const std::string path = text_of(call) + ":in";
    if (shape.size() != kRankOfVectors || (found && found->path.size() < path.size())) continue;
    found = Suggestion{"embedding", path, shape};
  }
  return found;
}

/// As the taps of native networks are called: the layers, the same before their ReLU, and the embedding.
std::vector<Suggestion> suggestions(const Program& program, const Calls& calls, const std::string& logits) {
  std::vector<Suggestion> found;
  const std::vector<LastMap> maps = last_maps(program, calls);
  for (size_t i = 0; i < maps.size(); ++i) {
    const std::string name = "layer" + std::to_string(i + 1);
    found.push_back({name, maps[i].path, maps[i].shape});
    if (!maps[i].before_relu.empty()) found.push_back({name + ".pre", maps[i].before_relu, maps[i].shape});
  }
  if (const auto vector = embedding(program, calls, logits)) found.push_back(*vector);
  return found;
}

std::vector<std::string> suggest(const ArchiveFile& file) {
  exported::Archive archive(std::move(file));
  const Program program = exported::read_program(archive.program(archive.main_program()));
  std::vector<std::string> taps;
  for (const Suggestion& one :
       suggestions(program, ModuleValues(program).calls(), exported::network_results(program).logits)) {
    taps.push_back(one.name + "=" + one.path);
  }
  return taps;
}

std::string describe(const ArchiveFile& file) {
  exported::Archive archive(std::move(file));
  const std::string name = archive.main_program();
  const Program program = exported::read_program(archive.program(name));
  const auto weights = archive.weights(name);
  const exported::NetworkResults results = exported::network_results(program);
  const Calls calls = ModuleValues(program).calls();

  std::ostringstream text;
  text << "PyTorch " << program.torch_version << ", " << program.graph.nodes.size() << " operators, "
       << parameters_of(program, weights, "") << " parameters\n"
       << "images " << text_of(shape_of(program, images_of(program))) << ", logits "
       << text_of(shape_of(program, results.logits)) << '\n';
  for (const exported::Feature& feature : results.features) {
    text << "feature " << feature.name << ' ' << text_of(shape_of(program, feature.value)) << '\n';
  }
  if (archive.has_evaluation_program()) text << "with a program of its own for evaluation\n";
  if (exported::is_of_evaluation(program)) text << "exported in evaluation mode: it can teach, not learn\n";
  for (const std::string& noise : exported::noise_in(program)) {
    if (!archive.has_evaluation_program()) text << noise << " draws random numbers in evaluation mode, too\n";
  }

  size_t width = std::string("module").size();
  for (const auto& [call, values] : calls) width = std::max(width, text_of(call).size());
  const auto row = [&](const std::string& module, const std::string& type, const std::string& parameters,
                       const std::string& returned) {
    text << std::left << std::setw(static_cast<int>(width) + 2) << module << std::setw(26) << type << std::right
         << std::setw(12) << parameters << "  " << returned << '\n';
  };
  text << '\n';
  row("module", "class", "parameters", "returns");
  for (const auto& [call, values] : calls) {
    if (call.path.empty()) continue;
    std::vector<std::string> shapes;
    for (const std::string& value : values.returned) shapes.push_back(text_of(shape_of(program, value)));
    row(text_of(call), call.type, std::to_string(parameters_of(program, weights, call.path)), c10::Join(", ", shapes));
  }

  const std::vector<Suggestion> taps = suggestions(program, calls, results.logits);
  if (!taps.empty()) text << "\ntaps to begin with\n";
  for (const Suggestion& tap : taps) text << tap.name << '=' << tap.path << "  " << text_of(tap.shape) << '\n';
  return text.str();
}

}  // namespace

std::string describe_exported(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  return exported::read(kDescribe, path, open_archive(kDescribe, path), describe);
}

std::string describe_exported(std::istream& stream, const std::string& name) {
  const std::string bytes = read_stream(kDescribe, stream, name);
  static CallSite site;
  const RunningCall running(site);
  return exported::read(kDescribe, name, std::make_shared<MemoryAdapter>(bytes), describe);
}

std::vector<std::string> suggest_exported_taps(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  return exported::read(kSuggest, path, open_archive(kSuggest, path), suggest);
}

std::vector<std::string> suggest_exported_taps(std::istream& stream, const std::string& name) {
  const std::string bytes = read_stream(kSuggest, stream, name);
  static CallSite site;
  const RunningCall running(site);
  return exported::read(kSuggest, name, std::make_shared<MemoryAdapter>(bytes), suggest);
}

}  // namespace retort
