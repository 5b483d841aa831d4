#pragma once

#include <stdint.h>

#include "kernels/cuda/stream.h"

namespace retort::kernels::cuda {

/// Logits [rows, classes] with their labels.
template <typename T>
struct CrossEntropyRows {
  const T* logits;
  /// Null where none is asked for.
  T* gradient;
  const int64_t* labels;
  /// Null if all classes count alike.
  const double* class_weights;
  /// What each row counts in the loss, its label's class apart; 0 without a label.
  const double* shares;
  /// Where to write each row's part of the loss.
  double* parts;
  int64_t rows;
  int64_t classes;
  double label_smoothing;
};

void cross_entropy_rows(Stream stream, const CrossEntropyRows<float>& rows);
void cross_entropy_rows(Stream stream, const CrossEntropyRows<double>& rows);

}  // namespace retort::kernels::cuda
