#pragma once

#include <stdint.h>

#include "kernels/cpu/kernel_table.h"

namespace retort::kernels {

/// A labelled sample of the cross-entropy that counts.
template <typename T>
struct CrossEntropyRow {
  const T* logits;
  /// Where to write the gradient; null if none is asked for.
  T* gradient;
  int64_t classes;
  int64_t label;
  /// Null if all classes count alike.
  const double* class_weights;
  double label_smoothing;
  /// The sample's share of the loss, its label's class apart.
  double share;
};

template <typename T>
struct CrossEntropyKernels {
  /// Returns the sample's part of the loss.
  double (*loss)(const CrossEntropyRow<T>& row);
};

RETORT_DECLARE_KERNELS(CrossEntropyKernels, cross_entropy_kernels)

}  // namespace retort::kernels
