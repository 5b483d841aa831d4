#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "tensor/check.h"

namespace retort {

inline constexpr auto kLast = at::MemoryFormat::ChannelsLast;

inline bool is_given(const std::optional<at::Tensor>& tensor) {
  return tensor && tensor->defined();
}

/// Requires maps [batch, channels, height, width].
inline void check_images(const char* function, const at::Tensor& input) {
  RETORT_CHECK_AS(ShapeError, input.defined(), function, ": input must be defined (got an undefined tensor)");
  RETORT_CHECK_AS(
      ShapeError, input.dim() == 4, function, ": input must be of shape [batch, channels, height, width] (got ",
      input.sym_sizes(), ")");
  RETORT_CHECK_AS(
      ShapeError, input.sym_size(2) > 0 && input.sym_size(3) > 0, function,
      ": input must have a height and a width (got ", input.sym_sizes(), ")");
}

/// Requires weights [filters, channels, 3, 3].
inline void check_weight(const char* function, const at::Tensor& weight) {
  RETORT_CHECK_AS(ShapeError, weight.defined(), function, ": weight must be defined (got an undefined tensor)");
  RETORT_CHECK_AS(
      ShapeError, weight.dim() == 4 && weight.sym_size(2) == 3 && weight.sym_size(3) == 3, function,
      ": weight must be of shape [filters, channels, 3, 3] (got ", weight.sym_sizes(), ")");
}

/// Requires one number a filter, if the tensor is given.
inline void check_of_filters(
    const char* function, const char* argument, const std::optional<at::Tensor>& tensor, const c10::SymInt& filters) {
  RETORT_CHECK_AS(
      ShapeError, !is_given(tensor) || (tensor->dim() == 1 && tensor->sym_size(0) == filters), function, ": ", argument,
      " must be of shape [", filters, "] (got ", tensor->sym_sizes(), ")");
}

/// Requires a tensor, if it is given, to have the input's dtype and device.
inline void check_like_input(
    const char* function, const char* argument, const at::Tensor& input, const std::optional<at::Tensor>& tensor) {
  if (!is_given(tensor)) return;
  RETORT_CHECK_AS(
      ShapeError, tensor->scalar_type() == input.scalar_type(), function, ": input and ", argument,
      " must have the same dtype (got ", input.scalar_type(), " and ", tensor->scalar_type(), ")");
  RETORT_CHECK_AS(
      ShapeError, tensor->device() == input.device(), function, ": input and ", argument,
      " must be on the same device (got ", input.device(), " and ", tensor->device(), ")");
}

}  // namespace retort
