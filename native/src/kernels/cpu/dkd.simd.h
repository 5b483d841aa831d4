#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/logits_row.h"

namespace retort::kernels {

template <typename T>
struct DkdKernels {
  /// Returns alpha times the divergence over the label, plus beta times the divergence over the other classes.
  T (*loss)(const LogitsRow<T>& row, int64_t label, T alpha, T beta);
};

RETORT_DECLARE_KERNELS(DkdKernels, dkd_kernels)

}  // namespace retort::kernels
