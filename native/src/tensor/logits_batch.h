#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

namespace retort {

/// A batch of logits [batch, classes] of both networks, as the losses that compare them row by row are given it.
struct LogitsBatch {
  const at::Tensor& student;
  const at::Tensor& teacher;
  const std::optional<at::Tensor>& weight;
  /// int64 [batch]: samples without a label don't count; undefined if all samples count.
  at::Tensor labels;
  double temperature;
  bool standardise;
};

}  // namespace retort
