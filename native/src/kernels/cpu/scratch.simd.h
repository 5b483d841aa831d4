#pragma once

#include "kernels/cpu/scratch.h"
#include "kernels/cpu/vector.simd.h"

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

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
