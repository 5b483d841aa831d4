#pragma once

#include <ATen/Parallel.h>
#include <omp.h>

namespace retort {

/// While it lives, LibTorch's operators do not share their work with other threads, if that is wanted: to wake one
/// takes longer than a small tensor, and on a busy machine much longer.
class OneThread {
 public:
  explicit OneThread(bool wanted) : threads_(at::get_num_threads()) {
    if (wanted) omp_set_num_threads(1);
  }
  ~OneThread() { omp_set_num_threads(threads_); }

  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int threads_;
};

}  // namespace retort
