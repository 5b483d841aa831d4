#include "distributed/batch_statistics.h"

#include <ATen/OpMathType.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/batch_norm_update_stats.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/zeros.h>

#include <tuple>

#include "tensor/check.h"

namespace retort {
namespace {

using Optional = std::optional<at::Tensor>;

/// float64 [1 + 2 C]: the number of values per channel, their means, and their squared distances from those, summed.
at::Tensor moments_of(const at::Tensor& input, at::ScalarType dtype) {
  const int64_t channels = input.size(1);
  const at::TensorOptions options = input.options().dtype(at::kDouble);
  if (input.numel() == 0) return at::zeros({1 + 2 * channels}, options);
  // They say in which dtype to compute.
  const at::Tensor running = at::zeros({channels}, options.dtype(dtype));
  const auto [mean, variance] = at::batch_norm_update_stats(input, running, running.clone(), /*momentum=*/0.0);
  const at::Tensor values = at::full({1}, static_cast<double>(input.numel() / channels), options);
  return at::cat({values, mean.to(at::kDouble), variance.to(at::kDouble) * values});
}

}  // namespace

BatchStatistics statistics_of(
    Group& group, const at::Tensor& input, const Optional& running_mean, const Optional& running_var, double momentum) {
  const int64_t channels = input.size(1);
  const at::ScalarType dtype = at::toOpMathType(input.scalar_type());
  const at::Tensor all = group.gather(moments_of(input, dtype));
  const at::Tensor counts = all.narrow(1, 0, 1), means = all.narrow(1, 1, channels);
  const at::Tensor values = counts.sum();
  // Only a rank that has few itself looks, which on a GPU is to wait.
  RETORT_CHECK(
      input.numel() > channels || values.item<double>() > 1,
      "Expected more than 1 value per channel when training, got input size ", input.sizes());
  const at::Tensor mean = (means * counts).sum(0) / values;
  const at::Tensor squares = (all.narrow(1, 1 + channels, channels) + (means - mean).square() * counts).sum(0);

  const auto move = [momentum](const Optional& running, const at::Tensor& to) {
    if (running && running->defined()) running->mul_(1 - momentum).add_(to.to(running->dtype()), momentum);
  };
  move(running_mean, mean);
  move(running_var, squares / (values - 1));
  return {mean.to(dtype), (squares / values).to(dtype), values};
}

at::Tensor normalized(
    const at::Tensor& input, const BatchStatistics& by, const Optional& weight, const Optional& bias, double eps) {
  return std::get<0>(
      at::native_batch_norm(input, weight, bias, by.mean, by.variance, /*training=*/false, /*momentum=*/0.0, eps));
}

}  // namespace retort
