#pragma once

#include <stdint.h>

#include "kernels/cpu/feature_map.h"
#include "kernels/cpu/kernel_table.h"
#include "kernels/cpu/scratch.h"

namespace retort::kernels {

/// One sample's embedding of one network, to be told from some of the other network's embeddings in the memory.
template <typename T>
struct CrdAnchor {
  const T* embedding;
  const void* memory;
  /// How the memory's elements are stored.
  Storage storage;
  /// Rows of the memory.
  const int64_t* contrast;
  int64_t candidates;
  int64_t dimension;
  T inverse_temperature;
  Scratch* scratch;
};

/// The loss of an anchor's scores.
template <typename T>
struct CrdScoring {
  /// The score at which a candidate is as probably noise as not, log Z + log(K / M + eps).
  T offset;
  /// Whether the first candidate is the positive; all others are negatives.
  bool has_positive;
  /// What to add the gradient to; null if none is asked for.
  T* gradient;
  /// Derivative of the loss by this anchor's sum, times 1 / temperature.
  T gradient_scale;
};

/// A sum of e^x, as e^largest * scaled_sum.
struct ExponentialSum {
  double largest;
  double scaled_sum;
};

template <typename T>
struct CrdKernels {
  /// Returns the sum of the softplus terms.
  double (*softplus_sum)(const CrdAnchor<T>& anchor, const CrdScoring<T>& scoring);
  /// Returns the sum of e^score over all candidates.
  ExponentialSum (*exponential_sum)(const CrdAnchor<T>& anchor);
};

RETORT_DECLARE_KERNELS(CrdKernels, crd_kernels)

}  // namespace retort::kernels
