#include "kernels/cuda/ofd.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>

#include "kernels/cuda/block.cuh"
#include "kernels/cuda/pack.cuh"
#include "kernels/math/ofd.h"

namespace retort::kernels::cuda {
namespace {

/// Packs that a thread goes through, so that the parts of the sum stay few.
constexpr int64_t kPacksOfThread = 4;
constexpr int64_t kMostBlocks = 1 << 16;
/// Samples whose responses of one channel a block sums up.
constexpr int64_t kSamplesOfBlock = 8;

/// The channel of an element, or of the first in a pack.
__device__ int64_t channel_of(int64_t element, const MapLayout& layout) {
  // 64-bit division takes several times as long.
  constexpr int64_t kLimit = int64_t{1} << 32;
  if (layout.channels_last) {
    return element < kLimit ? static_cast<uint32_t>(element) % static_cast<uint32_t>(layout.channels)
                            : element % layout.channels;
  }
  return element < kLimit ? static_cast<uint32_t>(element) / static_cast<uint32_t>(layout.positions) %
                                static_cast<uint32_t>(layout.channels)
                          : element / layout.positions % layout.channels;
}

template <typename S, typename T, int kSize>
__global__ void __launch_bounds__(kThreads) distance_kernel(OfdMaps<S, T> maps, double* parts) {
  using Gradient = typename OfdMaps<S, T>::Gradient;
  const MapLayout& layout = maps.layout;
  const int64_t packs = layout.batch * layout.channels * layout.positions / kSize;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  const T scale = 2 * maps.gradient_scale;
  T sum = 0;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < packs; i += step) {
    const Pack<S, kSize> student = load<kSize>(maps.student, i);
    const Pack<S, kSize> teacher = load<kSize>(maps.teacher, i);
    Pack<Gradient, kSize> student_gradient;
    Pack<Gradient, kSize> teacher_gradient;
    const T* margins = maps.margin + channel_of(i * kSize, layout);
    for (int j = 0; j < kSize; ++j) {
      const T margin = margins[layout.channels_last ? j : 0];
      const T value = static_cast<T>(teacher.values[j]);
      const T difference = math::ofd_difference(static_cast<T>(student.values[j]), value, margin);
      sum += difference * difference;
      student_gradient.values[j] = static_cast<Gradient>(scale * difference);
      teacher_gradient.values[j] = static_cast<Gradient>(value < margin ? T(0) : -scale * difference);
    }
    if (maps.student_gradient) store(maps.student_gradient, i, student_gradient);
    if (maps.teacher_gradient) store(maps.teacher_gradient, i, teacher_gradient);
  }
  const double total = block_sum(static_cast<double>(sum));
  if (threadIdx.x == 0) parts[blockIdx.x] = total;
}

/// How many elements are read at once: of one channel, or of neighbouring channels that begin at a multiple.
template <typename S, typename T>
bool fits(const OfdMaps<S, T>& maps, int size) {
  const int64_t run = maps.layout.channels_last ? maps.layout.channels : maps.layout.positions;
  return run % size == 0 && is_aligned(maps.student) && is_aligned(maps.teacher) && is_aligned(maps.student_gradient) &&
         is_aligned(maps.teacher_gradient);
}

/// Adds to a sum and a count if a response is negative. NaN does not vanish.
template <typename S>
struct Negatives {
  float count = 0;
  double sum = 0;

  __device__ void add(S response) {
    const double value = static_cast<double>(response);
    if (value >= 0) return;
    sum += value;
    count += 1;
  }
};

/// A block a channel and some samples.
template <typename S>
__global__ void __launch_bounds__(kThreads)
    negatives_of_channel(const S* maps, MapLayout layout, double* sums, double* counts) {
  const int64_t channel = blockIdx.x;
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kSamplesOfBlock;
  const int64_t samples = layout.batch - first < kSamplesOfBlock ? layout.batch - first : kSamplesOfBlock;
  Negatives<S> own;
  for (int64_t i = threadIdx.x; i < samples * layout.positions; i += kThreads) {
    const int64_t sample = first + i / layout.positions;
    own.add(maps[(sample * layout.channels + channel) * layout.positions + i % layout.positions]);
  }
  const double sum = block_sum(own.sum);
  const double count = block_sum(static_cast<double>(own.count));
  if (threadIdx.x == 0) {
    sums[blockIdx.y * layout.channels + channel] = sum;
    counts[blockIdx.y * layout.channels + channel] = count;
  }
}

/// A block a warp's width of channels, which lie side by side, and some samples.
template <typename S>
__global__ void __launch_bounds__(kThreads)
    negatives_of_channels(const S* maps, MapLayout layout, double* sums, double* counts) {
  const int64_t channel = static_cast<int64_t>(blockIdx.x) * kWarp + lane();
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kSamplesOfBlock * layout.positions;
  const int64_t all = layout.batch * layout.positions;
  const int64_t end =
      all < first + kSamplesOfBlock * layout.positions ? all : first + kSamplesOfBlock * layout.positions;
  Negatives<S> own;
  if (channel < layout.channels) {
    for (int64_t position = first + warp(); position < end; position += kWarps) {
      own.add(maps[position * layout.channels + channel]);
    }
  }
  const double sum = lane_sum(own.sum);
  const double count = lane_sum(static_cast<double>(own.count));
  if (warp() != 0 || channel >= layout.channels) return;
  sums[blockIdx.y * layout.channels + channel] = sum;
  counts[blockIdx.y * layout.channels + channel] = count;
}

}  // namespace

int64_t ofd_parts(int64_t elements) {
  return blocks_for((elements + kPacksOfThread - 1) / kPacksOfThread, kMostBlocks);
}

template <typename S, typename T>
void ofd_distance(Stream stream, const OfdMaps<S, T>& maps, double* parts) {
  constexpr int kSize = kPackBytes / sizeof(S);
  const int64_t elements = maps.layout.batch * maps.layout.channels * maps.layout.positions;
  const dim3 blocks(static_cast<unsigned>(ofd_parts(elements)));
  const auto kernel = fits(maps, kSize) ? &distance_kernel<S, T, kSize> : &distance_kernel<S, T, 1>;
  launch(stream, blocks, kernel, OfdMaps<S, T>(maps), parts);
}

int64_t negative_parts(const MapLayout& layout) {
  return (layout.batch + kSamplesOfBlock - 1) / kSamplesOfBlock;
}

template <typename S>
void sum_negatives(Stream stream, const S* maps, const MapLayout& layout, double* sums, double* counts) {
  const auto parts = static_cast<unsigned>(negative_parts(layout));
  const int64_t width = layout.channels_last ? kWarp : 1;
  const dim3 blocks(static_cast<unsigned>((layout.channels + width - 1) / width), parts);
  const auto kernel = layout.channels_last ? &negatives_of_channels<S> : &negatives_of_channel<S>;
  launch(stream, blocks, kernel, maps, MapLayout(layout), sums, counts);
}

#define RETORT_INSTANTIATE(S, T)                                     \
  template void ofd_distance(Stream, const OfdMaps<S, T>&, double*); \
  template void sum_negatives(Stream, const S*, const MapLayout&, double*, double*);
RETORT_INSTANTIATE(double, double)
RETORT_INSTANTIATE(float, float)
RETORT_INSTANTIATE(c10::Half, float)
RETORT_INSTANTIATE(c10::BFloat16, float)
#undef RETORT_INSTANTIATE

}  // namespace retort::kernels::cuda
