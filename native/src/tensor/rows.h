#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/aminmax.h>

#include "tensor/check.h"
#include "tensor/plain.h"

namespace retort {

/// Requires an int64 tensor of that rank that is not empty and whose elements, if they can be looked at, are all rows
/// of a table.
inline void check_rows(
    const char* function, const char* argument, const at::Tensor& indices, int64_t rank, const c10::SymInt& rows) {
  RETORT_CHECK_AS(ShapeError, indices.defined(), function, ": ", argument, " must be given (got an undefined tensor)");
  RETORT_CHECK_AS(
      ShapeError, indices.scalar_type() == at::kLong, function, ": ", argument, " must be int64 (got ",
      indices.scalar_type(), ")");
  RETORT_CHECK_AS(
      ShapeError, indices.dim() == rank && indices.sym_numel() > 0, function, ": ", argument, " must be of rank ", rank,
      " and not empty (got ", indices.sym_sizes(), ")");
  if (!has_values(indices)) return;
  const auto [smallest, largest] = at::aminmax(indices);
  for (const at::Tensor& extreme : {smallest, largest}) {
    const auto row = extreme.item<int64_t>();
    RETORT_CHECK(
        row >= 0 && row < rows, function, ": ", argument, " must be between 0 and ", rows - 1, " (got ", row, ")");
  }
}

}  // namespace retort
