#pragma once

#include <stdint.h>

#include "kernels/cuda/stream.h"

namespace retort::kernels::cuda {

/// In the order of the public enum.
enum class NstKernel { kLinear, kPolynomial, kGaussian };

/// The inner products of `rows` vectors of each sample with `columns` others: [batch, rows, columns].
template <typename T>
struct NstProducts {
  /// Replaced by the kernel's derivatives, times a weight.
  T* products;
  int64_t batch;
  int64_t rows;
  int64_t columns;
  /// The columns before `split` are summed up and weighted apart from the others.
  int64_t split;
  T weight_before;
  T weight_after;
  NstKernel kernel;
  int64_t degree;
  T offset;
  /// Of the Gaussian kernel: the vectors' squared lengths [batch, vectors], those of the rows and of the columns, and
  /// the inverse variances [batch].
  const T* row_squares;
  const T* column_squares;
  int64_t vectors;
  const T* inverse_variances;
};

/// The number of parts of each sample's sums.
int64_t nst_parts(int64_t rows, int64_t columns);

/// Applies the kernel, and writes the sums of its values in parts: [parts, batch].
template <typename T>
void nst_apply(Stream stream, const NstProducts<T>& products, double* sums_before, double* sums_after);

}  // namespace retort::kernels::cuda
