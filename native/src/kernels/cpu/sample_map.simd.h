#pragma once

#include "kernels/cpu/feature_map.h"
#include "kernels/cpu/half.simd.h"
#include "kernels/cpu/product.simd.h"
#include "kernels/cpu/scratch.simd.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// The values and the gradient of a map part by part, in the type that a kernel computes in: copies if they are stored
/// in another, which stay in the cache if they are small.
template <typename T>
class MapParts {
 public:
  /// @param most values of the largest part
  MapParts(const FeatureMap& map, int64_t most, Scratch& scratch)
      : map_(map),
        copy_(map.storage == Storage::kSame ? nullptr : take<T>(scratch, most)),
        gradient_copy_(map.gradient && map.storage == Storage::kBFloat16 ? take<T>(scratch, most) : nullptr) {}

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

  /// Where to write the gradient of the part from `begin` on, before `store_gradient`; null if none is asked for.
  T* gradient(int64_t begin) const {
    if (gradient_copy_) return gradient_copy_;
    return map_.gradient ? static_cast<T*>(map_.gradient) + begin : nullptr;
  }

  void store_gradient(int64_t begin, int64_t count) const {
    if (gradient_copy_) narrow(gradient_copy_, count, static_cast<BFloat16*>(map_.gradient) + begin);
  }

  int64_t channels() const { return map_.channels; }
  int64_t positions() const { return map_.height * map_.width; }
  bool channels_last() const { return map_.channels_last; }

 private:
  FeatureMap map_;
  T* copy_;
  T* gradient_copy_;
};

/// A feature map of one sample as a whole.
template <typename T>
class SampleMap {
 public:
  SampleMap(const FeatureMap& map, Scratch& scratch)
      : count_(map.channels * map.height * map.width),
        height_(map.height),
        width_(map.width),
        whole_(map, count_, scratch),
        values_(whole_.values(0, count_)) {}

  int64_t count() const { return count_; }
  int64_t channels() const { return whole_.channels(); }
  int64_t height() const { return height_; }
  int64_t width() const { return width_; }
  int64_t positions() const { return whole_.positions(); }
  bool channels_last() const { return whole_.channels_last(); }
  bool wants_gradient() const { return gradient() != nullptr; }
  const T* values() const { return values_; }
  T* gradient() const { return whole_.gradient(0); }
  /// To be called once the gradient is written.
  void store_gradient() const { whole_.store_gradient(0, count_); }

 private:
  int64_t count_;
  int64_t height_;
  int64_t width_;
  MapParts<T> whole_;
  const T* values_;
};

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
