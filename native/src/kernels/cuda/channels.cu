#include "kernels/cuda/channels.h"

#include "kernels/cuda/block.cuh"
#include "kernels/math/nst.h"

namespace retort::kernels::cuda {
namespace {

/// What a block goes through: as many channels of one sample as a warp has threads, or what is left of them.
struct Tile {
  int64_t sample;
  int64_t first;
  int channels;
  int64_t positions;
  bool channels_side_by_side;

  __device__ Tile(const ChannelsShape& shape, bool side_by_side)
      : positions(shape.positions), channels_side_by_side(side_by_side) {
    const int64_t tiles = (shape.channels + kWarp - 1) / kWarp;
    sample = blockIdx.x / tiles;
    first = blockIdx.x % tiles * kWarp;
    channels = static_cast<int>(shape.channels - first < kWarp ? shape.channels - first : kWarp);
  }

  /// Where the channels begin in memory.
  template <typename T>
  __device__ T* begin(const Channels<T>& matrices) const {
    return matrices.values + sample * matrices.batch_stride + first * matrices.channel_stride;
  }

  /// Calls function(channel, position), so that neighbours in memory are neighbouring threads'.
  template <typename Function>
  __device__ void for_each(const Function& function) const {
    if (channels_side_by_side) {
      if (lane() >= channels) return;
      for (int64_t p = warp(); p < positions; p += kWarps) function(lane(), p);
    } else {
      for (int c = warp(); c < channels; c += kWarps) {
        for (int64_t p = lane(); p < positions; p += kWarp) function(c, p);
      }
    }
  }

  /// Writes the sums of value(channel, position) over the positions.
  template <typename Value>
  __device__ void sum_positions(double* sums, const Value& value) const {
    if (channels_side_by_side) {
      double sum = 0;
      for_each([&](int c, int64_t p) { sum += value(c, p); });
      sum = lane_sum(sum);
      if (warp() == 0) sums[lane()] = sum;
    } else {
      for (int c = warp(); c < channels; c += kWarps) {
        double sum = 0;
        for (int64_t p = lane(); p < positions; p += kWarp) sum += value(c, p);
        sum = warp_sum(sum);
        if (lane() == 0) sums[c] = sum;
      }
    }
    __syncthreads();
  }
};

template <typename T>
__device__ T inverse_of(double norm) {
  return static_cast<T>(1 / (norm < math::kSmallestNorm ? math::kSmallestNorm : norm));
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    unit_kernel(ChannelsShape shape, Channels<const T> channels, Channels<T> unit, double* norms) {
  __shared__ double squares[kWarp];
  const Tile tile(shape, channels.channel_stride == 1);
  const T* from = tile.begin(channels);
  T* to = tile.begin(unit);
  const auto read = [&](int c, int64_t p) { return from[c * channels.channel_stride + p * channels.position_stride]; };
  // In float64: squares of float32 may be too large for it, or so small that they are lost.
  tile.sum_positions(squares, [&](int c, int64_t p) {
    const double x = static_cast<double>(read(c, p));
    return x * x;
  });
  tile.for_each([&](int c, int64_t p) {
    to[c * unit.channel_stride + p * unit.position_stride] = read(c, p) * inverse_of<T>(sqrt(squares[c]));
  });
  const int own = static_cast<int>(threadIdx.x);
  if (own < tile.channels) norms[tile.sample * shape.channels + tile.first + own] = sqrt(squares[own]);
}

template <typename T>
__global__ void __launch_bounds__(kThreads) projection_kernel(
    ChannelsShape shape, Channels<const T> channels, Channels<const T> by_unit, Channels<T> gradient,
    Projection projection) {
  __shared__ double along[kWarp];
  const Tile tile(shape, channels.channel_stride == 1);
  const T* values = tile.begin(channels);
  const T* slopes = tile.begin(by_unit);
  T* to = tile.begin(gradient);
  const double* norms = projection.norms + tile.sample * shape.channels + tile.first;
  const auto unit = [&](int c, int64_t p) {
    return values[c * channels.channel_stride + p * channels.position_stride] * inverse_of<T>(norms[c]);
  };
  const auto slope = [&](int c, int64_t p) { return slopes[c * by_unit.channel_stride + p * by_unit.position_stride]; };
  tile.sum_positions(
      along, [&](int c, int64_t p) { return static_cast<double>(unit(c, p)) * static_cast<double>(slope(c, p)); });
  tile.for_each([&](int c, int64_t p) {
    const T factor =
        static_cast<T>(math::nst_gradient_factor(norms[c], projection.scale, projection.dead_channel_norm));
    const T part_along = norms[c] < math::kSmallestNorm ? T(0) : static_cast<T>(along[c]);
    to[c * gradient.channel_stride + p * gradient.position_stride] =
        factor == T(0) ? T(0) : (slope(c, p) - part_along * unit(c, p)) * factor;
  });
}

dim3 blocks_of(const ChannelsShape& shape) {
  return dim3(static_cast<unsigned>(shape.batch * ((shape.channels + kWarp - 1) / kWarp)));
}

}  // namespace

template <typename T>
void unit_channels(
    Stream stream, const ChannelsShape& shape, const Channels<const T>& channels, const Channels<T>& unit,
    double* norms) {
  launch(
      stream, blocks_of(shape), &unit_kernel<T>, ChannelsShape(shape), Channels<const T>(channels), Channels<T>(unit),
      norms);
}

template <typename T>
void project_gradient(
    Stream stream, const ChannelsShape& shape, const Channels<const T>& channels, const Channels<const T>& by_unit,
    const Channels<T>& gradient, const Projection& projection) {
  launch(
      stream, blocks_of(shape), &projection_kernel<T>, ChannelsShape(shape), Channels<const T>(channels),
      Channels<const T>(by_unit), Channels<T>(gradient), Projection(projection));
}

#define RETORT_INSTANTIATE(T)                                                                                       \
  template void unit_channels(Stream, const ChannelsShape&, const Channels<const T>&, const Channels<T>&, double*); \
  template void project_gradient(                                                                                   \
      Stream, const ChannelsShape&, const Channels<const T>&, const Channels<const T>&, const Channels<T>&,         \
      const Projection&);
RETORT_INSTANTIATE(float)
RETORT_INSTANTIATE(double)
#undef RETORT_INSTANTIATE

}  // namespace retort::kernels::cuda
