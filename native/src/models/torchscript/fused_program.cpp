#include "models/torchscript/fused_program.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/peephole.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "convolution/normed.h"

namespace retort {
namespace {

namespace jit = torch::jit;

// Places of operands.
constexpr size_t kResidual = 8;
constexpr size_t kRelu = 9;

/// Whether an operand is the integer 1, or a list of them.
bool is_one(const jit::Value* value) {
  const auto known = jit::toIValue(value);
  if (!known) return false;
  if (known->isInt()) return known->toInt() == 1;
  if (!known->isIntList()) return false;
  const auto list = known->toIntVector();
  return std::all_of(list.begin(), list.end(), [](int64_t number) { return number == 1; });
}

/// The only user of a value; null if there are several.
jit::Node* only_user(const jit::Value* value) {
  return value->uses().size() == 1 ? value->uses()[0].user : nullptr;
}

/// Fuses what follows convolutions into them, one node after the other.
class Fusion {
 public:
  explicit Fusion(std::shared_ptr<jit::Graph> graph) : graph_(std::move(graph)) {}

  int64_t run() {
    for (jit::Node* norm : norms()) fuse_norm(norm);
    return fused_;
  }

 private:
  /// Those of the forward pass itself: branches and loops are left alone.
  std::vector<jit::Node*> norms() const {
    std::vector<jit::Node*> nodes;
    for (jit::Node* node : graph_->nodes()) {
      if (node->kind() == c10::aten::batch_norm) nodes.push_back(node);
    }
    return nodes;
  }

  /// Whether a node may as well run just before another: in between nobody writes to what it reads.
  bool move_before(jit::Node* node, jit::Node* next) const {
    return jit::AliasDb(graph_).moveBeforeTopologicallyValid(node, next);
  }

  void fuse_norm(jit::Node* norm) {
    jit::Node* conv = norm->input(0)->node();
    const bool is_followed = conv->owningBlock() == graph_->block() && only_user(conv->output()) == norm;
    if (conv->kind() != c10::aten::conv2d || !is_followed) return;
    const bool is_plain =
        is_one(conv->input(3)) && is_one(conv->input(4)) && is_one(conv->input(5)) && is_one(conv->input(6));
    const bool has_statistics = norm->input(3)->type()->isSubtypeOf(*c10::TensorType::get()) &&
                                norm->input(4)->type()->isSubtypeOf(*c10::TensorType::get());
    if (!is_plain || may_move_statistics(*norm) || !has_statistics || !move_before(conv, norm)) return;
    jit::Node* const fused = graph_->create(
        c10::Symbol::fromQualString(kConv2dNormed),
        {conv->input(0), conv->input(1), conv->input(2), norm->input(1), norm->input(2), norm->input(3), norm->input(4),
         norm->input(7), constant_before(norm, c10::IValue()), constant_before(norm, false)});
    fused->output()->setType(c10::TensorType::get());
    fused->insertBefore(norm);
    replace(norm, fused);
    conv->destroy();
    ++fused_;
    fuse_sum(fused);
    fuse_relu(fused);
  }

  void fuse_sum(jit::Node* fused) const {
    jit::Node* const sum = only_user(fused->output());
    if (!sum || sum->owningBlock() != graph_->block()) return;
    const bool in_place = sum->kind() == c10::aten::add_;
    if ((!in_place && sum->kind() != c10::aten::add) || sum->inputs().size() != 3 || !is_one(sum->input(2))) return;
    const bool is_first = sum->input(0) == fused->output();
    jit::Value* const other = sum->input(is_first ? 1 : 0);
    if ((in_place && !is_first) || !other->type()->isSubtypeOf(*c10::TensorType::get())) return;
    if (!move_before(fused, sum)) return;
    fused->replaceInput(kResidual, other);
    replace(sum, fused);
  }

  void fuse_relu(jit::Node* fused) const {
    jit::Node* const relu = only_user(fused->output());
    if (!relu || relu->owningBlock() != graph_->block()) return;
    if ((relu->kind() != c10::aten::relu && relu->kind() != c10::aten::relu_) || !move_before(fused, relu)) return;
    fused->replaceInput(kRelu, constant_before(fused, true));
    replace(relu, fused);
  }

  jit::Value* constant_before(jit::Node* node, const c10::IValue& value) const {
    const jit::WithInsertPoint here(node);
    return graph_->insertConstant(value);
  }

  static void replace(jit::Node* node, jit::Node* by) {
    node->output()->replaceAllUsesWith(by->output());
    node->destroy();
  }

  std::shared_ptr<jit::Graph> graph_;
  int64_t fused_ = 0;
};

}  // namespace

FusedProgram::FusedProgram(const jit::Module& program) : program_(program) {
  std::shared_ptr<jit::Graph> graph = evaluation_graph(program);
  jit::PeepholeOptimize(graph);
  jit::ConstantPropagation(graph);
  jit::EliminateDeadCode(graph);
  fused_ = Fusion(graph).run();
  code_ = std::make_unique<jit::Code>(graph, "forward");
}

ProgramOutput FusedProgram::run(const at::Tensor& images, const Refusal& refuse) const {
  const at::NoGradGuard no_gradients;
  const PackedWeights::Use use(weights_);
  return checked_output(
      [&] {
        jit::Stack stack = {program_._ivalue(), images};
        jit::InterpreterState(*code_).run(stack);
        return stack.back();
      },
      refuse);
}

}  // namespace retort
