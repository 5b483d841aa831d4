#pragma once

#include <stdint.h>

namespace retort::kernels {

/// The logits of one sample.
template <typename T>
struct LogitsRow {
  const T* student;
  const T* teacher;
  /// Where to write the gradients; null where none is asked for.
  T* student_gradient;
  T* teacher_gradient;
  int64_t classes;
  T inverse_temperature;
  /// Derivative of the loss by the value of this row.
  T gradient_scale;
};

}  // namespace retort::kernels
