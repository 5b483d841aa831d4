#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "distributed/group.h"

namespace retort {

/// What the whole batch is normalised by.
struct BatchStatistics {
  /// [C], in the dtype of the computation: float32 for half precision.
  at::Tensor mean, variance;
  /// float64 [], values per channel
  at::Tensor values;
};

/// Those of the whole batch, of which each rank has a part; moves the running ones, if there are any. One exchange.
BatchStatistics statistics_of(
    Group& group, const at::Tensor& input, const std::optional<at::Tensor>& running_mean,
    const std::optional<at::Tensor>& running_var, double momentum);

/// The input less its means, divided by its deviations, times the weight plus the bias: in its dtype and format.
at::Tensor normalized(
    const at::Tensor& input, const BatchStatistics& by, const std::optional<at::Tensor>& weight,
    const std::optional<at::Tensor>& bias, double eps);

}  // namespace retort
