#pragma once

#include "kernels/cpu/feature_map.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/variants.h"

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

// Return the sum of the squared differences.
RETORT_DECLARE_VARIANTS(double ofd_sample_float(const OfdSample& sample);
                        double ofd_sample_double(const OfdSample& sample);)

// Write, for each channel of a sample, the sum of its negative responses and their number.
RETORT_DECLARE_VARIANTS(
    void negative_responses_float(const FeatureMap& map, double* sums, double* counts, Scratch& scratch);
    void negative_responses_double(const FeatureMap& map, double* sums, double* counts, Scratch& scratch);)

}  // namespace retort::kernels
