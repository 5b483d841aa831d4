// What autograd does with convolutions.
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <c10/core/AutogradState.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/library.h>

#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tensor/for_autograd.h"
#include "tensor/operators.h"

namespace retort::autograd {
namespace {

using torch::autograd::Node;
using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

using Wanted = std::array<bool, 3>;

/// The gradients of input, weight and bias, which can be differentiated again: ATen's can.
variable_list differentiable_backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight, Wanted wanted) {
  const std::array<c10::SymInt, 1> biases = {weight.sym_size(0)};
  const std::array<c10::SymInt, 2> ones = {1, 1};
  const std::array<c10::SymInt, 2> zeros = {0, 0};
  auto [of_input, of_weight, of_bias] = at::convolution_backward_symint(
      gradient, input, weight, c10::SymIntArrayRef(biases), ones, ones, ones, /*transposed=*/false, zeros,
      /*groups=*/1, wanted);
  return {of_input, of_weight, of_bias};
}

variable_list backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight, Wanted wanted, bool always) {
  using Backward = std::vector<at::Tensor>(const at::Tensor&, const at::Tensor&, const at::Tensor&, Wanted, bool);
  static const auto op = find_operator<Backward>("retort::_conv3x3_backward");
  std::vector<at::Tensor> gradients = op.call(gradient, input, weight, wanted, always);
  variable_list results(wanted.size());
  auto next = gradients.begin();
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i]) results[i] = std::move(*next++);
  }
  return results;
}

class Conv3x3Backward final : public Node {
 public:
  Conv3x3Backward(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias, bool always)
      : Node(torch::autograd::collect_next_edges(input, weight, bias)),
        input_(for_autograd(input), /*is_output=*/false),
        weight_(for_autograd(weight), /*is_output=*/false),
        always_(always) {}

  variable_list apply(variable_list&& gradients) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Wanted wanted = {task_should_compute_output(0), task_should_compute_output(1), task_should_compute_output(2)};
    const at::Tensor& gradient = gradients[0];
    // Whether or not they are needed: backward through a graph that is gone is to fail.
    const at::Tensor input = input_.unpack();
    const at::Tensor weight = weight_.unpack();
    if (!gradient.defined()) return variable_list(wanted.size());
    return at::GradMode::is_enabled() ? differentiable_backward(gradient, input, weight, wanted)
                                      : backward(gradient, input, weight, wanted, always_);
  }

  void release_variables() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    input_.reset_data();
    weight_.reset_data();
  }

  std::string name() const override { return "retort::conv3x3"; }

 private:
  SavedVariable input_;
  SavedVariable weight_;
  bool always_;
};

bool has_tangent(const at::Tensor& tensor) {
  return tensor.defined() && c10::AutogradState::get_tls_state().get_fw_grad_mode() &&
         tensor._fw_grad(/*level=*/0).defined();
}

at::Tensor forward(
    const at::Tensor& input, const at::Tensor& weight, const std::optional<at::Tensor>& bias, bool always) {
  const at::Tensor given_bias = bias.value_or(at::Tensor());
  if (has_tangent(input) || has_tangent(weight) || has_tangent(given_bias)) {
    return at::convolution(
        input, weight, bias, {1, 1}, {1, 1}, {1, 1}, /*transposed=*/false, /*output_padding=*/{0, 0}, /*groups=*/1);
  }
  using Forward = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&, bool);
  static const auto op = find_operator<Forward>("retort::_conv3x3");
  std::shared_ptr<Node> node;
  if (torch::autograd::compute_requires_grad(input, weight, given_bias)) {
    node = std::shared_ptr<Node>(new Conv3x3Backward(input, weight, given_bias, always), torch::autograd::deleteNode);
  }
  at::Tensor output = [&] {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    return op.call(input, weight, bias, always);
  }();
  if (node) torch::autograd::set_history(output, node);
  return output;
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, Autograd, m) {
  m.impl("_conv3x3", &forward);
}

}  // namespace retort::autograd
