#pragma once

#include "kernels/cpu/feature_map.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/scratch.h"

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

template <typename T>
struct NstKernels {
  /// Returns the discrepancy of the sample. The gradient goes to the student's map only; since the discrepancy is
  /// symmetric, the teacher's comes with the two, and their terms, exchanged.
  double (*discrepancy)(const NstLayer& layer);
};

RETORT_DECLARE_KERNELS(NstKernels, nst_kernels)

}  // namespace retort::kernels
