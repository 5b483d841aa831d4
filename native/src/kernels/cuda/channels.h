#pragma once

#include <stdint.h>

#include "kernels/cuda/stream.h"

namespace retort::kernels::cuda {

/// A batch's matrices (channel, position), of which either positions or channels lie side by side.
template <typename T>
struct Channels {
  T* values;
  int64_t batch_stride;
  int64_t channel_stride;
  int64_t position_stride;
};

struct ChannelsShape {
  int64_t batch;
  int64_t channels;
  int64_t positions;
};

/// Writes the channels' lengths [batch, channels], and the channels divided by them. Channels of next to no length are
/// divided by 1e-12, as in torch.nn.functional.normalize.
template <typename T>
void unit_channels(
    Stream stream, const ChannelsShape& shape, const Channels<const T>& channels, const Channels<T>& unit,
    double* norms);

/// How the gradient by unit channels becomes one by the channels.
struct Projection {
  /// As unit_channels writes them.
  const double* norms;
  double scale;
  /// Shorter channels get no gradient.
  double dead_channel_norm;
};

template <typename T>
void project_gradient(
    Stream stream, const ChannelsShape& shape, const Channels<const T>& channels, const Channels<const T>& by_unit,
    const Channels<T>& gradient, const Projection& projection);

}  // namespace retort::kernels::cuda
