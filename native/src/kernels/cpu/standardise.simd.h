#pragma once

#include <stdint.h>

#include "kernels/cpu/variants.h"

namespace retort::kernels {

/// The derivatives of a row of standardised logits, as far as they are the same for all classes.
template <typename T>
struct Standardised {
  /// 1 / (deviation + epsilon)
  T inverse;
  /// What a standardised logit and the weighted sum of the gradient are multiplied by.
  T slope;
};

// Writes (x - mean) / (deviation + epsilon); turns a gradient by that, in place, into one by x.
RETORT_DECLARE_VARIANTS(
    Standardised<float> standardise(const float* logits, int64_t classes, float* to);
    Standardised<double> standardise(const double* logits, int64_t classes, double* to);
    void project_gradient(const Standardised<float>& of, const float* standardised, int64_t classes, float* gradient);
    void project_gradient(
        const Standardised<double>& of, const double* standardised, int64_t classes, double* gradient);)

}  // namespace retort::kernels
