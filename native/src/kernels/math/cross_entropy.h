#pragma once

#include <stdint.h>

#include "runtime/portable.h"

namespace retort::math {

/// How much each class counts in a sample's part of the cross-entropy, -log p_c times this.
struct CrossEntropyTarget {
  int64_t label;
  /// Null if all classes count alike.
  const double* class_weights;
  /// Without the class weight, of the label and, by label smoothing, of every class.
  double of_label;
  double of_each;

  /// @param share of the sample in the loss
  RETORT_MATH_METHOD CrossEntropyTarget(
      int64_t label_, const double* class_weights_, double share, double smoothing, int64_t classes)
      : label(label_),
        class_weights(class_weights_),
        of_label(share * (1 - smoothing)),
        of_each(smoothing > 0 ? share * smoothing / static_cast<double>(classes) : 0.0) {}

  RETORT_MATH_METHOD double operator[](int64_t c) const {
    return (c == label ? of_label + of_each : of_each) * (class_weights ? class_weights[c] : 1.0);
  }
};

}  // namespace retort::math
