#include "kernels/cuda/crd.h"

#include <c10/util/BFloat16.h>

#include "kernels/cuda/block.cuh"
#include "kernels/cuda/pack.cuh"
#include "kernels/math/crd.h"
#include "runtime/random.h"

namespace retort::kernels::cuda {
namespace {

/// Blocks that keep a large device busy.
constexpr int64_t kBlocks = 1024;
/// Candidates of a block, below which its start would take longer than its work.
constexpr int64_t kFewestCandidates = 128;

/// A warp's part of a row: kChunks packs of each thread. The memory's rows are read once: what a thread holds of a row
/// for the inner product is also what it adds to the gradient.
template <typename T, int kSize, int kChunks>
struct Slab {
  T values[kChunks * kSize];

  static constexpr int64_t kWidth = int64_t{kWarp} * kSize * kChunks;

  /// Reads a row from `begin` on; zero from `end` on.
  template <typename S>
  __device__ void read(const S* row, int64_t begin, int64_t end) {
    RETORT_UNROLL
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      const int64_t pack = begin / kSize + chunk * kWarp + lane();
      const bool is_inside = pack * kSize < end;
      const Pack<S, kSize> some = is_inside ? load<kSize>(row, pack) : Pack<S, kSize>{};
      RETORT_UNROLL
      for (int j = 0; j < kSize; ++j) values[chunk * kSize + j] = static_cast<T>(some.values[j]);
    }
  }

  __device__ void add(T factor, const Slab& other) {
    RETORT_UNROLL
    for (int i = 0; i < kChunks * kSize; ++i) values[i] += factor * other.values[i];
  }

  /// This thread's share of the inner product.
  __device__ T times(const Slab& other) const {
    T sum = 0;
    RETORT_UNROLL
    for (int i = 0; i < kChunks * kSize; ++i) sum += values[i] * other.values[i];
    return sum;
  }

  __device__ void write(T* row, int64_t begin, int64_t end) const {
    RETORT_UNROLL
    for (int chunk = 0; chunk < kChunks; ++chunk) {
      const int64_t pack = begin / kSize + chunk * kWarp + lane();
      Pack<T, kSize> some;
      RETORT_UNROLL
      for (int j = 0; j < kSize; ++j) some.values[j] = values[chunk * kSize + j];
      if (pack * kSize < end) store(row, pack, some);
    }
  }
};

/// An anchor's candidates that a warp goes through, some at a time so that their rows are read at once.
template <typename S, typename T, int kSize, int kChunks>
class Anchor {
 public:
  using Row = Slab<T, kSize, kChunks>;
  static constexpr int kAtOnce = kChunks == 1 ? 4 : 2;

  /// @param slab the part of the rows that is kept for the gradient
  __device__ Anchor(const CrdBatch<S, T>& batch, const CrdSide<S, T>& side, int64_t slab)
      : batch_(batch),
        memory_(side.memory),
        embedding_(side.embeddings + blockIdx.x * batch.dimension),
        contrast_(batch.contrast + blockIdx.x * batch.candidates),
        slab_(slab) {
    own_.read(embedding_, slab, batch.dimension);
  }

  /// Calls function(candidate, score, row) for the warp's candidates.
  template <typename Function>
  __device__ void for_each(const Function& function) const {
    const int64_t of_part = (batch_.candidates + gridDim.y - 1) / gridDim.y;
    const int64_t first = blockIdx.y * of_part;
    const int64_t end = first + of_part < batch_.candidates ? first + of_part : batch_.candidates;
    for (int64_t k = first + warp() * kAtOnce; k < end; k += kWarps * kAtOnce) {
      Row rows[kAtOnce];
      RETORT_UNROLL
      for (int i = 0; i < kAtOnce; ++i) {
        if (k + i < end) rows[i].read(row(k + i), slab_, batch_.dimension);
      }
      RETORT_UNROLL
      for (int i = 0; i < kAtOnce; ++i) {
        if (k + i < end) function(k + i, score(k + i, rows[i]), rows[i]);
      }
    }
  }

 private:
  __device__ const S* row(int64_t candidate) const { return memory_ + contrast_[candidate] * batch_.dimension; }

