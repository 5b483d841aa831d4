#include "models/exported/taps.h"

#include <algorithm>

#include "models/exported/operators.h"
#include "tensor/check.h"

namespace retort::exported {
namespace {

constexpr const char* kLoad = "load_exported";

/// Whether a node overwrites its first argument, as counters do.
bool is_in_place(const Node& node) {
  return node.target.find("_.") != std::string::npos;
}

}  // namespace

ModuleValues::ModuleValues(const Program& program) : program_(program) {
  for (const BoundTensor& tensor : program.tensors) state_.insert(tensor.value);
  const std::vector<Node>& nodes = program.graph.nodes;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const auto& [name, argument] : nodes[i].arguments) {
      for (const std::string& value : values_in(argument)) used_in_[value].insert(i);
    }
    const auto first =
        nodes[i].arguments.empty() ? std::vector<std::string>() : values_in(nodes[i].arguments.front().second);
    const bool is_state = is_in_place(nodes[i]) && !first.empty() && state_.count(first.front()) > 0;
    for (const Node::Output& output : nodes[i].outputs) {
      for (const std::string& value : output.names) {
        made_in_.emplace(value, i);
        if (is_state) state_.insert(value);
      }
    }
    for (const ModuleCall& call : nodes[i].modules) {
      calls_[call.path][call.number].insert(i);
      types_[call.path] = call.type;
    }
  }
  for (const std::string& value : program.graph.outputs) used_in_[value].insert(nodes.size());
}

ModuleValues::Values ModuleValues::values_of(const Nodes& inside) const {
  Values values;
  const auto is_inside = [&](size_t node) { return inside.count(node) > 0; };
  for (size_t i : inside) {
    const Node& node = program_.graph.nodes[i];
    for (const Node::Output& output : node.outputs) {
      for (const std::string& value : output.names) {
        const auto users = used_in_.find(value);
        if (state_.count(value) > 0 || program_.graph.shapes.count(value) == 0 || users == used_in_.end()) continue;
        if (!std::all_of(users->second.begin(), users->second.end(), is_inside)) values.returned.push_back(value);
      }
    }
    for (const auto& [name, argument] : node.arguments) {
      for (const std::string& value : values_in(argument)) {
        const auto maker = made_in_.find(value);
        const bool is_new = std::find(values.taken.begin(), values.taken.end(), value) == values.taken.end();
        if (state_.count(value) > 0 || program_.graph.shapes.count(value) == 0 || !is_new) continue;
        if (maker == made_in_.end() || !is_inside(maker->second)) values.taken.push_back(value);
      }
    }
  }
  return values;
}

std::string ModuleValues::value_of(const ModuleTap& tap) const {
  const auto module = calls_.find(tap.path);
  if (module == calls_.end()) {
    const auto is_idle = std::find(program_.modules.begin(), program_.modules.end(), tap.path);
    RETORT_CHECK(
        is_idle == program_.modules.end(), kLoad,
        ": tap must be at a module that computes something, unlike Identity (got ", tap.text, ")");
    std::vector<std::string> known;
    for (const auto& [path, calls] : calls_) {
      if (!path.empty()) known.push_back(path);
    }
    fail_for_path(kLoad, tap, known);
  }
  const int64_t last = module->second.rbegin()->first;
  const auto call = module->second.find(tap.call.value_or(last));
  if (call == module->second.end()) fail_for_call(kLoad, tap, last);
  const Values values = values_of(call->second);
  const std::vector<std::string>& found = tap.is_input ? values.taken : values.returned;
  if (found.size() != 1) fail_for_count(kLoad, tap, found.size());
  return found.front();
}

std::vector<std::pair<ModuleCall, ModuleValues::Values>> ModuleValues::calls() const {
  std::vector<std::pair<size_t, ModuleCall>> order;
  for (const auto& [path, calls] : calls_) {
    for (const auto& [number, nodes] : calls) order.push_back({*nodes.begin(), {path, types_.at(path), number}});
  }
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::pair<ModuleCall, Values>> result;
  for (auto& [first, call] : order) {
    Values values = values_of(calls_.at(call.path).at(call.number));
    result.emplace_back(std::move(call), std::move(values));
  }
  return result;
}

}  // namespace retort::exported
