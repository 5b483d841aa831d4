#pragma once

#include "kernels/cpu/feature_map.h"

namespace retort::kernels {

/// One sample of a pair of maps of fsp_loss. The two maps of a network may differ in size, the smaller counts.
template <typename T>
struct FspPair {
  FeatureMap<T> student_first;
  FeatureMap<T> student_second;
  FeatureMap<T> teacher_first;
  FeatureMap<T> teacher_second;
  /// Derivative of the loss by the squared distance of this sample's FSP matrices.
  T gradient_scale;
};

// Return the squared distance of the FSP matrices.
namespace baseline {
double fsp_pair(const FspPair<float>& pair);
double fsp_pair(const FspPair<double>& pair);
}  // namespace baseline
namespace avx2 {
double fsp_pair(const FspPair<float>& pair);
double fsp_pair(const FspPair<double>& pair);
}  // namespace avx2
namespace avx512 {
double fsp_pair(const FspPair<float>& pair);
double fsp_pair(const FspPair<double>& pair);
}  // namespace avx512

}  // namespace retort::kernels
