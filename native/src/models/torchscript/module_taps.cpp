#include "models/torchscript/module_taps.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "models/torchscript/program.h"
#include "tensor/check.h"

namespace retort {
namespace {

namespace jit = torch::jit;

/// What a call of a module took and returned, as values of the graph that it was inlined into.
struct Call {
  std::vector<jit::Value*> taken;
  std::vector<jit::Value*> returned;
};

/// Inlines all calls of methods of a module's forward, and notes those of forward of its parts.
class Inliner {
 public:
  explicit Inliner(const jit::Module& program) : program_(program) {
    graph_ = jit::toGraphFunction(program.get_method("forward").function()).graph()->copy();
    paths_[graph_->inputs().at(0)] = "";
    run(graph_->block(), /*is_outermost=*/true);
  }

  const std::shared_ptr<jit::Graph>& graph() const { return graph_; }
  /// By module, in the order of the calls.
  const std::map<std::string, std::vector<Call>>& calls() const { return calls_; }
  /// The modules that are called in a loop or a branch.
  const std::set<std::string>& conditional() const { return conditional_; }

 private:
  void run(jit::Block* block, bool is_outermost) {
    for (jit::Node* node = *block->nodes().begin(); node != block->return_node(); node = node->next()) {
      for (jit::Block* inner : node->blocks()) run(inner, /*is_outermost=*/false);
      if (node->kind() == c10::prim::GetAttr) {
        const auto owner = paths_.find(node->input());
        if (owner == paths_.end() || !node->output()->type()->is_module()) continue;
        const std::string& name = node->s(c10::attr::name);
        paths_[node->output()] = owner->second.empty() ? name : owner->second + "." + name;
      } else if (node->kind() == c10::prim::CallMethod && paths_.count(node->input(0)) > 0) {
        node = inlined(node, is_outermost);
      }
    }
  }

  /// Returns the node after which the body of the call comes.
  jit::Node* inlined(jit::Node* node, bool is_outermost) {
    const std::string path = paths_.at(node->input(0));
    const std::string method = node->s(c10::attr::name);  // the node goes
    jit::Node* before = node->prev();
    Call call;
    for (size_t i = 1; i < node->inputs().size(); ++i) call.taken.push_back(node->input(i));
    const std::vector<jit::Value*> old(node->outputs().begin(), node->outputs().end());
    // The module itself is a part of nothing: its methods are those of its original class.
    jit::Function& callee = path.empty() ? program_.get_method(method).function()
                                         : node->input(0)->type()->expectRef<c10::ClassType>().getMethod(method);
    jit::GraphFunction& body = jit::toGraphFunction(callee);
    // Not its optimised graph, in which all calls are inlined already.
    call.returned = jit::inlineCallTo(node, &body, body.graph().get());
    // What was returned by a call that contains this one is now returned by its body.
    for (auto& [module, others] : calls_) {
      for (Call& other : others) {
        replace(other.taken, old, call.returned);
        replace(other.returned, old, call.returned);
      }
    }
    if (method == "forward" && !path.empty()) {
      if (is_outermost) {
        calls_[path].push_back(call);
      } else {
        conditional_.insert(path);
      }
    }
    return before;
  }

  static void replace(
      std::vector<jit::Value*>& values, const std::vector<jit::Value*>& old, const std::vector<jit::Value*>& by) {
    for (jit::Value*& value : values) {
      const auto found = std::find(old.begin(), old.end(), value);
      if (found != old.end()) value = by.at(static_cast<size_t>(found - old.begin()));
    }
  }

