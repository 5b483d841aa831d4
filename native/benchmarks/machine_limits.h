#pragma once

#include <cstdint>

namespace retort::benchmarks {

// What this machine can do, with all threads, or the GPU if that is what is measured.

/// Operations a second in LibTorch's products of matrices in float32.
double product_rate();

/// Bytes a second, read and written, in copies within so many bytes of memory; on a GPU, within more than its caches
/// hold.
double copy_rate(int64_t footprint);

}  // namespace retort::benchmarks
