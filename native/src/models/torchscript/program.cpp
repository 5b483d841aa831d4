#include "models/torchscript/program.h"

#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/graph_rewrite_helper.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/passes/lower_tuples.h>
#include <torch/csrc/jit/runtime/graph_iterator.h>

#include <algorithm>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tensor/check.h"

namespace retort {
namespace {

namespace jit = torch::jit;
using Object = c10::intrusive_ptr<c10::ivalue::Object>;

/// Copies a module with all below it. What is there twice is one thing in the copy, too.
class Copier {
 public:
  explicit Copier(bool for_evaluation) : for_evaluation_(for_evaluation) {}

  Object copy(const Object& module) {
    const auto [known, is_new] = modules_.try_emplace(module.get());
    if (!is_new) return known->second;
    const Object copied = known->second = module->copy();
    const auto& type = module->type();
    for (size_t slot = 0; slot < type->numAttributes(); ++slot) {
      const c10::IValue& value = module->getSlot(slot);
      if (type->getAttribute(slot)->is_module()) {
        copied->setSlot(slot, copy(value.toObject()));
      } else if (for_evaluation_ && type->getAttributeName(slot) == "training" && value.isBool()) {
        copied->setSlot(slot, false);
      } else {
        copied->setSlot(slot, copy(value));
      }
    }
    return copied;
  }

 private:
  c10::IValue copy(const c10::IValue& value) {
    if (!value.isTensor()) return value.deepcopy();
    const at::Tensor& tensor = value.toTensor();
    at::Tensor& copied = tensors_[tensor.unsafeGetTensorImpl()];
    if (tensor.defined() && !copied.defined()) {
      copied = tensor.detach().clone().requires_grad_(!for_evaluation_ && tensor.requires_grad());
    }
    return copied;
  }

