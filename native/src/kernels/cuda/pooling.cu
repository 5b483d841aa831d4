#include "kernels/cuda/pooling.h"

#include "kernels/cuda/block.cuh"
#include "kernels/math/pooling.h"

namespace retort::kernels::cuda {
namespace {

constexpr int64_t kMostBlocks = 1 << 16;

/// What one element of a map gets of the gradients by the windows that it is in.
template <typename T>
__device__ T gathered(const PooledGradient<T>& given, int64_t map, int64_t y, int64_t x) {
  const int64_t windows = given.pooled_height * given.pooled_width;
  const T* pooled = given.pooled + map * windows;
  T sum = 0;
  // The windows that hold y: from this one on, until one begins behind it.
  int64_t i = y * given.pooled_height / given.height;
  for (; i < given.pooled_height && math::window_begin(i, given.height, given.pooled_height) <= y; ++i) {
    const int64_t height = math::window_end(i, given.height, given.pooled_height) -
                           math::window_begin(i, given.height, given.pooled_height);
    int64_t j = x * given.pooled_width / given.width;
    for (; j < given.pooled_width && math::window_begin(j, given.width, given.pooled_width) <= x; ++j) {
      const int64_t window = i * given.pooled_width + j;
      if (given.maxima) {
        if (given.maxima[map * windows + window] == y * given.width + x) sum += pooled[window];
      } else {
        const int64_t width = math::window_end(j, given.width, given.pooled_width) -
                              math::window_begin(j, given.width, given.pooled_width);
        sum += pooled[window] / static_cast<T>(height * width);
      }
    }
  }
  return sum;
}

template <typename T>
__global__ void __launch_bounds__(kThreads) spread_kernel(PooledGradient<T> given) {
  const int64_t positions = given.height * given.width;
  const int64_t elements = given.batch * given.channels * positions;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t e = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; e < elements; e += step) {
    const int64_t sample = e / (given.channels * positions);
    const int64_t rest = e % (given.channels * positions);
    const int64_t channel = given.channels_last ? rest % given.channels : rest / positions;
    const int64_t position = given.channels_last ? rest / given.channels : rest % positions;
    given.gradient[e] =
        gathered(given, sample * given.channels + channel, position / given.width, position % given.width);
  }
}

}  // namespace

template <typename T>
void spread_gradient(Stream stream, const PooledGradient<T>& gradient) {
  const int64_t elements = gradient.batch * gradient.channels * gradient.height * gradient.width;
  launch(stream, dim3(blocks_for(elements, kMostBlocks)), &spread_kernel<T>, PooledGradient<T>(gradient));
}

template void spread_gradient(Stream, const PooledGradient<float>&);
template void spread_gradient(Stream, const PooledGradient<double>&);

}  // namespace retort::kernels::cuda
