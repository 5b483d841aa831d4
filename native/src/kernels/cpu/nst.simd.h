#pragma once

#include "kernels/cpu/feature_map.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/variants.h"

namespace retort::kernels {

/// In the order of the public enum.
enum class NstKernel { kLinear, kPolynomial, kGaussian };

/// One sample of one layer of nst_loss. The two maps may differ in channels, and in size: the smaller counts.
struct NstLayer {
  FeatureMap student;
  FeatureMap teacher;
  NstKernel kernel;
  /// Of the polynomial kernel.
  int64_t degree;
  double offset;
  /// Of the Gaussian kernel; 0 for the mean squared distance of the sample.
  double variance;
  /// Whether the means over pairs of the student's channels, and of the teacher's, are part of the value.
  bool student_term;
  bool teacher_term;
  /// Derivative of the loss by this sample's discrepancy.
  double gradient_scale;
  /// Channels of a smaller norm get no gradient.
  double dead_channel_norm;
  Scratch* scratch;
};

// Return the discrepancy of the sample. The gradient goes to the student's map only; since the discrepancy is
// symmetric, the teacher's comes with the two, and their terms, exchanged.
RETORT_DECLARE_VARIANTS(double nst_layer_float(const NstLayer& layer); double nst_layer_double(const NstLayer& layer);)

}  // namespace retort::kernels
