#pragma once

#include "kernels/cpu/feature_map.h"

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
namespace baseline {
double nst_layer(const NstLayer<float>& layer);
double nst_layer(const NstLayer<double>& layer);
}  // namespace baseline
namespace avx2 {
double nst_layer(const NstLayer<float>& layer);
double nst_layer(const NstLayer<double>& layer);
}  // namespace avx2
namespace avx512 {
double nst_layer(const NstLayer<float>& layer);
double nst_layer(const NstLayer<double>& layer);
}  // namespace avx512

}  // namespace retort::kernels
