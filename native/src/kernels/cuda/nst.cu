#include "kernels/cuda/nst.h"

#include "kernels/cuda/block.cuh"
#include "kernels/math/nst.h"

namespace retort::kernels::cuda {
namespace {

constexpr int64_t kElementsOfThread = 8;
constexpr int64_t kMostParts = 1024;

/// The kernel of the inner product at (row, column), which its derivative replaces.
template <typename T>
__device__ T apply(const NstProducts<T>& given, int64_t row, int64_t column, T& product) {
  if (given.kernel == NstKernel::kGaussian) {
    const T inverse = given.inverse_variances[blockIdx.x];
    const T squares =
        given.row_squares[blockIdx.x * given.vectors + row] + given.column_squares[blockIdx.x * given.vectors + column];
    const T value = math::nst_gaussian(product, squares, inverse / 2);
    product = value * inverse;
    return value;
  }
  const T base = product + given.offset;
  const T power = math::power(base, given.degree - 1);
  product = static_cast<T>(given.degree) * power;
  return power * base;
}

/// A block (sample, part).
template <typename T>
__global__ void __launch_bounds__(kThreads)
    apply_kernel(NstProducts<T> given, double* sums_before, double* sums_after) {
  const int64_t elements = given.rows * given.columns;
  T* products = given.products + blockIdx.x * elements;
  double before = 0;
  double after = 0;
  const int64_t step = static_cast<int64_t>(gridDim.y) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.y) * kThreads + threadIdx.x; i < elements; i += step) {
    const int64_t column = i % given.columns;
    T product = products[i];
    const T value = apply(given, i / given.columns, column, product);
    (column < given.split ? before : after) += static_cast<double>(value);
    products[i] = product * (column < given.split ? given.weight_before : given.weight_after);
  }
  before = block_sum(before);
  after = block_sum(after);
  if (threadIdx.x != 0) return;
  const int64_t place = static_cast<int64_t>(blockIdx.y) * given.batch + blockIdx.x;
  sums_before[place] = before;
  sums_after[place] = after;
}

}  // namespace

int64_t nst_parts(int64_t rows, int64_t columns) {
  return blocks_for((rows * columns + kElementsOfThread - 1) / kElementsOfThread, kMostParts);
}

template <typename T>
void nst_apply(Stream stream, const NstProducts<T>& products, double* sums_before, double* sums_after) {
  const dim3 blocks(
      static_cast<unsigned>(products.batch), static_cast<unsigned>(nst_parts(products.rows, products.columns)));
  launch(stream, blocks, &apply_kernel<T>, NstProducts<T>(products), sums_before, sums_after);
}

template void nst_apply(Stream, const NstProducts<float>&, double*, double*);
template void nst_apply(Stream, const NstProducts<double>&, double*, double*);

}  // namespace retort::kernels::cuda
