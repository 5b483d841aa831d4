#pragma once

#include <stdint.h>

namespace retort::kernels::cuda {

/// What a thread reads or writes at once.
constexpr int kPackBytes = 16;

inline bool is_aligned(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % kPackBytes == 0;
}

template <typename T, int kSize>
struct alignas(kSize * sizeof(T)) Pack {
  T values[kSize];
};

/// The i-th pack from an address that is a multiple of a pack's size.
template <int kSize, typename T>
__device__ Pack<T, kSize> load(const T* from, int64_t i) {
  return reinterpret_cast<const Pack<T, kSize>*>(from)[i];
}

template <typename T, int kSize>
__device__ void store(T* to, int64_t i, const Pack<T, kSize>& pack) {
  reinterpret_cast<Pack<T, kSize>*>(to)[i] = pack;
}

}  // namespace retort::kernels::cuda