  __device__ T score(int64_t candidate, const Row& kept) const {
    T product = own_.times(kept);
    for (int64_t begin = 0; begin < batch_.dimension; begin += Row::kWidth) {
      if (begin == slab_) continue;
      Row mine;
      Row other;
      mine.read(embedding_, begin, batch_.dimension);
      other.read(row(candidate), begin, batch_.dimension);
      product += mine.times(other);
    }
    return warp_sum(product) * batch_.inverse_temperature;
  }

  const CrdBatch<S, T>& batch_;
  const S* memory_;
  const T* embedding_;
  const int64_t* contrast_;
  int64_t slab_;
  Row own_;
};

/// A block (anchor, part, side).
template <typename S, typename T, int kSize, int kChunks>
__global__ void __launch_bounds__(kThreads) scores_kernel(CrdBatch<S, T> batch, int64_t slab) {
  using Row = Slab<T, kSize, kChunks>;
  // Not by a subscript, for which the parameters would be copied into local memory.
  const CrdSide<S, T> side = blockIdx.z == 0 ? batch.sides[0] : batch.sides[1];
  const Anchor<S, T, kSize, kChunks> anchor(batch, side, slab);
  Row gradient{};
  double sum = 0;
  anchor.for_each([&](int64_t candidate, T score, const Row& row) {
    const T x = score - side.offset;
    const T decay = math::exp_nonpositive(x < T(0) ? x : -x);
    const bool is_positive = candidate == 0;
    sum += static_cast<double>(math::softplus(is_positive ? -x : x, decay));
    gradient.add(is_positive ? -math::sigmoid(-x, decay) : math::sigmoid(x, decay), row);
  });

  const int64_t place = static_cast<int64_t>(blockIdx.y) * batch.batch + blockIdx.x;
  const double total = block_sum(lane() == 0 ? sum : 0);
  if (slab == 0 && threadIdx.x == 0) side.sums[place] = total;
  if (!side.gradients) return;
  // One warp after the other, so that the order of the sum is always the same.
  __shared__ T shared[kWarp * kSize * kChunks];
  for (int turn = 0; turn < kWarps; ++turn) {
    if (turn == warp()) {
      RETORT_UNROLL
      for (int i = 0; i < kChunks * kSize; ++i) {
        T& sum_of_warps = shared[i * kWarp + lane()];
        sum_of_warps = (turn == 0 ? T(0) : sum_of_warps) + gradient.values[i];
      }
    }
    __syncthreads();
  }
  if (warp() != 0) return;
  RETORT_UNROLL
  for (int i = 0; i < kChunks * kSize; ++i) gradient.values[i] = batch.gradient_scale * shared[i * kWarp + lane()];
  gradient.write(side.gradients + place * batch.dimension, slab, batch.dimension);
}

/// A block (anchor, part).
template <typename S, typename T, int kSize, int kChunks>
__global__ void __launch_bounds__(kThreads)
    exponential_sums_kernel(CrdBatch<S, T> batch, double* largest, double* scaled_sums) {
  using Row = Slab<T, kSize, kChunks>;
  const Anchor<S, T, kSize, kChunks> anchor(batch, batch.sides[0], 0);
  // Finite, so that a warp without candidates counts for nothing.
  double max = -1e300;
  double sum = 0;
  anchor.for_each([&](int64_t, T score, const Row&) {
    const double x = static_cast<double>(score);
    if (x > max) {
      sum *= exp(max - x);
      max = x;
    }
    sum += exp(x - max);
  });
  const double of_block = block_max(max);
  const double total = block_sum(lane() == 0 ? sum * exp(max - of_block) : 0);
  if (threadIdx.x != 0) return;
  const int64_t place = static_cast<int64_t>(blockIdx.y) * batch.batch + blockIdx.x;
  largest[place] = of_block;
  scaled_sums[place] = total;
}

/// Whether rows can be read in packs.
template <typename S, typename T>
bool fits(const CrdBatch<S, T>& batch) {
  constexpr int64_t kSize = kPackBytes / sizeof(T);
  bool fits = batch.dimension % kSize == 0;
  for (const CrdSide<S, T>& side : batch.sides) {
    fits = fits && is_aligned(side.embeddings) && is_aligned(side.memory) && is_aligned(side.gradients);
  }
  return fits;
}

template <typename S, typename T>
dim3 blocks_of(const CrdBatch<S, T>& batch, unsigned sides) {
  return dim3(
      static_cast<unsigned>(batch.batch), static_cast<unsigned>(crd_parts(batch.batch, batch.candidates)), sides);
}

template <typename S, typename T, int kSize, int kChunks>
void run_scores(Stream stream, const CrdBatch<S, T>& batch) {
  for (int64_t slab = 0; slab < batch.dimension; slab += Slab<T, kSize, kChunks>::kWidth) {
    launch(stream, blocks_of(batch, 2), &scores_kernel<S, T, kSize, kChunks>, CrdBatch<S, T>(batch), slab);
  }
}

__device__ bool place_of_thread(const CrdDraw& draw, int64_t& sample, int64_t& negative) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  sample = i / draw.negatives;
  negative = i % draw.negatives;
  return sample < draw.batch;
}

