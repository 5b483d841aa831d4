#pragma once

#include <ATen/Parallel.h>

#include <cstdint>

namespace retort {

/// Brings the calling thread to the number of threads that set_threads() was last given; ATen, OpenMP and MKL keep one
/// for each thread. Called wherever work begins, since it costs a comparison.
void adopt_threads();

/// at::parallel_for with that number.
template <typename F>
void parallel_for(int64_t begin, int64_t end, int64_t grain, const F& f) {
  adopt_threads();
  at::parallel_for(begin, end, grain, f);
}

}  // namespace retort
