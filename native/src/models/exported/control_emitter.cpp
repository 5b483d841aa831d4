// Nodes that run bodies: torch.no_grad() and torch.cond().
#include "models/exported/graph_emitter.h"

#include <torch/csrc/jit/ir/constants.h>

#include <utility>

#include "tensor/check.h"

namespace retort::exported {

namespace jit = torch::jit;

/// Runs a body of the program with its arguments where it is.
std::vector<jit::Value*> GraphEmitter::body(
    const Graph& body, const std::vector<std::pair<std::string, jit::Value*>>& arguments) {
  if (body.inputs.size() != arguments.size()) fail<FileError>("a body is given ", arguments.size(), " arguments");
  const std::map<std::string, jit::Value*> outside = values_;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const auto& [name, given] = arguments[i];
    values_[body.inputs[i]] = given;
    if (state_.count(name) > 0) state_.insert(body.inputs[i]);
  }
  for (const Node& node : body.nodes) emit(node);
  std::vector<jit::Value*> results;
  for (const std::string& output : body.outputs) results.push_back(value(output));
  values_ = outside;
  return results;
}

void GraphEmitter::emit_control(const Node& node) {
  std::vector<std::shared_ptr<const Graph>> bodies;
  std::vector<std::pair<std::string, jit::Value*>> arguments;
  for (const auto& [unused, given] : node.arguments) {
    if (const auto* graph = std::get_if<std::shared_ptr<const Graph>>(&given)) {
      bodies.push_back(*graph);
    } else if (const auto* values = std::get_if<ValueList>(&given)) {
      for (const std::string& name : values_in(*values)) arguments.emplace_back(name, value(name));
    } else {
      const std::vector<std::string> names = values_in(given);
      arguments.emplace_back(names.empty() ? "" : names.front(), argument(given, nullptr));
    }
  }
  if (arguments.empty()) fail<FileError>("operator ", node.target, " has no arguments");
  jit::Value* first = arguments.front().second;
  arguments.erase(arguments.begin());

  std::vector<jit::Value*> results;
  if (node.target == "torch.ops.higher_order.wrap_with_set_grad_enabled" && bodies.size() == 1) {
    const auto is_enabled = jit::toIValue(first);
    if (!is_enabled || !is_enabled->isBool()) fail<FileError>("operator ", node.target, " has no mode");
    // Without gradients: nothing inside has any if nothing that goes in has.
    for (auto& [name, given] : arguments) {
      const bool is_tensor = given->type()->isSubtypeOf(*c10::TensorType::get());
      if (!is_enabled->toBool() && is_tensor) given = call("aten::detach", {given}).at(0);
    }
    results = body(*bodies.front(), arguments);
  } else if (node.target == "torch.ops.higher_order.cond" && bodies.size() == 2) {
    const bool is_tensor = first->type()->isSubtypeOf(*c10::TensorType::get());
    jit::Node* branches =
        graph_.insertNode(graph_.create(c10::prim::If, {is_tensor ? call("aten::Bool", {first}).at(0) : first}, 0));
    for (const auto& branch : bodies) {
      jit::Block* block = branches->addBlock();
      const jit::WithInsertPoint here(block);
      for (jit::Value* result : body(*branch, arguments)) block->registerOutput(result);
    }
    if (branches->blocks()[0]->outputs().size() != branches->blocks()[1]->outputs().size()) {
      fail<FileError>("the branches of a cond return different numbers of results");
    }
    for (jit::Value* result : branches->blocks()[0]->outputs()) {
      results.push_back(branches->addOutput()->setType(result->type()));
    }
  } else {
    fail<FileError>("operator ", node.target, " is not supported");
  }
  // The schema has results one by one or in a list.
  std::vector<std::string> names;
  for (const Node::Output& output : node.outputs) names.insert(names.end(), output.names.begin(), output.names.end());
  if (names.size() > results.size()) fail<FileError>("operator ", node.target, " returns fewer results");
  for (size_t i = 0; i < names.size(); ++i) define(names[i], results[i]);
}

}  // namespace retort::exported