__global__ void __launch_bounds__(kThreads) draw_kernel(CrdDraw draw, int64_t rows) {
  int64_t b;
  int64_t k;
  if (!place_of_thread(draw, b, k)) return;
  const int64_t own = draw.indices[b];
  int64_t* row = draw.contrast + b * (draw.negatives + 1);
  const uint64_t bits = random_bits(static_cast<uint64_t>(*draw.key), static_cast<uint64_t>(own));
  if (k == 0) row[0] = own;
  row[k + 1] = other_row(random_bits(bits, static_cast<uint64_t>(k)), own, rows);
}

__global__ void __launch_bounds__(kThreads) draw_by_class_kernel(CrdDraw draw, math::ClassTable table) {
  int64_t b;
  int64_t k;
  if (!place_of_thread(draw, b, k)) return;
  int64_t* row = draw.contrast + b * (draw.negatives + 1);
  const math::ClassDraw candidates(table, static_cast<uint64_t>(*draw.key), draw.indices[b], draw.negatives);
  if (k == 0) row[0] = candidates.positive();
  row[k + 1] = candidates.negative(k);
}

dim3 blocks_of(const CrdDraw& draw) {
  return dim3(static_cast<unsigned>((draw.batch * draw.negatives + kThreads - 1) / kThreads));
}

}  // namespace

int64_t crd_parts(int64_t batch, int64_t candidates) {
  const int64_t wanted = (kBlocks + batch - 1) / batch;
  const int64_t most = (candidates + kFewestCandidates - 1) / kFewestCandidates;
  return wanted < most ? wanted : most;
}

template <typename S, typename T>
void crd_scores(Stream stream, const CrdBatch<S, T>& batch) {
  constexpr int kSize = kPackBytes / sizeof(T);
  // Four chunks are 512 numbers of float32, and more would not stay in registers.
  if (!fits(batch)) {
    run_scores<S, T, 1, 4>(stream, batch);
  } else if (batch.dimension <= Slab<T, kSize, 1>::kWidth) {
    run_scores<S, T, kSize, 1>(stream, batch);
  } else {
    run_scores<S, T, kSize, 4>(stream, batch);
  }
}

template <typename S, typename T>
void crd_exponential_sums(Stream stream, const CrdBatch<S, T>& batch, double* largest, double* scaled_sums) {
  constexpr int kSize = kPackBytes / sizeof(T);
  const auto kernel = fits(batch) ? &exponential_sums_kernel<S, T, kSize, 1> : &exponential_sums_kernel<S, T, 1, 4>;
  launch(stream, blocks_of(batch, 1), kernel, CrdBatch<S, T>(batch), largest, scaled_sums);
}

void crd_draw(Stream stream, const CrdDraw& draw, int64_t rows) {
  launch(stream, blocks_of(draw), &draw_kernel, CrdDraw(draw), rows);
}

void crd_draw_by_class(Stream stream, const CrdDraw& draw, const math::ClassTable& table) {
  launch(stream, blocks_of(draw), &draw_by_class_kernel, CrdDraw(draw), math::ClassTable(table));
}

#define RETORT_INSTANTIATE(S, T)                           \
  template void crd_scores(Stream, const CrdBatch<S, T>&); \
  template void crd_exponential_sums(Stream, const CrdBatch<S, T>&, double*, double*);
RETORT_INSTANTIATE(double, double)
RETORT_INSTANTIATE(float, float)
RETORT_INSTANTIATE(c10::BFloat16, float)
#undef RETORT_INSTANTIATE

}  // namespace retort::kernels::cuda
