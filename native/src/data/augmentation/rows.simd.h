#pragma once

#include <stdint.h>

#include "runtime/isa.h"

namespace retort::augmentation {

/// A row of each channel of an image in red, green and blue.
struct ColorRow {
  float* red;
  float* green;
  float* blue;
  int64_t width;
};

/// What is done to the rows of images. Compiled without fused multiplications and with sums in a fixed order: every
/// instruction set gives the same bits.
struct RowKernels {
  /// to[x] = from[columns[x]], 0 where that is negative.
  void (*pick)(const float* from, const int32_t* columns, int64_t width, float* to);
  /// to[x] = Σ weights[j] from[j * stride + x] over j < taps
  void (*resample_down)(
      const float* from, int64_t stride, const float* weights, int64_t taps, int64_t width, float* to);
  /// to[x] = Σ weights[j * width + x] from[first[x] + j] over j < taps
  void (*resample_across)(
      const float* from, const int32_t* first, const float* weights, int64_t taps, int64_t width, float* to);
  /// value = clamp(factor value + add), from 0 to 1
  void (*blend)(float* row, int64_t width, float factor, float add);
  /// The same, where `rest` times a pixel's grey is added.
  void (*saturate)(const ColorRow& row, float factor, float rest);
  void (*shift_hue)(const ColorRow& row, float shift);
  /// The sum of the greys.
  double (*sum_of_grey)(const ColorRow& row);
  double (*sum)(const float* row, int64_t width);
  /// value = scale value + shift
  void (*normalize)(float* row, int64_t width, float scale, float shift);
};

namespace baseline {
extern const RowKernels row_kernels;
}
namespace avx2 {
extern const RowKernels row_kernels;
}
namespace avx512 {
extern const RowKernels row_kernels;
}

/// The kernels for the selected instruction set.
inline const RowKernels& row_kernels() {
  return *select(&baseline::row_kernels, &avx2::row_kernels, &avx512::row_kernels);
}

}  // namespace retort::augmentation
