#include "distributed/batch_norm.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/batch_norm_native.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/instance_norm_native.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/library.h>

#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "distributed/batch_statistics.h"
#include "distributed/group.h"
#include "tensor/check.h"

namespace retort {
namespace {

using torch::autograd::Node;
using torch::autograd::SavedVariable;
using torch::autograd::variable_list;
using Optional = std::optional<at::Tensor>;

thread_local Group* current = nullptr;
/// Of the last exchange in a forward pass that has failed.
thread_local std::exception_ptr failure;

at::Tensor or_undefined(const Optional& tensor) {
  return tensor.value_or(at::Tensor());
}

Optional if_defined(const at::Tensor& tensor, at::ScalarType dtype) {
  return tensor.defined() ? Optional(tensor.to(dtype)) : std::nullopt;
}

// ---- forward --------------------------------------------------------------------------------------------------------

/// aten::batch_norm's own checks, without which its parts read beyond what is too short.
void check_sizes(int64_t channels, const Optional& tensor, const char* name) {
  if (!tensor || !tensor->defined()) return;
  RETORT_CHECK(tensor->numel() == channels, name, " should contain ", channels, " elements not ", tensor->numel());
}

/// Calls what exchanges in a forward pass.
template <typename Call>
auto noting_failure(const Call& call) {
  try {
    return call();
  } catch (const RankError&) {
    failure = std::current_exception();
    throw;
  }
}

// ---- backward -------------------------------------------------------------------------------------------------------

class BatchNormOfAllRanksBackward final : public Node {
 public:
  BatchNormOfAllRanksBackward(
      Group& group, const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
      BatchStatistics statistics, double eps)
      : group_(group),
        input_(input, /*is_output=*/false),
        weight_(weight, /*is_output=*/false),
        dtypes_({input.scalar_type(), dtype_of(weight), dtype_of(bias)}),
        statistics_(std::move(statistics)),
        eps_(eps) {
    set_next_edges(torch::autograd::collect_next_edges(input, weight, bias));
  }

  variable_list apply(variable_list&& gradients) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    RETORT_CHECK(
        !at::GradMode::is_enabled(), "BatchNorm: the gradient over all ranks must not be differentiated again");
    const at::Tensor input = input_.unpack(), weight = weight_.unpack();
    // A rank takes part in the exchange even if no loss of its own depends on the output.
    const at::Tensor gradient =
        gradients[0].defined() ? gradients[0].contiguous(input.suggest_memory_format()) : at::zeros_like(input);
    const at::ScalarType dtype = statistics_.mean.scalar_type();
    const auto [of_weight, of_bias] = own_sums(input, gradient);

    variable_list result(3);
    if (task_should_compute_output(0)) {
      const at::Tensor sums = at::cat({of_weight.to(at::kDouble), of_bias.to(at::kDouble)});
      group_.sum(sums);
      result[0] = of_input(input.to(dtype), gradient.to(dtype), weight, sums / statistics_.values).to(dtypes_[0]);
    }
    if (task_should_compute_output(1)) result[1] = of_weight.to(dtypes_[1]);
    if (task_should_compute_output(2)) result[2] = of_bias.to(dtypes_[2]);
    return result;
  }

  void release_variables() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    input_.reset_data();
    weight_.reset_data();
  }

  std::string name() const override { return "retort::BatchNormOfAllRanksBackward"; }

 private:
  static at::ScalarType dtype_of(const at::Tensor& tensor) {
    return tensor.defined() ? tensor.scalar_type() : at::ScalarType::Undefined;
  }

  /// [C] of this rank, the gradients of the weight and the bias.
  std::tuple<at::Tensor, at::Tensor> own_sums(const at::Tensor& input, const at::Tensor& gradient) const {
    const at::Tensor& mean = statistics_.mean;
    if (input.numel() == 0) return {at::zeros_like(mean), at::zeros_like(mean)};
    // As in evaluation mode, where statistics are constants. Without a weight, which these do not depend on.
    auto [none, of_weight, of_bias] = at::native_batch_norm_backward(
        gradient, input, {}, mean, statistics_.variance, {}, {}, /*train=*/false, eps_, {false, true, true});
    return {of_weight, of_bias};
  }

