#pragma once

#include "kernels/cuda/launch.h"

namespace retort::kernels::cuda {

// Sums in an order that depends on nothing but the number of threads: the same bits in every run.

__device__ inline int lane() {
  return static_cast<int>(threadIdx.x) % kWarp;
}
__device__ inline int warp() {
  return static_cast<int>(threadIdx.x) / kWarp;
}

/// The sum over a warp, in all of its threads.
template <typename T>
__device__ T warp_sum(T value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffu, value, distance);
  return value;
}

/// The sum over a block, in all of its threads.
template <typename T>
__device__ T block_sum(T value) {
  __shared__ T parts[kWarps];
  value = warp_sum(value);
  __syncthreads();  // an earlier sum may still be read
  if (lane() == 0) parts[warp()] = value;
  __syncthreads();
  T sum = 0;
  for (int i = 0; i < kWarps; ++i) sum += parts[i];
  return sum;
}

/// The sum over the threads of a block that have the same lane, in all of them.
__device__ inline double lane_sum(double value) {
  __shared__ double parts[kThreads];
  __syncthreads();
  parts[threadIdx.x] = value;
  __syncthreads();
  double sum = 0;
  for (int i = 0; i < kWarps; ++i) sum += parts[i * kWarp + lane()];
  return sum;
}

/// The largest value of a block, in all of its threads; NaN is skipped.
template <typename T>
__device__ T block_max(T value) {
  __shared__ T parts[kWarps];
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(0xffffffffu, value, distance);
    value = other > value || value != value ? other : value;
  }
  __syncthreads();
  if (lane() == 0) parts[warp()] = value;
  __syncthreads();
  T largest = parts[0];
  for (int i = 1; i < kWarps; ++i) largest = parts[i] > largest || largest != largest ? parts[i] : largest;
  return largest;
}

}  // namespace retort::kernels::cuda
