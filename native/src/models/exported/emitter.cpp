#include "models/exported/emitter.h"

#include <ATen/core/enum_tag.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <utility>

#include "models/exported/graph_emitter.h"
#include "models/exported/module_tree.h"
#include "models/torchscript/program.h"
#include "tensor/check.h"

namespace retort::exported {
namespace {

namespace jit = torch::jit;

const at::Tensor& tensor_of(const std::map<std::string, at::Tensor>& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) fail<FileError>("tensor ", name, " is missing");
  return found->second;
}

/// Registers what a program brings along.
void add_tensors(const Source& source, ModuleTree& tree) {
  using Kind = BoundTensor::Kind;
  for (const std::string& path : source.program.modules) tree.add_module(path);
  for (const BoundTensor& bound : source.program.tensors) {
    switch (bound.kind) {
      case Kind::kParameter:
        tree.add_parameter(bound.name, tensor_of(source.weights, bound.name));
        break;
      case Kind::kBuffer:
        tree.add_buffer(bound.name, tensor_of(source.weights, bound.name));
        break;
      case Kind::kTransientBuffer:
      case Kind::kConstant:
        tree.add_constant(bound.name, tensor_of(source.constants, bound.name));
        break;
    }
  }
}

/// What the program computes in.
at::ScalarType dtype_of(const Source& source) {
  for (const BoundTensor& bound : source.program.tensors) {
    if (bound.kind != BoundTensor::Kind::kParameter) continue;
    const at::Tensor& parameter = tensor_of(source.weights, bound.name);
    if (parameter.is_floating_point()) return parameter.scalar_type();
  }
  for (const ProgramInput& input : source.program.inputs) {
    if (c10::isFloatingType(input.dtype)) return input.dtype;
  }
  return at::kFloat;
}

std::vector<jit::Value*> emit(
    const Source& source, ModuleTree& tree, const std::vector<std::string>& wanted,
    const std::string& prefix_of_constants = "") {
  using Kind = BoundTensor::Kind;
  GraphEmitter emitter(tree, source.program);
  for (const BoundTensor& bound : source.program.tensors) {
    if (bound.kind == Kind::kParameter) {
      emitter.define(bound.value, tree.attribute(bound.name));
    } else if (bound.kind == Kind::kBuffer) {
      emitter.define_state(bound.value, tree.attribute(bound.name));
    } else {
      const bool is_constant = bound.kind == Kind::kConstant;
      emitter.define_state(bound.value, tree.constant((is_constant ? prefix_of_constants : "") + bound.name));
    }
  }
  return emitter.run(wanted);
}

/// Logits, then features.
std::vector<std::string> wanted_of(const NetworkSource& network) {
  std::vector<std::string> wanted = {network.logits};
  for (const Feature& feature : network.features) wanted.push_back(feature.value);
  return wanted;
}

}  // namespace

jit::Module emit_function(const Source& source) {
  if (source.program.results.size() != 1) {
    fail<FileError>("it must return one tensor, and returns ", source.program.results.size());
  }
  ModuleTree tree(source.program.inputs, dtype_of(source));
  add_tensors(source, tree);
  tree.graph()->registerOutput(emit(source, tree, {source.program.results.front().value}).front());
  return tree.finish();
}

jit::Module emit_network(const NetworkSource& network, const NetworkSource* evaluation) {
  ModuleTree tree(network.source.program.inputs, dtype_of(network.source));
  add_tensors(network.source, tree);
  jit::Graph& graph = *tree.graph();
  std::vector<jit::Value*> results;
  if (!evaluation) {
    results = emit(network.source, tree, wanted_of(network));
  } else {
    // Lifted constants are numbered in each program, so that names say nothing.
    const std::string prefix = "evaluation_";
    for (const BoundTensor& bound : evaluation->source.program.tensors) {
      if (bound.kind != BoundTensor::Kind::kConstant) continue;
      tree.add_constant(prefix + bound.name, tensor_of(evaluation->source.constants, bound.name));
    }
    jit::Node* choice = graph.insertNode(graph.create(c10::prim::If, {tree.attribute("training")}, 0));
    for (const NetworkSource* program : {&network, evaluation}) {
      jit::Block* block = choice->addBlock();
      const jit::WithInsertPoint here(block);
      const std::string& constants = program == &network ? "" : prefix;
      for (jit::Value* result : emit(program->source, tree, wanted_of(*program), constants)) {
        block->registerOutput(result);
      }
    }
    for (size_t i = 0; i <= network.features.size(); ++i) {
      results.push_back(choice->addOutput()->setType(c10::TensorType::get()));
    }
  }
  std::vector<std::string> names;
  for (const Feature& feature : network.features) names.push_back(feature.name);
  return_output(graph, results.front(), names, {results.begin() + 1, results.end()});
  return tree.finish();
}

}  // namespace retort::exported
