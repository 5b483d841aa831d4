// torch.vmap over the forward operators of the losses: each runs once for each element of the batch. What vmap gains
// for a small operator, these have within.
#include <ATen/functorch/BatchedTensorImpl.h>
#include <ATen/ops/stack.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>

#include <utility>
#include <vector>

#include "tensor/forward_operator.h"

namespace retort::autograd {
namespace {

using at::functorch::BatchedTensorImpl;

at::Tensor element(const at::Tensor& tensor, int64_t level, int64_t index) {
  const BatchedTensorImpl* batched = at::functorch::maybeGetBatchedImpl(tensor);
  if (!batched || batched->level() != level) return tensor;
  return batched->value().select(batched->bdim(), index);
}

/// The innermost vmap of some arguments, which is the one that is to be computed.
struct Level {
  explicit Level(at::ArrayRef<c10::IValue> arguments) {
    for (const c10::IValue& argument : arguments) {
      for (const at::Tensor& tensor : tensors_in(argument)) {
        const BatchedTensorImpl* batched = at::functorch::maybeGetBatchedImpl(tensor);
        if (!batched || batched->level() <= number) continue;
        number = batched->level();
        size = batched->value().size(batched->bdim());
      }
    }
  }

  int64_t number = -1;
  int64_t size = 0;
};

/// The arguments of one element of the batch.
torch::jit::Stack arguments_of(at::ArrayRef<c10::IValue> arguments, int64_t level, int64_t index) {
  torch::jit::Stack stack;
  for (const c10::IValue& argument : arguments) {
    if (argument.isTensor()) {
      stack.emplace_back(element(argument.toTensor(), level, index));
    } else if (argument.isTensorList()) {
      std::vector<at::Tensor> list = argument.toTensorVector();
      for (at::Tensor& tensor : list) tensor = element(tensor, level, index);
      stack.emplace_back(std::move(list));
    } else {
      stack.push_back(argument);
    }
  }
  return stack;
}

void forward(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const c10::impl::ExcludeDispatchKeyGuard below_vmap(c10::DispatchKey::FuncTorchBatched);
  const ForwardCall call(op, *stack);
  const Level level(call.arguments());
  std::vector<at::Tensor> losses;
  std::vector<std::vector<at::Tensor>> gradients;
  for (int64_t i = 0; i < level.size; ++i) {
    torch::jit::Stack one = arguments_of(call.arguments(), level.number, i);
    op.callBoxed(one);
    losses.push_back(one.at(0).toTensor());
    const std::vector<at::Tensor> of_one = one.at(1).toTensorVector();
    gradients.resize(of_one.size());
    for (size_t j = 0; j < of_one.size(); ++j) gradients[j].push_back(of_one[j]);
  }
  const auto batched = [&](const std::vector<at::Tensor>& elements) {
    return at::functorch::makeBatched(at::stack(elements), 0, level.number);
  };
  std::vector<at::Tensor> all;
  for (const std::vector<at::Tensor>& one : gradients) all.push_back(batched(one));
  answer(op, *stack, batched(losses), std::move(all));
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, FuncTorchBatched, m) {
  implement_forward_operators<&forward>(m);
}

}  // namespace retort::autograd
