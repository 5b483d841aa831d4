#pragma once

#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>

#include "tensor/check.h"
#include "tensor/cpu.h"
#include "tensor/precision.h"

namespace retort {

/// Requires int64 labels [batch], each a class or -1, and returns how many samples have a label.
inline int64_t check_labels(const char* function, const at::Tensor& labels, int64_t batch, int64_t classes) {
  RETORT_CHECK_AS(ShapeError, labels.defined(), function, ": labels must be given (got an undefined tensor)");
  RETORT_CHECK_AS(
      ShapeError, labels.scalar_type() == at::kLong, function, ": labels must be int64 (got ", labels.scalar_type(),
      ")");
  RETORT_CHECK_AS(
      ShapeError, labels.dim() == 1 && labels.size(0) == batch, function, ": labels must be of shape [", batch,
      "] (got ", labels.sizes(), ")");
  const at::Tensor on_cpu = contiguous_on_cpu(labels);
  const int64_t* label = on_cpu.const_data_ptr<int64_t>();
  int64_t labeled = 0;
  for (int64_t i = 0; i < batch; ++i) {
    RETORT_CHECK(
        label[i] >= -1 && label[i] < classes, function, ": labels must be between -1 and ", classes - 1, " (got ",
        label[i], " at ", i, ")");
    labeled += label[i] >= 0;
  }
  return labeled;
}

/// Requires weights [batch] of samples, at least 0 and not all 0.
inline void check_weights(const char* function, const at::Tensor& weights, int64_t batch) {
  RETORT_CHECK_AS(
      ShapeError, weights.dim() == 1 && weights.size(0) == batch && weights.is_floating_point(), function,
      ": weights must be floating point of shape [", batch, "] (got ", weights.scalar_type(), " ", weights.sizes(),
      ")");
  const at::Tensor on_cpu = contiguous_on_cpu(weights, at::kDouble);
  const double* weight = on_cpu.const_data_ptr<double>();
  double sum = 0;
  for (int64_t i = 0; i < batch; ++i) {
    RETORT_CHECK(
        weight[i] >= 0 && std::isfinite(weight[i]), function, ": weights must be at least 0 and finite (got ",
        weight[i], " at ", i, ")");
    sum += weight[i];
  }
  RETORT_CHECK(sum > 0, function, ": weights must not all be 0 (got only 0)");
}

/// The number of samples whose label has the largest logit, the first of equal ones; -1 is never counted.
inline int64_t count_correct(const at::Tensor& logits, const at::Tensor& labels) {
  const at::Tensor rows = contiguous_on_cpu(logits, compute_dtype(logits));
  const at::Tensor labels_on_cpu = contiguous_on_cpu(labels);
  const int64_t* label = labels_on_cpu.const_data_ptr<int64_t>();
  const int64_t classes = rows.size(1);
  int64_t correct = 0;
  AT_DISPATCH_FLOATING_TYPES(rows.scalar_type(), "count_correct", [&] {
    const scalar_t* row = rows.const_data_ptr<scalar_t>();
    for (int64_t b = 0; b < rows.size(0); ++b, row += classes) {
      correct += std::max_element(row, row + classes) - row == label[b];
    }
  });
  return correct;
}

}  // namespace retort