  /// @param means float64 [2 C] of the gradient times the normalised input, and of the gradient
  at::Tensor of_input(
      const at::Tensor& input, const at::Tensor& gradient, const at::Tensor& weight, const at::Tensor& means) const {
    const int64_t channels = input.size(1);
    at::Tensor scale = at::rsqrt(statistics_.variance.to(at::kDouble) + eps_);
    if (weight.defined()) scale = scale * weight;
    const auto term = [&](int64_t place) {
      return (means.narrow(0, place * channels, channels) * scale).neg().to(input.dtype());
    };
    at::Tensor result = normalized(input, statistics_, term(0), term(1), eps_);
    std::vector<int64_t> shape(static_cast<size_t>(input.dim()), 1);
    shape[1] = channels;
    return result.addcmul_(gradient, scale.to(input.dtype()).view(shape));
  }

  Group& group_;
  SavedVariable input_, weight_;
  /// Of input, weight and bias.
  std::vector<at::ScalarType> dtypes_;
  const BatchStatistics statistics_;
  const double eps_;
};

// ---- the operator ---------------------------------------------------------------------------------------------------

/// @param connects to the graph of autograd
at::Tensor of_all_ranks(
    Group& group, bool connects, const at::Tensor& given, const Optional& weight, const Optional& bias,
    const Optional& running_mean, const Optional& running_var, double momentum, double eps) {
  const int64_t channels = given.size(1);
  check_sizes(channels, running_mean, "running_mean");
  check_sizes(channels, running_var, "running_var");
  check_sizes(channels, weight, "weight");
  check_sizes(channels, bias, "bias");
  const at::Tensor input = given.contiguous(given.suggest_memory_format());
  at::Tensor output;
  BatchStatistics statistics;
  {
    const at::AutoDispatchBelowADInplaceOrView below_autograd;
    statistics = noting_failure([&] { return statistics_of(group, input, running_mean, running_var, momentum); });
    const at::ScalarType dtype = statistics.mean.scalar_type();
    output = normalized(
        input, statistics, if_defined(or_undefined(weight), dtype), if_defined(or_undefined(bias), dtype), eps);
  }
  if (connects && torch::autograd::compute_requires_grad(input, weight, bias)) {
    const std::shared_ptr<Node> node(
        new BatchNormOfAllRanksBackward(
            group, input, or_undefined(weight), or_undefined(bias), std::move(statistics), eps),
        torch::autograd::deleteNode);
    torch::autograd::set_history(output, node);
  }
  return output;
}

template <bool kConnects>
at::Tensor batch_norm(
    const at::Tensor& input, const Optional& weight, const Optional& bias, const Optional& running_mean,
    const Optional& running_var, bool training, double momentum, double eps, bool cudnn_enabled) {
  Group* const group = current;
  if (C10_LIKELY(!group) || !training) {
    return at::native::batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled);
  }
  return of_all_ranks(*group, kConnects, input, weight, bias, running_mean, running_var, momentum, eps);
}

/// Calls aten::batch_norm, though it normalises each sample by itself.
at::Tensor instance_norm(
    const at::Tensor& input, const Optional& weight, const Optional& bias, const Optional& running_mean,
    const Optional& running_var, bool use_input_stats, double momentum, double eps, bool cudnn_enabled) {
  const BatchNormOfAllRanks none(nullptr);
  return at::native::instance_norm(
      input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled);
}

template <bool kConnects>
void define(torch::Library& library) {
  library.impl("batch_norm", &batch_norm<kConnects>);
  library.impl("instance_norm", &instance_norm);
}

}  // namespace

BatchNormOfAllRanks::BatchNormOfAllRanks(Group* group)
    : before_(current), optimized_before_(torch::jit::getGraphExecutorOptimize()) {
  current = group;
  if (group) torch::jit::setGraphExecutorOptimize(false);
}

BatchNormOfAllRanks::~BatchNormOfAllRanks() {
  current = before_;
  torch::jit::setGraphExecutorOptimize(optimized_before_);
}

void BatchNormOfAllRanks::run(const std::function<void()>& work) const {
  failure = nullptr;
  try {
    work();
  } catch (...) {
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
    throw;
  }
}

// Both operators are made of others, for whatever key. What is defined for one takes their place there, so that without
// a group those functions run, as before. In inference mode it is the keys below autograd that are called.
TORCH_LIBRARY_IMPL(aten, AutogradCPU, m) {
  define<true>(m);
}

TORCH_LIBRARY_IMPL(aten, AutogradCUDA, m) {
  define<true>(m);
}

TORCH_LIBRARY_IMPL(aten, CPU, m) {
  define<false>(m);
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  define<false>(m);
}

}  // namespace retort
