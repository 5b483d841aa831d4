#include "autograd/scalar_loss.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/mul.h>
#include <torch/csrc/autograd/custom_function.h>

#include "runtime/recycler.h"
#include "tensor/check.h"

namespace retort::autograd {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
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

struct Computed {
  const char* name;
  at::Tensor loss;
  std::vector<at::Tensor> gradients;
};

at::Tensor scaled(const at::Tensor& gradient, const at::Tensor& scale) {
  if (!gradient.is_cpu() || at::GradMode::is_enabled()) return gradient * scale;
  at::Tensor result = recycled_like(gradient);
  return at::mul_out(result, gradient, scale);
}

struct ScalarLoss : Function<ScalarLoss> {
  static at::Tensor forward(AutogradContext* ctx, at::TensorList inputs, const Computed& computed) {
    ctx->saved_data["name"] = std::string(computed.name);
    ctx->saved_data["count"] = static_cast<int64_t>(inputs.size());
    // The gradients, then the inputs they belong to. Other inputs may come from inference mode and cannot be saved.
    variable_list saved(computed.gradients);
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (computed.gradients[i].defined()) saved.push_back(inputs[i]);
    }
    ctx->save_for_backward(std::move(saved));
    return computed.loss;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& loss_gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const auto count = static_cast<size_t>(ctx->saved_data["count"].toInt());
    const at::TensorList inputs(saved.data() + count, saved.size() - count);
    const std::string& name = ctx->saved_data["name"].toStringRef();
    variable_list result(count + 1);
    const at::Tensor& scale = loss_gradients[0];
    if (!scale.defined()) return result;
    // The end of most graphs, and a pass over memory less. On other devices to look would be to wait, and a gradient
    // that is to be differentiated must stay connected to its scale.
    const bool is_one = scale.is_cpu() && !at::GradMode::is_enabled() && scale.item<double>() == 1;
    for (size_t i = 0; i < count; ++i) {
      if (!saved[i].defined()) continue;
      result[i] = is_one ? saved[i] : scaled(saved[i], scale);
      if (at::GradMode::is_enabled()) result[i] = OnceDifferentiable::apply(result[i], inputs, name.c_str());
    }
    return result;
  }
};

}  // namespace

bool wants_gradient(const at::Tensor& input) {
  return at::GradMode::is_enabled() && input.requires_grad();
}

at::Tensor connect(
    const char* name, const at::Tensor& loss, at::TensorList inputs, const std::vector<at::Tensor>& gradients) {
  return ScalarLoss::apply(inputs, Computed{name, loss, gradients});
}

}  // namespace retort::autograd
