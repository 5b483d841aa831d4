#pragma once

#include <ATen/TensorIterator.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "kernels/cpu/scratch.h"
#include "runtime/threads.h"
#include "tensor/scalar.h"

namespace retort::kernels {

/// Into how many parts to divide the work for one sample, so that threads find enough to do in a small batch. The sums
/// of parts depend on their number, which therefore depends on shapes alone.
inline int64_t parts_of_sample(int64_t batch) {
  constexpr int64_t kFewest = 64;
  return (kFewest + batch - 1) / batch;
}

/// Calls function(b, scratch) for the samples of a batch, which threads share if there is enough to do: `work` is the
/// number of elements that one sample goes through.
template <typename Function>
void for_each_sample(int64_t batch, int64_t work, const Function& function) {
  const int64_t grain = std::max<int64_t>(1, at::internal::GRAIN_SIZE / std::max<int64_t>(1, work));
  parallel_for(0, batch, grain, [&](int64_t begin, int64_t end) {
    Scratch scratch;
    for (int64_t b = begin; b < end; ++b) {
      scratch.reset();
      function(b, scratch);
    }
  });
}

/// The sum of value(b, scratch) over the samples, added up in their order, so that the number of threads makes no
/// difference.
template <typename Value>
double sum_over_samples(int64_t batch, int64_t work, const Value& value) {
  std::vector<double> values(static_cast<size_t>(batch));
  for_each_sample(
      batch, work, [&](int64_t b, Scratch& scratch) { values[static_cast<size_t>(b)] = value(b, scratch); });
  return std::accumulate(values.begin(), values.end(), 0.0);
}

}  // namespace retort::kernels
