#pragma once

#include <cstdint>

namespace retort::benchmarks {

// What this machine can do, with all threads.

/// Operations a second in LibTorch's products of matrices.
double product_rate();

/// Bytes a second, read and written, in copies within so many bytes of memory.
double copy_rate(int64_t footprint);

}  // namespace retort::benchmarks
