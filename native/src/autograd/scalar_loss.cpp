#include "autograd/scalar_loss.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mul.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/graph_task.h>

#include <memory>
#include <string>
#include <utility>

#include "runtime/recycler.h"
#include "tensor/check.h"
#include "tensor/plain.h"
#include "tensor/precision.h"
#include "tensor/scalar.h"

namespace retort::autograd {
namespace {

using torch::autograd::Node;
using torch::autograd::variable_list;

/// What a gradient hangs on, so that differentiating it fails.
class OnceDifferentiable final : public Node {
 public:
  OnceDifferentiable(std::string name, torch::autograd::edge_list&& edges)
      : Node(std::move(edges)), name_(std::move(name)) {}

  variable_list apply(variable_list&& /*gradients*/) override {
    fail(name_, ": the gradient must not be differentiated again");
  }

  std::string name() const override { return "retort::" + name_ + "_gradient"; }

 private:
  std::string name_;
};

at::Tensor scaled(const at::Tensor& gradient, const at::Tensor& scale) {
  if (!is_plain_cpu(gradient) || !is_plain_cpu(scale) || at::GradMode::is_enabled()) return gradient * scale;
  at::Tensor result = recycled_like(gradient);
  return at::mul_out(result, gradient, scale);
}

/// Its gradient has no tangent, since that would take a second derivative.
void check_has_no_tangent(const std::string& name, const at::Tensor& input) {
  RETORT_CHECK(!input._fw_grad(/*level=*/0).defined(), name, ": the gradient must not be differentiated again");
}

/// Written by hand, since Function's context takes longer than a small loss.
class ScalarLoss final : public Node {
 public:
  ScalarLoss(std::string name, std::vector<InputWithGradient> inputs) : name_(std::move(name)) {
    variable_list edges;
    for (InputWithGradient& one : inputs) {
      edges.push_back(one.input);
      dtypes_.push_back(one.input.scalar_type());
      if (one.gradient.defined()) inputs_.push_back(std::move(one.input));
      gradients_.push_back(std::move(one.gradient));
    }
    set_next_edges(torch::autograd::collect_next_edges(edges));
  }

  variable_list apply(variable_list&& loss_gradients) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    RETORT_CHECK_AS(c10::Error, !is_released_, torch::autograd::ERR_BACKWARD_TWICE);
    variable_list result(gradients_.size());
    const at::Tensor& scale = loss_gradients[0];
    if (!scale.defined()) return result;
    for (const at::Tensor& input : inputs_) check_has_no_tangent(name_, input);
    // The end of most graphs, and a pass over memory less. On other devices to look would be to wait, and a gradient
    // that is to be differentiated must stay connected to its scale.
    const bool is_last = !at::GradMode::is_enabled() && !torch::autograd::get_current_graph_task_keep_graph();
    const bool is_handed_out = is_last && is_plain_cpu(scale) && value_of(scale) == 1;
    for (size_t i = 0; i < gradients_.size(); ++i) {
      if (!gradients_[i].defined()) continue;
      result[i] = rounded_to(dtypes_[i], is_handed_out ? std::move(gradients_[i]) : scaled(gradients_[i], scale));
      if (at::GradMode::is_enabled()) result[i] = differentiable_once(name_, result[i], inputs_);
    }
    return result;
  }

  void release_variables() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_released_ = true;
    inputs_.clear();
    gradients_.clear();
  }

  std::string name() const override { return "retort::" + name_; }

 private:
  std::string name_;
  /// Those that have a gradient.
  variable_list inputs_;
  /// One for each input; undefined where none was asked for.
  variable_list gradients_;
  std::vector<at::ScalarType> dtypes_;
  bool is_released_ = false;
};

}  // namespace

void connect(const std::string& name, const at::Tensor& loss, std::vector<InputWithGradient> inputs) {
  const std::shared_ptr<Node> node(new ScalarLoss(name, std::move(inputs)), torch::autograd::deleteNode);
  torch::autograd::set_history(loss, node);
}

at::Tensor differentiable_once(const std::string& name, const at::Tensor& gradient, at::TensorList inputs) {
  variable_list edges = inputs.vec();
  edges.push_back(gradient);
  const std::shared_ptr<Node> node(
      new OnceDifferentiable(name, torch::autograd::collect_next_edges(edges)), torch::autograd::deleteNode);
  at::Tensor copy = [&] {
    // For this level of autograd only: torch.func's outer ones go on.
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    return gradient.clone();
  }();
  torch::autograd::set_history(copy, node);
  return copy;
}

}  // namespace retort::autograd
