// What autograd does with the forward operators of all losses.
#include <ATen/TensorOperators.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/AutogradState.h>
#include <torch/library.h>

#include <string>
#include <utility>
#include <vector>

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
  Input(size_t of_argument, at::Tensor of)
      : argument(of_argument), tensor(std::move(of)), tangent(tangent_of(tensor)) {}

  bool is_recorded() const { return at::GradMode::is_enabled() && tensor.requires_grad(); }
  bool has_tangent() const { return tangent.defined(); }

  size_t argument;
  at::Tensor tensor;
  at::Tensor tangent;
  /// Undefined if nobody wants it.
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
    if (!one.has_tangent()) continue;
    const at::Tensor gradient = gradient_of(name, one, inputs).to(loss.scalar_type());
    const at::Tensor part = (gradient * one.tangent).sum();
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
  bool is_recorded = false;
  bool has_tangent = false;
  for (size_t i = 0; i < call.inputs(); ++i) {
    wanted.push_back(call.asks_for(i));
    for (at::Tensor& tensor : call.tensors(i)) {
      const Input& one = inputs.emplace_back(i, std::move(tensor));
      is_recorded |= one.is_recorded();
      has_tangent |= one.has_tangent();
      wanted[i] = wanted[i] || one.is_recorded() || one.has_tangent();
    }
  }
  auto [loss, gradients] = compute(op, call.arguments().vec(), wanted);
  if (!is_recorded && !has_tangent) return answer(op, *stack, std::move(loss), std::move(gradients));

  auto next = gradients.begin();
  for (Input& one : inputs) {
    if (wanted[one.argument]) one.gradient = std::move(*next++);
  }
  const std::string name = call.name();
  std::vector<at::Tensor> asked;
  for (const Input& one : inputs) {
    if (!call.asks_for(one.argument)) continue;
    RETORT_CHECK(!has_tangent, name, ": the gradient must not be differentiated again");
    asked.push_back(gradient_of(name, one, inputs));
  }
  if (is_recorded) record(name, loss, inputs);
  if (has_tangent) set_tangent(name, loss, inputs);
  answer(op, *stack, std::move(loss), std::move(asked));
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, Autograd, m) {
  implement_forward_operators<&differentiate>(m);
}

}  // namespace retort::autograd
