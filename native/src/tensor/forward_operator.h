#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>
#include <torch/library.h>

#include <string>
#include <utility>
#include <vector>

namespace retort {

/// The tensors of an argument that is one or a list of them; none of any other.
inline std::vector<at::Tensor> tensors_in(const c10::IValue& argument) {
  if (argument.isTensor()) return {argument.toTensor()};
  return argument.isTensorList() ? argument.toTensorVector() : std::vector<at::Tensor>();
}

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

  at::ArrayRef<c10::IValue> arguments() const { return arguments_; }
  /// The tensors of one input.
  std::vector<at::Tensor> tensors(size_t input) const { return tensors_in(arguments_[input]); }

 private:
  const c10::OperatorHandle& op_;
  at::ArrayRef<c10::IValue> arguments_;
  std::vector<bool> asked_;
};

/// Replaces the arguments of the operator on the stack by what it returns.
inline void answer(
    const c10::OperatorHandle& op, torch::jit::Stack& stack, at::Tensor loss, std::vector<at::Tensor> gradients) {
  torch::jit::drop(stack, op.schema().arguments().size());
  torch::jit::push(stack, std::move(loss), std::move(gradients));
}

/// Gives the forward operators of all losses a kernel.
template <auto* kKernel>
void implement_forward_operators(torch::Library& library) {
  for (const char* name : {RETORT_FORWARD_OPERATORS}) {
    library.impl(name, torch::CppFunction::makeFromBoxedFunction<kKernel>());
  }
}

}  // namespace retort
