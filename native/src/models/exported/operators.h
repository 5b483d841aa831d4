#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <string>

#include "models/exported/program.h"

namespace retort::exported {

/// An operator of ATen.
struct Operator {
  /// Without namespace and overload, as in "conv2d".
  std::string name;
  std::string overload;
  c10::OperatorHandle handle;

  const c10::FunctionSchema& schema() const { return handle.schema(); }
};

/// What a node does.
enum class NodeKind {
  /// Runs an operator of ATen.
  kOperator,
  /// Computes with sizes: _operator.mul, torch.sym_max.
  kArithmetic,
  /// Runs a body: torch.no_grad(), torch.cond().
  kControl,
  /// Checks what Python knew when it exported; nothing to do.
  kAssertion
};

NodeKind kind_of(const Node& node);

/// The operator of a node of the kind kOperator.
/// @throws FileError whose message is the reason, if the operator is not one of those that a program may run, or this
/// LibTorch does not have it
Operator operator_of(const Node& node);

/// What TorchScript calls the function of a node of the kind kArithmetic.
/// @throws FileError whose message is the reason, if it is not known
std::string arithmetic_of(const Node& node);

/// The argument that says whether an operator trains, as batch_norm's "training"; null if it has none.
const char* mode_argument(const std::string& name);

/// Null if a node has no such argument.
const Argument* find_argument(const Node& node, const char* name);

/// Whether a node behaves differently in training and in evaluation: its operator has a mode, and, if it is a
/// normalisation, running statistics, without which it takes the batch's in every mode.
bool has_mode(const Node& node, const Operator& op);

/// Whether the mode of such a node is that of training.
bool is_in_training(const Node& node, const Operator& op);

}  // namespace retort::exported
