#include "models/exported/structure.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "models/exported/operators.h"
#include "tensor/names.h"

namespace retort::exported {
namespace {

constexpr size_t kRankOfMaps = 4;

class Makers {
 public:
  explicit Makers(const Program& program) {
    for (const Node& node : program.graph.nodes) {
      for (const Node::Output& output : node.outputs) {
        for (const std::string& value : output.names) made_by_.emplace(value, &node);
      }
    }
    for (const BoundTensor& tensor : program.tensors) {
      if (tensor.kind == BoundTensor::Kind::kParameter) parameters_.emplace(tensor.value, tensor.name);
    }
  }

  /// The BatchNorm layer that a value is the output of, perhaps plus a shortcut; empty if there is none.
  std::string norm_of(const std::string& value) const {
    const auto found = made_by_.find(value);
    if (found == made_by_.end() || kind_of(*found->second) != NodeKind::kOperator) return {};
    const Node& node = *found->second;
    const std::string name = operator_of(node).name;
    if (name == "batch_norm") {
      const Argument* weight = find_argument(node, "weight");
      const auto* given = weight ? std::get_if<ValueName>(weight) : nullptr;
      const auto parameter = given ? parameters_.find(given->name) : parameters_.end();
      if (parameter == parameters_.end()) return {};
      return parameter->second.substr(0, parameter->second.rfind('.'));
    }
    if (name != "add" && name != "add_") return {};
    // A block's own branch comes first, its shortcut may have a BatchNorm, too.
    for (const char* operand : {"self", "other"}) {
      const Argument* argument = find_argument(node, operand);
      const auto* given = argument ? std::get_if<ValueName>(argument) : nullptr;
      if (!given || given->name == value) continue;
      if (std::string norm = norm_of(given->name); !norm.empty()) return norm;
    }
    return {};
  }

  /// The names of the parameters that a value is computed from.
  std::set<std::string> parameters_behind(const std::string& value) const {
    std::set<std::string> names, seen = {value};
    std::vector<std::string> left = {value};
    while (!left.empty()) {
      const std::string one = left.back();
      left.pop_back();
      if (const auto parameter = parameters_.find(one); parameter != parameters_.end()) names.insert(parameter->second);
      const auto maker = made_by_.find(one);
      if (maker == made_by_.end()) continue;
      for (const auto& [name, argument] : maker->second->arguments) {
        for (const std::string& given : values_in(argument)) {
          if (seen.insert(given).second) left.push_back(given);
        }
      }
    }
    return names;
  }

 private:
  std::map<std::string, const Node*> made_by_;
  std::map<std::string, std::string> parameters_;
};

std::string last_map(const Graph& graph) {
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    for (const Node::Output& output : node->outputs) {
      for (const std::string& value : output.names) {
        const auto shape = graph.shapes.find(value);
        if (shape != graph.shapes.end() && shape->second.size() == kRankOfMaps) return value;
      }
    }
  }
  return {};
}

/// The outermost modules all of whose parameters are among `wanted`, and parameters that are in none.
std::vector<std::string> modules_of(const std::vector<std::string>& parameters, const std::set<std::string>& wanted) {
  std::vector<std::string> modules;
  for (const std::string& parameter : parameters) {
    if (wanted.count(parameter) == 0 || is_among(parameter, modules)) continue;
    for (size_t end = parameter.find('.');; end = parameter.find('.', end + 1)) {
      const std::string path = parameter.substr(0, end);
      const bool is_whole = std::all_of(parameters.begin(), parameters.end(), [&](const std::string& other) {
        return !is_part_of(other, path) || wanted.count(other) > 0;
      });
      if (is_whole) {
        modules.push_back(path);
        break;
      }
    }
  }
  return modules;
}

}  // namespace

NetworkStructure structure_of(const Program& program, const std::vector<Feature>& features) {
  const Makers makers(program);
  NetworkStructure structure;
  for (const Feature& feature : features) {
    if (std::string norm = makers.norm_of(feature.value); !norm.empty()) {
      structure.norms.push_back({feature.name, std::move(norm)});
    }
  }
  if (const std::string map = last_map(program.graph); !map.empty()) {
    std::vector<std::string> parameters;
    for (const BoundTensor& tensor : program.tensors) {
      if (tensor.kind == BoundTensor::Kind::kParameter) parameters.push_back(tensor.name);
    }
    structure.backbone = modules_of(parameters, makers.parameters_behind(map));
  }
  return structure;
}

}  // namespace retort::exported