  const jit::Module& program_;
  std::shared_ptr<jit::Graph> graph_;
  std::map<jit::Value*, std::string> paths_;
  std::map<std::string, std::vector<Call>> calls_;
  std::set<std::string> conditional_;
};

jit::Value* value_of(const char* function, const Inliner& inliner, const ModuleTap& tap) {
  const auto module = inliner.calls().find(tap.path);
  if (module == inliner.calls().end()) {
    RETORT_CHECK(
        inliner.conditional().count(tap.path) == 0, function,
        ": tap must be at a module that is called in no loop or branch (got ", tap.text, ")");
    std::vector<std::string> known;
    for (const auto& [path, calls] : inliner.calls()) known.push_back(path);
    fail_for_path(function, tap, known);
  }
  const auto last = static_cast<int64_t>(module->second.size()) - 1;
  const int64_t number = tap.call.value_or(last);
  if (number > last) fail_for_call(function, tap, last);
  const Call& call = module->second[static_cast<size_t>(number)];
  jit::Value* found = nullptr;
  size_t count = 0;
  for (jit::Value* value : tap.is_input ? call.taken : call.returned) {
    const bool is_tensor = value->type()->isSubtypeOf(*c10::TensorType::get());
    const auto tuple = value->type()->cast<c10::TupleType>();
    if (is_tensor) found = value;
    count += is_tensor ? 1 : tuple ? tuple->elements().size() : 0;
  }
  if (!found || count != 1) fail_for_count(function, tap, count);
  return found;
}

/// A module with the attributes and parts of another, but no methods.
jit::Module with_attributes_of(const jit::Module& program) {
  jit::Module copy("__torch__.Tapped", program._ivalue()->compilation_unit(), /*shouldMangle=*/true);
  const auto& type = program.type();
  for (size_t slot = 0; slot < type->numAttributes(); ++slot) {
    copy.register_attribute(
        type->getAttributeName(slot), type->getAttribute(slot), program._ivalue()->getSlot(slot),
        type->is_parameter(slot), type->is_buffer(slot));
  }
  return copy;
}

/// The logits in what a forward returns.
jit::Value* logits_of(const char* function, jit::Graph& graph, jit::Value* returned) {
  if (returned->type()->isSubtypeOf(*c10::TensorType::get())) return returned;
  const auto tuple = returned->type()->cast<c10::TupleType>();
  const bool has_logits =
      tuple && !tuple->elements().empty() && tuple->elements()[0]->isSubtypeOf(*c10::TensorType::get());
  RETORT_CHECK(
      has_logits, function, ": forward must return the logits, or a tuple with the logits first (got ",
      returned->type()->str(), ")");
  jit::Value* first = graph.insertConstant(int64_t{0});
  return graph.insertNode(graph.createTupleIndex(returned, first, tuple->elements()[0]))->output();
}

}  // namespace

jit::Module with_module_taps(const char* function, const jit::Module& program, const std::vector<ModuleTap>& taps) {
  const Inliner inliner(program);
  jit::Graph& graph = *inliner.graph();
  jit::Module tapped = with_attributes_of(program);
  graph.inputs().at(0)->setType(tapped.type());

  std::vector<std::string> names;
  std::vector<jit::Value*> features;
  const jit::AliasDb aliases(inliner.graph());
  for (const ModuleTap& tap : taps) {
    jit::Value* value = value_of(function, inliner, tap);
    // What is overwritten, before or after, is handed out as it was.
    if (aliases.hasWriters(value)) {
      const bool is_input = value->node()->kind() == c10::prim::Param;
      const jit::WithInsertPoint after(is_input ? *graph.nodes().begin() : value->node()->next());
      value = graph.insert(c10::aten::clone, {value});
    }
    features.push_back(value);
    names.push_back(tap.name);
  }
  const jit::WithInsertPoint end(graph.return_node());
  jit::Value* logits = logits_of(function, graph, graph.outputs().at(0));
  graph.eraseOutput(0);
  return_output(graph, logits, names, features);
  graph.lint();
  jit::Function* forward = tapped._ivalue()->compilation_unit()->create_function(
      c10::QualifiedName(*tapped.type()->name(), "forward"), inliner.graph());
  tapped.type()->addMethod(forward);
  return tapped;
}

}  // namespace retort
