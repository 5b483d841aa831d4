#pragma once

// Stands in for CUDA's header of the same name, so that a compiler for the CPU makes of a .cu file kernels that run on
// the CPU. A block's threads are fibers of one thread, which take turns where they wait for each other; blocks run one
// after the other. A block whose threads don't all come to the same barrier ends the process.

#include <cmath>
#include <cstdint>
#include <functional>

#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __launch_bounds__(...)

/// Small blocks are enough to find what is wrong with large ones: two warps.
#define RETORT_EMULATED_THREADS 64

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1) : x(width), y(height), z(depth) {}
};

struct CUstream_st;
using cudaStream_t = CUstream_st*;

namespace retort::emulator {

inline dim3 thread_index, block_index, block_size, grid_size;

/// Runs a kernel's blocks.
void run(dim3 blocks, int threads, const std::function<void()>& thread);
/// Where all threads of a block wait for each other.
void wait_for_block();
/// Exchanges bytes within a warp: returns what the thread `lane` put there. All threads of a warp must take part.
void exchange(const void* mine, void* other, std::size_t bytes, unsigned lane);

}  // namespace retort::emulator

#define threadIdx ::retort::emulator::thread_index
#define blockIdx ::retort::emulator::block_index
#define blockDim ::retort::emulator::block_size
#define gridDim ::retort::emulator::grid_size

inline void __syncthreads() {
  retort::emulator::wait_for_block();
}

template <typename T>
T __shfl_xor_sync(unsigned /*mask*/, T value, int distance) {
  T other;
  retort::emulator::exchange(&value, &other, sizeof value, threadIdx.x % 32 ^ static_cast<unsigned>(distance));
  return other;
}
