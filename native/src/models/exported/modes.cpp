#include "models/exported/modes.h"

#include <ATen/core/enum_tag.h>

#include "models/exported/operators.h"

namespace retort::exported {

bool is_of_evaluation(const Program& program) {
  bool has_modes = false;
  for (const Node& node : program.graph.nodes) {
    if (kind_of(node) != NodeKind::kOperator) continue;
    const Operator op = operator_of(node);
    if (!has_mode(node, op)) continue;
    if (is_in_training(node, op)) return false;
    has_modes = true;
  }
  return has_modes;
}

std::set<std::string> noise_in(const Program& program) {
  std::set<std::string> names;
  for (const Node& node : program.graph.nodes) {
    if (kind_of(node) != NodeKind::kOperator) continue;
    const Operator op = operator_of(node);
    // Stochastic depth is known for what it is.
    const bool is_depth = op.name == "bernoulli_" && op.overload == "float";
    const bool is_random = op.handle.hasTag(at::Tag::nondeterministic_seeded);
    if (is_random && !mode_argument(op.name) && !is_depth) names.insert("aten::" + op.name);
  }
  return names;
}

}  // namespace retort::exported
