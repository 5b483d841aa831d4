#pragma once

#include <stdint.h>

#include "kernels/cpu/variants.h"

namespace retort::kernels {

/// One sample of kd_loss.
template <typename T>
struct KdRow {
  const T* student;
  const T* teacher;
  /// Where to write the gradients; null where none is asked for.
  T* student_gradient;
  T* teacher_gradient;
  int64_t classes;
  T inverse_temperature;
  /// Derivative of the loss by this row's divergence.
  T gradient_scale;
  /// Whether the teacher's row holds probabilities, which are taken as they are.
  bool teacher_has_probabilities;
};

// Return the row's KL(teacher || student) at the given temperature.
RETORT_DECLARE_VARIANTS(float kd_row(const KdRow<float>& row); double kd_row(const KdRow<double>& row);)

}  // namespace retort::kernels