  bool for_evaluation_;
  std::map<c10::ivalue::Object*, Object> modules_;
  std::map<c10::TensorImpl*, at::Tensor> tensors_;
};

std::vector<jit::Node*> nodes_of(std::shared_ptr<jit::Graph> graph) {
  std::vector<jit::Node*> nodes;
  jit::DepthFirstGraphNodeIterator all(graph);
  while (jit::Node* node = all.next()) nodes.push_back(node);
  return nodes;
}

/// A copy of the forward pass as one graph.
std::shared_ptr<jit::Graph> forward_graph(const jit::Module& program) {
  std::shared_ptr<jit::Graph> graph = jit::toGraphFunction(program.get_method("forward").function()).graph()->copy();
  jit::Inline(*graph);
  return graph;
}

/// Whether a node changes what outlives the pass, or calls what cannot be looked into.
bool may_change_state(const jit::Node& node) {
  return node.kind() == c10::prim::SetAttr || node.kind() == c10::prim::CallMethod ||
         node.kind() == c10::prim::CallFunction || node.hasAttribute(c10::attr::Subgraph) || may_move_statistics(node);
}

/// Whether a graph writes in place to what may be an attribute or part of one.
bool may_write_to_attributes(const std::shared_ptr<jit::Graph>& graph) {
  const std::vector<jit::Node*> nodes = nodes_of(graph);
  std::vector<jit::Value*> attributes;
  for (jit::Node* node : nodes) {
    if (node->kind() == c10::prim::GetAttr) attributes.push_back(node->output());
  }
  const jit::AliasDb aliases(graph);
  return std::any_of(nodes.begin(), nodes.end(), [&](jit::Node* node) {
    const c10::FunctionSchema* schema = node->maybeSchema();
    if (!schema) return false;
    for (size_t i = 0; i < schema->arguments().size(); ++i) {
      const c10::AliasInfo* alias = schema->arguments()[i].alias_info();
      if (alias && alias->isWrite() && aliases.mayContainAlias(node->input(i), attributes)) return true;
    }
    return false;
  });
}

}  // namespace

std::string one_line(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string text = torch_error ? torch_error->what_without_backtrace() : error.what();
  const std::string end_of_traceback = "RuntimeError: ";
  if (const size_t found = text.rfind(end_of_traceback); found != std::string::npos) {
    text.erase(0, found + end_of_traceback.size());
    text.erase(std::min(text.find('\n'), text.size()));
  }
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

ProgramOutput run_program(jit::Module program, const at::Tensor& images, const Refusal& refuse) {
  return checked_output([&] { return program.forward({images}); }, refuse);
}

ProgramOutput checked_output(const std::function<c10::IValue()>& forward, const Refusal& refuse) {
  c10::IValue output;
  try {
    output = forward();
  } catch (const std::exception& error) {
    refuse(one_line(error));
  }
  RETORT_CHECK(
      output.isTuple() && output.toTupleRef().elements().size() == 2 && output.toTupleRef().elements()[0].isTensor(),
      "TorchScriptNetwork: forward must return (logits, features) (got ", output.type()->str(), ")");
  const auto& elements = output.toTupleRef().elements();
  return {elements[0].toTensor(), elements[1]};
}

void return_output(
    jit::Graph& graph, jit::Value* logits, const std::vector<std::string>& names,
    const std::vector<jit::Value*>& features) {
  std::vector<jit::Value*> keys;
  for (const std::string& name : names) keys.push_back(graph.insertConstant(name));
  jit::Node* dict = graph.insertNode(graph.createDict(c10::StringType::get(), c10::TensorType::get(), keys, features));
  graph.registerOutput(graph.insertNode(graph.createTuple({logits, dict->output()}))->output());
}

jit::Module copy_of(const jit::Module& program) {
  return jit::Module(Copier(/*for_evaluation=*/false).copy(program._ivalue()));
}

jit::Module copy_for_evaluation(const jit::Module& program) {
  return jit::Module(Copier(/*for_evaluation=*/true).copy(program._ivalue()));
}

std::string packed(const jit::Module& program) {
  const std::shared_ptr<jit::Graph> graph = forward_graph(program);
  // Names of classes count how many of the name the process has loaded.
  static const std::regex kCounted("\\.___torch_mangle_[0-9]+");
  std::string bytes = std::regex_replace(graph->toString(/*print_source_locations=*/false), kCounted, "");
  // Of tensors the text does not say what is in them.
  for (jit::Node* node : nodes_of(graph)) {
    if (node->kind() != c10::prim::Constant) continue;
    const auto constant = jit::toIValue(node->output());
    if (!constant || !constant->isTensor() || !constant->toTensor().defined()) continue;
    const at::Tensor tensor = constant->toTensor().cpu().contiguous();
    bytes += c10::str(tensor.scalar_type(), tensor.sizes());
    bytes.append(static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes());
  }
  return bytes;
}

std::vector<std::string> assigned_attributes(const jit::Module& program) {
  const std::shared_ptr<jit::Graph> graph = forward_graph(program);
  std::vector<std::string> names;
  for (jit::Node* node : nodes_of(graph)) {
    if (node->kind() != c10::prim::SetAttr) continue;
    const std::string& name = node->s(c10::attr::name);
    const auto& type = node->input(0)->type()->expectRef<c10::ClassType>();
    const size_t slot = type.getAttributeSlot(name);
    // An object that the pass itself has made may change.
    const bool is_buffer = type.is_buffer(slot) && type.getAttribute(slot)->isSubtypeOf(*c10::TensorType::get());
    if (!type.is_module() || is_buffer) continue;
    names.push_back(name);
  }
  return names;
}

std::shared_ptr<jit::Graph> evaluation_graph(const jit::Module& program) {
  std::shared_ptr<jit::Graph> graph = forward_graph(program);
  // What parts return in a tuple would count as a possible attribute.
  jit::LowerSimpleTuples(graph);
  for (jit::Node* node : nodes_of(graph)) {
    if (node->kind() != c10::prim::GetAttr || node->s(c10::attr::name) != "training") continue;
    const jit::WithInsertPoint here(node);
    node->output()->replaceAllUsesWith(graph->insertConstant(false));
  }
  jit::ConstantPropagation(graph);
  return graph;
}

bool may_move_statistics(const jit::Node& node) {
  const bool is_norm = node.kind() == c10::aten::batch_norm || node.kind() == c10::aten::instance_norm;
  if (!is_norm) return false;
  constexpr size_t kUsesBatch = 5;
  const auto uses_batch = jit::toIValue(node.input(kUsesBatch));
  return !uses_batch || uses_batch->toBool();
}

void name_convolutions(const jit::Module& program) {
  for (const jit::Module& part : program.modules()) {
    for (const jit::Method& method : part.get_methods()) {
      std::shared_ptr<jit::Graph> graph = jit::toGraphFunction(method.function()).graph();
      jit::graph_rewrite_helper::replaceConvolutionWithAtenConv(graph);
    }
  }
}

bool goes_by_strides(const jit::Module& program) {
  if (!program.find_method("forward")) return true;
  const std::shared_ptr<jit::Graph> graph = forward_graph(program);
  const std::vector<jit::Node*> nodes = nodes_of(graph);
  return std::any_of(nodes.begin(), nodes.end(), [](jit::Node* node) {
    static const std::set<std::string> kByStrides = {
        "aten::view", "aten::as_strided", "aten::stride", "aten::is_contiguous"};
    return kByStrides.count(node->kind().toQualString()) > 0;
  });
}

bool may_change_itself(const jit::Module& program) {
  try {
    const std::shared_ptr<jit::Graph> graph = evaluation_graph(program);
    const std::vector<jit::Node*> nodes = nodes_of(graph);
    if (std::any_of(nodes.begin(), nodes.end(), [](jit::Node* node) { return may_change_state(*node); })) return true;
    // What is put into the returned list or dict would count as a possible attribute, though nobody changes it there.
    while (!graph->outputs().empty()) graph->eraseOutput(graph->outputs().size() - 1);
    jit::EliminateDeadCode(graph);
    return may_write_to_attributes(graph);
  } catch (const std::exception&) {
    return true;
  }
}

}  // namespace retort
