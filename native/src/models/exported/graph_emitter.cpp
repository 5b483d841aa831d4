#include "models/exported/graph_emitter.h"

#include <torch/csrc/jit/ir/constants.h>

#include <utility>

#include "models/exported/overwritten.h"
#include "tensor/check.h"

namespace retort::exported {

namespace jit = torch::jit;

std::vector<jit::Value*> GraphEmitter::run(const std::vector<std::string>& wanted) {
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

jit::Value* GraphEmitter::list(const ValueList& given) {
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

namespace {

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

}  // namespace

jit::Value* GraphEmitter::argument(const Argument& given, const c10::Argument* declared) {
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

std::vector<jit::Value*> GraphEmitter::call(const std::string& name, const std::vector<jit::Value*>& arguments) {
  jit::Node* node = graph_.insertNode(graph_.create(c10::Symbol::fromQualString(name), arguments, /*outputs=*/0));
  const jit::Operator* found = node->maybeOperator();
  if (!found) fail<FileError>("no operator ", name, " takes its arguments");
  for (const c10::Argument& result : found->schema().returns()) node->addOutput()->setType(result.type());
  return node->outputs().vec();
}

jit::Value* GraphEmitter::choose(
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
jit::Value* GraphEmitter::training(const Node& node) {
  const std::string path = node.modules.empty() ? "" : node.modules.back().path;
  return tree_.attribute(path.empty() ? "training" : path + ".training");
}

/// The argument that says whether a node trains, where it did when the program was exported.
jit::Value* GraphEmitter::mode(const Node& node, const Operator& op, jit::Value* given) {
  if (!is_in_training(node, op)) return given;
  if (given->type()->kind() == c10::TypeKind::BoolType) return training(node);
  return choose(
      training(node), [&] { return given; }, [&] { return constant(0.0); });
}

void GraphEmitter::emit(const Node& node) {
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

void GraphEmitter::emit_operator(const Node& node) {
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
void GraphEmitter::check_enough_values(const Node& node) {
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

void GraphEmitter::name_results(const Node& node, const std::vector<jit::Value*>& results) {
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

}  // namespace retort::exported
