#include "models/exported/overwritten.h"

#include <map>

#include "models/exported/operators.h"

namespace retort::exported {
namespace {

/// Follows which values share memory with which.
class Aliases {
 public:
  explicit Aliases(const std::set<std::string>& watched) : watched_(watched) {}

  void note_made(const std::string& value) {
    if (watched_.count(value) > 0) made_[origin_of(value)].insert(value);
  }
  void note_alias(const std::string& value, const std::string& of) {
    origin_[value] = origin_of(of);
    note_made(value);
  }
  void note_write(const std::string& value) {
    const std::set<std::string>& shared = made_[origin_of(value)];
    overwritten_.insert(shared.begin(), shared.end());
  }

  const std::set<std::string>& overwritten() const { return overwritten_; }

 private:
  /// The first value in the memory.
  std::string origin_of(const std::string& value) const {
    const auto found = origin_.find(value);
    return found == origin_.end() ? value : found->second;
  }

  const std::set<std::string>& watched_;
  std::map<std::string, std::string> origin_;
  /// The watched values that are made so far, by origin.
  std::map<std::string, std::set<std::string>> made_;
  std::set<std::string> overwritten_;
};

}  // namespace

std::set<std::string> overwritten_later(const Graph& graph, const std::set<std::string>& values) {
  Aliases aliases(values);
  for (const std::string& input : graph.inputs) aliases.note_made(input);
  for (const Node& node : graph.nodes) {
    if (kind_of(node) == NodeKind::kControl) {
      // What a body does with its arguments is not followed.
      for (const auto& [name, argument] : node.arguments) {
        for (const std::string& value : values_in(argument)) aliases.note_write(value);
      }
    }
    std::string shared;
    if (kind_of(node) == NodeKind::kOperator) {
      const Operator op = operator_of(node);
      for (const c10::Argument& declared : op.schema().arguments()) {
        const Argument* argument = declared.alias_info() ? find_argument(node, declared.name().c_str()) : nullptr;
        if (!argument) continue;
        for (const std::string& value : values_in(*argument)) {
          if (declared.alias_info()->isWrite()) aliases.note_write(value);
          shared = value;
        }
      }
    }
    for (const Node::Output& output : node.outputs) {
      for (const std::string& value : output.names) {
        shared.empty() ? aliases.note_made(value) : aliases.note_alias(value, shared);
      }
    }
  }
  return aliases.overwritten();
}

}  // namespace retort::exported
