#pragma once

#include <stdint.h>

#include "kernels/cuda/stream.h"

namespace retort::kernels::cuda {

/// Logits [rows, classes] of both networks.
template <typename T>
struct LogitsRows {
  const T* student;
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
};

void kd_rows(Stream stream, const LogitsRows<float>& rows, bool teacher_has_probabilities);
void kd_rows(Stream stream, const LogitsRows<double>& rows, bool teacher_has_probabilities);

void dkd_rows(Stream stream, const LogitsRows<float>& rows, const int64_t* labels, float alpha, float beta);
void dkd_rows(Stream stream, const LogitsRows<double>& rows, const int64_t* labels, double alpha, double beta);

}  // namespace retort::kernels::cuda
