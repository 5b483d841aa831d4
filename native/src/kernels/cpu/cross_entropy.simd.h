#pragma once

#include <stdint.h>

#include "kernels/cpu/variants.h"

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

// Return the sample's part of the loss.
RETORT_DECLARE_VARIANTS(double cross_entropy_row(const CrossEntropyRow<float>& row);
                        double cross_entropy_row(const CrossEntropyRow<double>& row);)

}  // namespace retort::kernels
