#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/bmm.h>

namespace retort::kernels::cuda {

/// The products of matrices [batch, rows, n] and [batch, n, columns], each with the elements of its rows side by side,
/// or those of its columns.
inline at::Tensor product(const at::Tensor& first, const at::Tensor& second, bool columns_side_by_side) {
  return columns_side_by_side ? at::bmm(second.mT(), first.mT()).mT() : at::bmm(first, second);
}

}  // namespace retort::kernels::cuda
