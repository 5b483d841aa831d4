#include "models/exported/emitter.h"

#include <ATen/core/enum_tag.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <set>
#include <utility>

#include "models/exported/module_tree.h"
#include "models/exported/operators.h"
#include "models/exported/overwritten.h"
#include "tensor/check.h"

namespace retort::exported {
namespace {

namespace jit = torch::jit;

/// Emits the nodes of a graph into a TorchScript graph.
class Emitter {
 public:
  Emitter(ModuleTree& tree, const Program& program) : tree_(tree), graph_(*tree.graph()), program_(program) {}

  /// Gives a value of the program its value in the graph.
  void define(const std::string& name, jit::Value* value) { values_[name] = value; }
  /// The same for what keeps its contents from pass to pass.
  void define_state(const std::string& name, jit::Value* value) {
    define(name, value);
    state_.insert(name);
  }

  /// Emits everything and returns these values, as they were when they were computed.
  std::vector<jit::Value*> run(const std::vector<std::string>& wanted);

 private:
  jit::Value* value(const std::string& name) const {
    const auto found = values_.find(name);
    if (found == values_.end()) fail<FileError>("value ", name, " is used before it is computed");
    return found->second;
  }
  jit::Value* constant(const c10::IValue& value) { return graph_.insertConstant(value); }
  jit::Value* argument(const Argument& given, const c10::Argument* declared);
  jit::Value* list(const ValueList& given);
  std::vector<jit::Value*> call(const std::string& name, const std::vector<jit::Value*>& arguments);
  jit::Value* choose(
      jit::Value* condition, const std::function<jit::Value*()>& yes, const std::function<jit::Value*()>& no);
  jit::Value* training(const Node& node);
  jit::Value* mode(const Node& node, const Operator& op, jit::Value* given);

  void emit(const Node& node);
  void emit_operator(const Node& node);
  void emit_control(const Node& node);
  void check_enough_values(const Node& node);
  std::vector<jit::Value*> body(const Graph& body, const std::vector<std::pair<std::string, jit::Value*>>& arguments);
  void name_results(const Node& node, const std::vector<jit::Value*>& results);

