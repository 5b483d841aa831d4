#pragma once

#include "kernels/cpu/feature_map.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/variants.h"

namespace retort::kernels {

/// How the difference of two FSP matrices becomes a number, in the order of the public enum.
enum class FspReduction {
  /// The mean of the squares.
  kMean,
  /// The sum of the squares.
  kPaper,
  /// The sum of the columns' lengths.
  kTorchdistill,
};

/// Two of a network's maps, which may differ in size: the smaller counts.
struct FspPair {
  int64_t first;
  int64_t second;
};

/// One sample of fsp_loss.
struct FspSample {
  /// The maps of both networks, as many of each.
  const FeatureMap* student;
  const FeatureMap* teacher;
  int64_t maps;
  const FspPair* pairs;
  int64_t pair_count;
  Pooling pooling;
  FspReduction reduction;
  /// Derivative of the loss by the sum that is returned.
  double gradient_scale;
  Scratch* scratch;
};

// Return the sum over the pairs of the reduced difference of the FSP matrices.
RETORT_DECLARE_VARIANTS(double fsp_sample_float(const FspSample& sample);
                        double fsp_sample_double(const FspSample& sample);)

}  // namespace retort::kernels
