#pragma once

#include "kernels/cpu/feature_map.h"
#include "kernels/cpu/variants.h"

namespace retort::kernels {

enum class NstKernel { kLinear, kPolynomial, kGaussian };

/// One sample of one layer of nst_loss. The two maps may differ in channels, and in size: the smaller counts.
template <typename T>
struct NstLayer {
  FeatureMap<T> student;
  FeatureMap<T> teacher;
  NstKernel kernel;
  /// Derivative of the loss by this sample's discrepancy.
  T gradient_scale;
  /// Channels of a smaller norm get no gradient.
  T dead_channel_norm;
};

// Return the discrepancy of the sample. The gradient goes to the student's map only; since the discrepancy is
// symmetric, the teacher's comes with the two exchanged.
RETORT_DECLARE_VARIANTS(double nst_layer(const NstLayer<float>& layer);
                        double nst_layer(const NstLayer<double>& layer);)

}  // namespace retort::kernels
