#include "autograd/scalar_loss.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/mul.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/graph_task.h>

#include <memory>
#include <string>
#include <utility>

#include "runtime/recycler.h"
#include "tensor/check.h"
#include "tensor/scalar.h"

namespace retort::autograd {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Node;
using torch::autograd::variable_list;

/// Keeps a gradient connected to the loss's inputs, so that differentiating it fails instead of giving 0.
struct OnceDifferentiable : Function<OnceDifferentiable> {
  static at::Tensor forward(
      AutogradContext* ctx, const at::Tensor& gradient, at::TensorList /*inputs*/, const char* name) {
    ctx->saved_data["name"] = std::string(name);
    return gradient.clone();
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& /*gradients*/) {
    fail(ctx->saved_data["name"].toStringRef(), ": the gradient must not be differentiated again");
  }
};

at::Tensor scaled(const at::Tensor& gradient, const at::Tensor& scale) {
  if (!gradient.is_cpu() || at::GradMode::is_enabled()) return gradient * scale;
  at::Tensor result = recycled_like(gradient);
  return at::mul_out(result, gradient, scale);
}

/// Written by hand, since Function's context takes longer than a small loss.
class ScalarLoss final : public Node {
 public:
  ScalarLoss(const char* name, at::TensorList inputs, variable_list gradients)
      : name_(name), gradients_(std::move(gradients)) {
    set_next_edges(torch::autograd::collect_next_edges(inputs));
    for (size_t i = 0; i < gradients_.size(); ++i) {
      if (gradients_[i].defined()) inputs_.push_back(inputs[i]);
    }
  }

  variable_list apply(variable_list&& loss_gradients) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    RETORT_CHECK_AS(c10::Error, !is_released_, torch::autograd::ERR_BACKWARD_TWICE);
    variable_list result(gradients_.size());
    const at::Tensor& scale = loss_gradients[0];
    if (!scale.defined()) return result;
    // The end of most graphs, and a pass over memory less. On other devices to look would be to wait, and a gradient
    // that is to be differentiated must stay connected to its scale.
    const bool is_last = !at::GradMode::is_enabled() && !torch::autograd::get_current_graph_task_keep_graph();
    const bool is_handed_out = is_last && scale.is_cpu() && value_of(scale) == 1;
    for (size_t i = 0; i < gradients_.size(); ++i) {
      if (!gradients_[i].defined()) continue;
      result[i] = is_handed_out ? std::move(gradients_[i]) : scaled(gradients_[i], scale);
      if (at::GradMode::is_enabled()) result[i] = OnceDifferentiable::apply(result[i], at::TensorList(inputs_), name_);
    }
    return result;
  }

  void release_variables() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_released_ = true;
    inputs_.clear();
    gradients_.clear();
  }

  std::string name() const override { return std::string("retort::") + name_; }

 private:
  const char* name_;
  /// Those that have a gradient.
  variable_list inputs_;
  /// One for each input; undefined where none was asked for.
  variable_list gradients_;
  bool is_released_ = false;
};

}  // namespace

bool wants_gradient(const at::Tensor& input) {
  return at::GradMode::is_enabled() && input.requires_grad();
}

at::Tensor connect(const char* name, const at::Tensor& loss, at::TensorList inputs, std::vector<at::Tensor> gradients) {
  const std::shared_ptr<Node> node(new ScalarLoss(name, inputs, std::move(gradients)), torch::autograd::deleteNode);
  torch::autograd::set_history(loss, node);
  return loss;
}

}  // namespace retort::autograd
