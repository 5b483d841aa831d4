#pragma once

#include "kernels/cpu/feature_map.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/scratch.h"

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

template <typename T>
struct FspKernels {
  /// Returns the sum over the pairs of the reduced difference of the FSP matrices.
  double (*loss)(const FspSample& sample);
};

RETORT_DECLARE_KERNELS(FspKernels, fsp_kernels)

}  // namespace retort::kernels
