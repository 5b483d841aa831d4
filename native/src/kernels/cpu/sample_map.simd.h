#pragma once

#ifdef __F16C__
#include <immintrin.h>
#endif

#include "kernels/cpu/feature_map.h"
#include "kernels/cpu/product.simd.h"
#include "kernels/cpu/scratch.h"

namespace retort::kernels::RETORT_ISA {
namespace {

template <typename T>
T* take(Scratch& scratch, int64_t count) {
  return static_cast<T*>(scratch.take(static_cast<size_t>(count) * sizeof(T)));
}

/// Memory of which a vector may be read and written behind the last element.
template <typename T>
T* take_padded(Scratch& scratch, int64_t count) {
  return take<T>(scratch, count + kLanes<T>);
}

template <typename T>
T* zeros(Scratch& scratch, int64_t count) {
  T* values = take<T>(scratch, count);
  for (int64_t i = 0; i < count; ++i) values[i] = 0;
  return values;
}

/// The upper half of a float.
struct BFloat16 {
  uint16_t bits;
};

static inline float widened(BFloat16 value) {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  float wide;
  __builtin_memcpy(&wide, &bits, sizeof wide);
  return wide;
}
static inline float widened(_Float16 value) {
  return static_cast<float>(value);
}

template <typename Stored, typename T>
void widen(const Stored* from, int64_t count, T* to) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<T>(widened(from[i]));
}

#ifdef __F16C__
// Compilers know the instruction for one number only.

inline void widen(const _Float16* from, int64_t count, float* to) {
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i))));
  }
  for (; i < count; ++i) to[i] = widened(from[i]);
}
#endif

/// The values of a map part by part, in the type that a kernel computes in: copies if they are stored in another, which
/// stay in the cache if they are small.
template <typename T>
class MapParts {
 public:
  /// @param most values of the largest part
  MapParts(const FeatureMap& map, int64_t most, Scratch& scratch)
      : map_(map), copy_(map.storage == Storage::kSame ? nullptr : take<T>(scratch, most)) {}

  /// Valid until the next call.
  const T* values(int64_t begin, int64_t count) const {
    switch (map_.storage) {
      case Storage::kBFloat16:
        widen(static_cast<const BFloat16*>(map_.values) + begin, count, copy_);
        return copy_;
      case Storage::kFloat16:
        widen(static_cast<const _Float16*>(map_.values) + begin, count, copy_);
        return copy_;
      default:
        return static_cast<const T*>(map_.values) + begin;
    }
  }

  /// Null if no gradient is asked for.
  T* gradient(int64_t begin) const { return map_.gradient ? static_cast<T*>(map_.gradient) + begin : nullptr; }

  int64_t channels() const { return map_.channels; }
  int64_t positions() const { return map_.height * map_.width; }
  bool channels_last() const { return map_.channels_last; }

 private:
  FeatureMap map_;
  T* copy_;
};

/// A feature map of one sample in the type that a kernel computes in, which is a copy if it is stored in another.
template <typename T>
class SampleMap {
 public:
  SampleMap(const FeatureMap& map, Scratch& scratch) : map_(map), gradient_(static_cast<T*>(map.gradient)) {
    const int64_t count = map.channels * map.height * map.width;
    values_ = MapParts<T>(map, count, scratch).values(0, count);
  }

  int64_t channels() const { return map_.channels; }
  int64_t height() const { return map_.height; }
  int64_t width() const { return map_.width; }
  int64_t positions() const { return map_.height * map_.width; }
  bool channels_last() const { return map_.channels_last; }
  bool wants_gradient() const { return gradient_ != nullptr; }
  const T* values() const { return values_; }
  T* gradient() const { return gradient_; }

 private:
  FeatureMap map_;
  T* gradient_;
  const T* values_ = nullptr;
};

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
