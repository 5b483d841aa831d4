#pragma once

#include <c10/util/BFloat16.h>
#include <stdint.h>

#include <type_traits>

#include "kernels/cuda/stream.h"

namespace retort::kernels::cuda {

/// Dense feature maps [batch, channels, positions], or [batch, positions, channels] if they are channels-last.
struct MapLayout {
  int64_t batch;
  int64_t channels;
  int64_t positions;
  bool channels_last;
};

/// Maps stored as S and computed in T.
template <typename S, typename T>
struct OfdMaps {
  using Gradient = std::conditional_t<std::is_same_v<S, c10::BFloat16>, S, T>;

  const S* student;
  const S* teacher;
  /// Null where none is asked for.
  Gradient* student_gradient;
  Gradient* teacher_gradient;
  const T* margin;
  MapLayout layout;
  /// Derivative of the loss by the sum of squares.
  T gradient_scale;
};

/// The number of parts of a sum that ofd_distance writes.
int64_t ofd_parts(int64_t elements);

/// Writes the gradients, and the sum of squares in parts.
template <typename S, typename T>
void ofd_distance(Stream stream, const OfdMaps<S, T>& maps, double* parts);

/// The number of parts of a sum that sum_negatives writes for each channel.
int64_t negative_parts(const MapLayout& layout);

/// Sums and counts each channel's negative responses, in parts: [parts, channels].
template <typename S>
void sum_negatives(Stream stream, const S* maps, const MapLayout& layout, double* sums, double* counts);

}  // namespace retort::kernels::cuda
