#pragma once

#include "kernels/cpu/feature_map.h"
#include "kernels/cpu/variants.h"

namespace retort::kernels {

/// One sample of fsp_loss.
template <typename T>
struct FspSample {
  /// The maps of both networks, in pairs of consecutive ones. The two of a pair may differ in size, the smaller counts.
  const FeatureMap<T>* student;
  const FeatureMap<T>* teacher;
  int64_t maps;
  /// Derivative of the loss by the sum that is returned.
  T gradient_scale;
};

// Return the sum over the pairs of the mean squared difference of the FSP matrices.
RETORT_DECLARE_VARIANTS(double fsp_sample(const FspSample<float>& sample);
                        double fsp_sample(const FspSample<double>& sample);)

}  // namespace retort::kernels
