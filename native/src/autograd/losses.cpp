// What autograd does with the forward operators of all losses.
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/AutogradState.h>
#include <c10/core/InferenceMode.h>
#include <torch/library.h>

#include <algorithm>
#include <utility>

#include "autograd/scalar_loss.h"
#include "tensor/check.h"
#include "tensor/forward_operator.h"
#include "tensor/operators.h"

namespace retort::autograd {
namespace {

/// Undefined if the tensor is no dual number.
at::Tensor tangent_of(const at::Tensor& tensor) {
  const bool is_on = c10::AutogradState::get_tls_state().get_fw_grad_mode();
  return is_on ? tensor._fw_grad(/*level=*/0) : at::Tensor();
}

/// One tensor among the inputs of a loss.
struct Input {
  explicit Input(at::Tensor of) : tensor(std::move(of)), tangent(tangent_of(tensor)) {}

  bool is_recorded() const { return at::GradMode::is_enabled() && tensor.requires_grad(); }
  bool is_differentiated() const { return is_recorded() || tangent.defined(); }

  at::Tensor tensor;
  at::Tensor tangent;
  /// Whether the caller has asked for its gradient.
  bool is_asked = false;
  at::Tensor gradient;
};

/// Calls the operator below autograd.
LossWithGradients compute(const c10::OperatorHandle& op, torch::jit::Stack stack, const std::vector<bool>& wanted) {
  stack.back() = c10::List<bool>();
  for (bool one : wanted) stack.back().toBoolList().push_back(one);
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  op.callBoxed(stack);
  return {stack.at(0).toTensor(), stack.at(1).toTensorVector()};
}

/// The gradient of one input, which must not be differentiated again.
at::Tensor gradient_of(const std::string& name, const Input& input, const std::vector<Input>& inputs) {
  std::vector<at::Tensor> recorded;
  for (const Input& one : inputs) {
    if (one.is_recorded()) recorded.push_back(one.tensor);
  }
  return recorded.empty() ? input.gradient : differentiable_once(name, input.gradient, recorded);
}

void record(const std::string& name, const at::Tensor& loss, const std::vector<Input>& inputs) {
  std::vector<InputWithGradient> recorded;
  for (const Input& one : inputs) recorded.push_back({one.tensor, one.is_recorded() ? one.gradient : at::Tensor()});
  connect(name, loss, std::move(recorded));
}

void set_tangent(const std::string& name, const at::Tensor& loss, const std::vector<Input>& inputs) {
  at::Tensor sum;
  for (const Input& one : inputs) {
    if (!one.tangent.defined()) continue;
    const at::Tensor part = (gradient_of(name, one, inputs) * one.tangent).sum();
    sum = sum.defined() ? sum + part : part;
  }
  loss._set_fw_grad(sum.to(loss.scalar_type()), /*level=*/0, /*is_inplace_op=*/false);
}

/// The gradients are computed together with the loss, if anyone will ask for them: in the backward pass, by a tangent,
/// or at once.
void differentiate(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const ForwardCall call(op, *stack);
  std::vector<Input> inputs;
  std::vector<bool> wanted;
  for (size_t i = 0; i < call.inputs(); ++i) {
    wanted.push_back(call.asks_for(i));
    for (at::Tensor& tensor : call.tensors(i)) {
      inputs.emplace_back(std::move(tensor));
      inputs.back().is_asked = call.asks_for(i);
      if (inputs.back().is_differentiated()) wanted.back() = true;
    }
  }
  const size_t arguments = op.schema().arguments().size();
  auto [loss, gradients] = compute(op, torch::jit::last(*stack, arguments).vec(), wanted);
  auto next = gradients.begin();
  auto input = inputs.begin();
  for (size_t i = 0; i < call.inputs(); ++i) {
    for (size_t j = call.tensors(i).size(); j > 0; --j, ++input) {
      if (wanted[i]) input->gradient = std::move(*next++);
    }
  }

  const std::string name = call.name();
  const auto has = [&](const auto& predicate) { return std::any_of(inputs.begin(), inputs.end(), predicate); };
  const bool has_tangent = has([](const Input& one) { return one.tangent.defined(); });
  std::vector<at::Tensor> asked;
  for (const Input& one : inputs) {
    if (!one.is_asked) continue;
    RETORT_CHECK(!has_tangent, name, ": the gradient must not be differentiated again");
    asked.push_back(gradient_of(name, one, inputs));
  }
  if (has([](const Input& one) { return one.is_recorded(); })) record(name, loss, inputs);
  if (has_tangent) set_tangent(name, loss, inputs);
  torch::jit::drop(*stack, arguments);
  torch::jit::push(*stack, std::move(loss), std::move(asked));
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, Autograd, m) {
  for (const char* name : {RETORT_FORWARD_OPERATORS}) {
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&differentiate>());
  }
}

}  // namespace retort::autograd
