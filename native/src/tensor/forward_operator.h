#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <string>
#include <vector>

namespace retort {

/// A call of the forward operator of a loss,
///
///   _NAME_forward(inputs..., other arguments..., bool[n] gradients) -> (Tensor, Tensor[])
///
/// as a boxed kernel sees it. The first n arguments, tensors or lists of tensors, are the inputs; `gradients` says to
/// which of them gradients are asked for.
class ForwardCall {
 public:
  ForwardCall(const c10::OperatorHandle& op, const torch::jit::Stack& stack)
      : op_(op),
        arguments_(torch::jit::last(stack, op.schema().arguments().size())),
        asked_(arguments_.back().toBoolList().vec()) {}

  /// e.g. kd_loss for _kd_forward
  std::string name() const {
    const std::string& name = op_.schema().name();  // retort::_kd_forward
    const size_t begin = name.find("::_") + 3;
    return name.substr(begin, name.rfind("_forward") - begin) + "_loss";
  }

  size_t inputs() const { return asked_.size(); }
  bool asks_for(size_t input) const { return asked_[input]; }

  /// The tensors of one input.
  std::vector<at::Tensor> tensors(size_t input) const {
    const c10::IValue& argument = arguments_[input];
    return argument.isTensor() ? std::vector<at::Tensor>{argument.toTensor()} : argument.toTensorVector();
  }

 private:
  const c10::OperatorHandle& op_;
  at::ArrayRef<c10::IValue> arguments_;
  std::vector<bool> asked_;
};

}  // namespace retort
