#pragma once

#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/logits_row.h"

namespace retort::kernels {

template <typename T>
struct KdKernels {
  /// Returns the row's KL(teacher || student) at the given temperature.
  /// @param teacher_has_probabilities whether the teacher's row holds probabilities, which are taken as they are
  T (*divergence)(const LogitsRow<T>& row, bool teacher_has_probabilities);
};

RETORT_DECLARE_KERNELS(KdKernels, kd_kernels)

}  // namespace retort::kernels
