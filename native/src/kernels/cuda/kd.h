#pragma once

#include <stdint.h>

#include "kernels/cuda/stream.h"

namespace retort::kernels::cuda {

/// Logits [rows, classes] of both networks.
template <typename T>
struct KdRows {
  const T* student;
  /// Logits, or probabilities if `teacher_has_probabilities`.
  const T* teacher;
  /// Null where none is asked for.
  T* student_gradient;
  T* teacher_gradient;
  /// What each row counts in the loss.
  const double* shares;
  /// Where to write each row's share of the loss.
  double* terms;
  int64_t rows;
  int64_t classes;
  T inverse_temperature;
  bool teacher_has_probabilities;
};

void kd_rows(Stream stream, const KdRows<float>& rows);
void kd_rows(Stream stream, const KdRows<double>& rows);

}  // namespace retort::kernels::cuda
