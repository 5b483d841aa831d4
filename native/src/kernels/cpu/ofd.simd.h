#pragma once

#include <stdint.h>

#include "kernels/cpu/variants.h"

namespace retort::kernels {

/// One channel of one sample of ofd_loss.
template <typename T>
struct OfdPlane {
  const T* student;
  const T* teacher;
  /// Where to write the gradients; null where none is asked for.
  T* student_gradient;
  T* teacher_gradient;
  int64_t count;
  T margin;
  /// Derivative of the loss by a squared difference.
  T gradient_scale;
};

struct NegativeResponses {
  double sum;
  int64_t count;
};

// Return the sum of the squared differences; the negative ones among `count` responses.
RETORT_DECLARE_VARIANTS(double ofd_plane(const OfdPlane<float>& plane); double ofd_plane(const OfdPlane<double>& plane);
                        NegativeResponses negative_responses(const float* responses, int64_t count);
                        NegativeResponses negative_responses(const double* responses, int64_t count);)

}  // namespace retort::kernels
