#include "kernels/cuda/cross_entropy.h"

#include "kernels/cuda/block.cuh"
#include "kernels/math/cross_entropy.h"
#include "kernels/math/exp.h"

namespace retort::kernels::cuda {
namespace {

/// A block a row.
template <typename T>
__global__ void __launch_bounds__(kThreads) cross_entropy_kernel(CrossEntropyRows<T> rows) {
  const int64_t row = blockIdx.x;
  const int64_t classes = rows.classes;
  const T* logits = rows.logits + row * classes;
  T* gradient = rows.gradient ? rows.gradient + row * classes : nullptr;
  const double share = rows.shares[row];
  if (share == 0) {
    // A sample that does not count may hold anything.
    for (int64_t c = threadIdx.x; gradient && c < classes; c += kThreads) gradient[c] = T(0);
    if (threadIdx.x == 0) rows.parts[row] = 0;
    return;
  }
  T largest = logits[0];
  for (int64_t c = threadIdx.x; c < classes; c += kThreads) largest = logits[c] > largest ? logits[c] : largest;
  const T max = block_max(largest);
  const math::CrossEntropyTarget target(rows.labels[row], rows.class_weights, share, rows.label_smoothing, classes);
  double part_of_sum = 0, part_of_total = 0;
  for (int64_t c = threadIdx.x; c < classes; c += kThreads) {
    part_of_sum += static_cast<double>(math::exp_nonpositive(logits[c] - max));
    part_of_total += target[c];
  }
  const double sum = block_sum(part_of_sum);
  const double total = block_sum(part_of_total);
  const double log_sum = log(sum);
  double loss = 0;
  for (int64_t c = threadIdx.x; c < classes; c += kThreads) {
    const double weight = target[c];
    if (weight > 0) loss += weight * (log_sum - static_cast<double>(logits[c] - max));
    if (gradient) {
      const double probability = static_cast<double>(math::exp_nonpositive(logits[c] - max)) / sum;
      gradient[c] = static_cast<T>(total * probability - weight);
    }
  }
  const double whole = block_sum(loss);
  if (threadIdx.x == 0) rows.parts[row] = whole;
}

template <typename T>
void run(Stream stream, const CrossEntropyRows<T>& rows) {
  launch(stream, dim3(static_cast<unsigned>(rows.rows)), &cross_entropy_kernel<T>, CrossEntropyRows<T>(rows));
}

}  // namespace

void cross_entropy_rows(Stream stream, const CrossEntropyRows<float>& rows) {
  run(stream, rows);
}
void cross_entropy_rows(Stream stream, const CrossEntropyRows<double>& rows) {
  run(stream, rows);
}

}  // namespace retort::kernels::cuda