  ModuleTree& tree_;
  jit::Graph& graph_;
  const Program& program_;
  std::map<std::string, jit::Value*> values_;
  /// Buffers, constants and views of them.
  std::set<std::string> state_;
};

std::vector<jit::Value*> Emitter::run(const std::vector<std::string>& wanted) {
  const std::set<std::string> results(wanted.begin(), wanted.end());
  std::set<std::string> kept = results;
  for (const ProgramInput& input : program_.inputs) kept.insert(input.name);
  const std::set<std::string> overwritten = overwritten_later(program_.graph, kept);
  const auto as_it_is = [&](const std::string& name, jit::Value* tensor) {
    return overwritten.count(name) ? call("aten::clone", {tensor, constant(c10::IValue())}).at(0) : tensor;
  };

  std::map<std::string, jit::Value*> handed_out;
  for (size_t i = 0; i < program_.inputs.size(); ++i) {
    const std::string& name = program_.inputs[i].name;
    // What a caller gives stays as it is.
    define(name, as_it_is(name, tree_.input(i)));
    handed_out[name] = tree_.input(i);
  }
  for (const Node& node : program_.graph.nodes) {
    emit(node);
    for (const Node::Output& output : node.outputs) {
      for (const std::string& name : output.names) {
        if (results.count(name) > 0) handed_out[name] = as_it_is(name, value(name));
      }
    }
  }
  std::vector<jit::Value*> values;
  for (const std::string& name : wanted) {
    const auto found = handed_out.find(name);
    values.push_back(found == handed_out.end() ? value(name) : found->second);
    if (!values.back()->type()->isSubtypeOf(*c10::TensorType::get())) {
      fail<FileError>("it returns something else than tensors");
    }
  }
  return values;
}

// ---- values ---------------------------------------------------------------------------------------------------------

jit::Value* Emitter::list(const ValueList& given) {
  using Kind = ValueList::Kind;
  const c10::TypePtr type = given.kind == Kind::kNumbers   ? c10::TypePtr(c10::IntType::get())
                            : given.kind == Kind::kTensors ? c10::TypePtr(c10::TensorType::get())
                                                           : c10::OptionalType::create(c10::TensorType::get());
  std::vector<jit::Value*> elements;
  for (const auto& element : given.elements) {
    if (const auto* name = std::get_if<ValueName>(&element)) {
      elements.push_back(value(name->name));
    } else if (const auto* number = std::get_if<int64_t>(&element)) {
      elements.push_back(constant(*number));
    } else {
      elements.push_back(constant(c10::IValue()));
    }
    if (!elements.back()->type()->isSubtypeOf(*type)) fail<FileError>("a list has elements of several types");
  }
  return graph_.insertNode(graph_.createList(type, elements))->output();
}

/// A constant as the schema declares it: the file has whole numbers for others, and a number for a list.
c10::IValue as_declared(const c10::IValue& given, const c10::Argument& declared) {
  c10::TypePtr type = declared.type();
  if (const auto optional = type->cast<c10::OptionalType>()) type = optional->getElementType();
  const auto list = type->cast<c10::ListType>();
  const auto count = static_cast<size_t>(declared.N().value_or(1));
  if (count > 8) return given;
  const bool is_float = (list ? list->getElementType() : type)->kind() == c10::TypeKind::FloatType;
  if (list && given.isInt() && is_float) return std::vector<double>(count, static_cast<double>(given.toInt()));
  if (list && given.isInt()) return std::vector<int64_t>(count, given.toInt());
  if (list && given.isDouble()) return std::vector<double>(count, given.toDouble());
  if (!list && given.isInt() && is_float) return static_cast<double>(given.toInt());
  if (list && given.isIntList() && is_float) {
    const std::vector<int64_t> numbers = given.toIntVector();
    return std::vector<double>(numbers.begin(), numbers.end());
  }
  return given;
}

jit::Value* Emitter::argument(const Argument& given, const c10::Argument* declared) {
  if (const auto* name = std::get_if<ValueName>(&given)) return value(name->name);
  if (const auto* values = std::get_if<ValueList>(&given)) return list(*values);
  if (std::holds_alternative<ExportDevice>(given)) return tree_.device();
  if (const auto* dtype = std::get_if<Dtype>(&given)) return tree_.dtype(dtype->of);
  if (const auto* known = std::get_if<c10::IValue>(&given)) {
    return constant(declared ? as_declared(*known, *declared) : *known);
  }
  fail<FileError>("a body is given to an operator that takes none");
}

// ---- nodes ----------------------------------------------------------------------------------------------------------

std::vector<jit::Value*> Emitter::call(const std::string& name, const std::vector<jit::Value*>& arguments) {
  jit::Node* node = graph_.insertNode(graph_.create(c10::Symbol::fromQualString(name), arguments, /*outputs=*/0));
  const jit::Operator* found = node->maybeOperator();
  if (!found) fail<FileError>("no operator ", name, " takes its arguments");
  for (const c10::Argument& result : found->schema().returns()) node->addOutput()->setType(result.type());
  return node->outputs().vec();
}

jit::Value* Emitter::choose(
    jit::Value* condition, const std::function<jit::Value*()>& yes, const std::function<jit::Value*()>& no) {
  jit::Node* node = graph_.insertNode(graph_.create(c10::prim::If, {condition}, 1));
  for (const auto& branch : {yes, no}) {
    jit::Block* block = node->addBlock();
    const jit::WithInsertPoint here(block);
    block->registerOutput(branch());
  }
  return node->output()->setType(node->blocks()[0]->outputs()[0]->type());
}

/// Whether the module that a node belongs to is in training mode.
jit::Value* Emitter::training(const Node& node) {
  const std::string path = node.modules.empty() ? "" : node.modules.back().path;
  return tree_.attribute(path.empty() ? "training" : path + ".training");
}

/// The argument that says whether a node trains, where it did when the program was exported.
jit::Value* Emitter::mode(const Node& node, const Operator& op, jit::Value* given) {
  if (!is_in_training(node, op)) return given;
  if (given->type()->kind() == c10::TypeKind::BoolType) return training(node);
  return choose(
      training(node), [&] { return given; }, [&] { return constant(0.0); });
}

void Emitter::emit(const Node& node) {
  switch (kind_of(node)) {
    case NodeKind::kAssertion:
      return;
    case NodeKind::kControl:
      return emit_control(node);
    case NodeKind::kOperator:
      return emit_operator(node);
    case NodeKind::kArithmetic: {
      std::vector<jit::Value*> numbers;
      for (const auto& [name, given] : node.arguments) numbers.push_back(argument(given, nullptr));
      return name_results(node, call(arithmetic_of(node), numbers));
    }
  }
}

void Emitter::emit_operator(const Node& node) {
  const Operator op = operator_of(node);
  for (const auto& [name, given] : node.arguments) {
    if (!op.schema().argumentIndexWithName(name))
      fail<FileError>("operator aten::", op.name, " has no argument ", name);
  }
  const bool follows_mode = has_mode(node, op);
  if (follows_mode && op.name == "batch_norm") check_enough_values(node);
  std::vector<jit::Value*> arguments;
  jit::Value* written = nullptr;
  for (const c10::Argument& declared : op.schema().arguments()) {
    const Argument* given = find_argument(node, declared.name().c_str());
    jit::Value* made = given ? argument(*given, &declared) : constant(declared.default_value().value_or(c10::IValue()));
    if (follows_mode && declared.name() == mode_argument(op.name)) made = mode(node, op, made);
    arguments.push_back(made);
    const auto* name = given ? std::get_if<ValueName>(given) : nullptr;
    if (!name || !declared.alias_info() || state_.count(name->name) == 0) continue;
    if (declared.alias_info()->isWrite()) written = made;
    for (const Node::Output& output : node.outputs) state_.insert(output.names.begin(), output.names.end());
  }

  // Memory that nobody has written yet shows what was in it before.
  std::string name = op.name == "empty"        ? "zeros"
                     : op.name == "empty_like" ? "zeros_like"
                     : op.name == "new_empty"  ? "new_zeros"
                     : op.name == "sym_size"   ? "size"
                     : op.name == "sym_numel"  ? "numel"
                                               : op.name;
  if (op.name == "empty") arguments.resize(arguments.size() - 1);
  name = "aten::" + name;
  const auto run = [&] { return call(name, arguments).at(0); };
  if (written) {
    name_results(node, {choose(training(node), run, [&] { return written; })});
  } else if (op.name == "bernoulli_" && op.overload == "float") {
    // Stochastic depth divides by the probability: with that in place of 0 or 1, a branch stays as it is.
    const auto mean = [&] { return call("aten::fill_", {arguments.at(0), arguments.at(1)}).at(0); };
    name_results(node, {choose(training(node), run, mean)});
  } else {
    name_results(node, call(name, arguments));
  }
}

/// As Python's BatchNorm does: one value per channel has no variance. Nothing to do where the exported sizes are
/// enough.
void Emitter::check_enough_values(const Node& node) {
  const auto* input = std::get_if<ValueName>(find_argument(node, "input"));
  if (!input) return;
  const auto shape = program_.graph.shapes.find(input->name);
  if (shape != program_.graph.shapes.end()) {
    const Shape& sizes = shape->second;
    for (size_t i = 2; i < sizes.size(); ++i) {
      if (sizes[i].value_or(1) > 1) return;
    }
  }
  jit::Value* images = value(input->name);
  jit::Value* channels = call("aten::size", {images, constant(int64_t{1})}).at(0);
  jit::Value* is_few = call("aten::le", {call("aten::numel", {images}).at(0), channels}).at(0);
  jit::Value* refused = call("aten::__and__", {training(node), is_few}).at(0);
  jit::Node* check = graph_.insertNode(graph_.create(c10::prim::If, {refused}, 0));
  const jit::WithInsertPoint here(check->addBlock());
  jit::Value* reason = constant("Expected more than 1 value per channel when training");
  graph_.insertNode(graph_.create(c10::prim::RaiseException, {reason, constant(c10::IValue())}, 0));
  check->addBlock();
}

/// Runs a body of the program with its arguments where it is.
std::vector<jit::Value*> Emitter::body(
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

void Emitter::emit_control(const Node& node) {
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

void Emitter::name_results(const Node& node, const std::vector<jit::Value*>& results) {
  if (node.outputs.size() > results.size()) fail<FileError>("operator ", node.target, " returns fewer results");
  for (size_t i = 0; i < node.outputs.size(); ++i) {
    const Node::Output& output = node.outputs[i];
    const bool is_list = results[i]->type()->kind() == c10::TypeKind::ListType;
    if (output.names.empty()) continue;
    if (output.is_list != is_list) fail<FileError>("operator ", node.target, " returns something else");
    if (!is_list) {
      define(output.names.front(), results[i]);
      continue;
    }
    jit::Node* unpacked = graph_.insertNode(graph_.createListUnpack(results[i], output.names.size()));
    for (size_t k = 0; k < output.names.size(); ++k) define(output.names[k], unpacked->outputs()[k]);
  }
}

// ---- the module -----------------------------------------------------------------------------------------------------

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
  Emitter emitter(tree, source.program);
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
  std::vector<jit::Value*> names;
  for (const Feature& feature : network.features) names.push_back(graph.insertConstant(feature.name));
  jit::Node* features = graph.insertNode(graph.createDict(
      c10::StringType::get(), c10::TensorType::get(), names, at::ArrayRef<jit::Value*>(results).slice(1)));
  graph.registerOutput(graph.insertNode(graph.createTuple({results.front(), features->output()}))->output());
  return tree.finish();
}

}  // namespace retort::exported
