#pragma once

namespace retort::benchmarks {

/// What this machine can do, with all threads.
struct Limits {
  /// Operations a second in products of matrices.
  double flops;
  /// Bytes a second, read and written, in copies of 16 MB.
  double bytes;
};

Limits measure_limits();

}  // namespace retort::benchmarks
