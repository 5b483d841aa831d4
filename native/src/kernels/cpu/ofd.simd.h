#pragma once

#include "kernels/cpu/feature_map.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/scratch.h"

namespace retort::kernels {

/// One sample of ofd_loss: two maps of one shape and memory format.
struct OfdSample {
  FeatureMap student;
  FeatureMap teacher;
  /// One number a channel, of the type that is computed in.
  const void* margin;
  /// Derivative of the loss by a squared difference.
  double gradient_scale;
  Scratch* scratch;
};

template <typename T>
struct OfdKernels {
  /// Returns the sum of the squared differences.
  double (*distance)(const OfdSample& sample);
  /// Writes, for each channel of a sample, the sum of its negative responses and their number.
  void (*sum_negatives)(const FeatureMap& map, double* sums, double* counts, Scratch& scratch);
};

RETORT_DECLARE_KERNELS(OfdKernels, ofd_kernels)

}  // namespace retort::kernels
