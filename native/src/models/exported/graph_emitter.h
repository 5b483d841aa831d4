#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/exported/module_tree.h"
#include "models/exported/operators.h"
#include "models/exported/program.h"
#include "tensor/check.h"

namespace retort::exported {

/// Emits the nodes of a graph into a TorchScript graph.
class GraphEmitter {
 public:
  GraphEmitter(ModuleTree& tree, const Program& program) : tree_(tree), graph_(*tree.graph()), program_(program) {}

  /// Gives a value of the program its value in the graph.
  void define(const std::string& name, torch::jit::Value* value) { values_[name] = value; }
  /// The same for what keeps its contents from pass to pass.
  void define_state(const std::string& name, torch::jit::Value* value) {
    define(name, value);
    state_.insert(name);
  }

  /// Emits everything and returns these values, as they were when they were computed.
  std::vector<torch::jit::Value*> run(const std::vector<std::string>& wanted);

 private:
  torch::jit::Value* value(const std::string& name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) fail<FileError>("value ", name, " is used before it is computed");
    return found->second;
  }
  torch::jit::Value* constant(const c10::IValue& value) { return graph_.insertConstant(value); }
  torch::jit::Value* argument(const Argument& given, const c10::Argument* declared);
  torch::jit::Value* list(const ValueList& given);
  std::vector<torch::jit::Value*> call(const std::string& name, const std::vector<torch::jit::Value*>& arguments);
  torch::jit::Value* choose(
      torch::jit::Value* condition, const std::function<torch::jit::Value*()>& yes,
      const std::function<torch::jit::Value*()>& no);
  torch::jit::Value* training(const Node& node);
  torch::jit::Value* mode(const Node& node, const Operator& op, torch::jit::Value* given);

  void emit(const Node& node);
  void emit_operator(const Node& node);
  void emit_control(const Node& node);
  void check_enough_values(const Node& node);
  std::vector<torch::jit::Value*> body(
      const Graph& body, const std::vector<std::pair<std::string, torch::jit::Value*>>& arguments);
  void name_results(const Node& node, const std::vector<torch::jit::Value*>& results);

  ModuleTree& tree_;
  torch::jit::Graph& graph_;
  const Program& program_;
  std::map<std::string, torch::jit::Value*> values_;
  /// Buffers, constants and views of them.
  std::set<std::string> state_;
};

}  // namespace retort::exported
