#pragma once

#include <cuda_runtime.h>
#include <stdint.h>

#include <stdexcept>
#include <string>

/// In front of loops over arrays that are to stay in registers.
#ifdef __CUDACC__
#define RETORT_UNROLL _Pragma("unroll")
#else
#define RETORT_UNROLL
#endif

namespace retort::kernels::cuda {

/// Threads of every block. The tests, which run kernels on the CPU, have smaller ones.
#ifdef RETORT_EMULATED_THREADS
constexpr int kThreads = RETORT_EMULATED_THREADS;
#else
constexpr int kThreads = 256;
#endif
constexpr int kWarp = 32;
constexpr int kWarps = kThreads / kWarp;

/// Runs a kernel in a stream, and doesn't wait for it.
template <typename... Parameters>
void launch(cudaStream_t stream, dim3 blocks, void (*kernel)(Parameters...), Parameters... arguments) {
#ifdef __CUDACC__
  kernel<<<blocks, kThreads, 0, stream>>>(arguments...);
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(error));
#else
  static_cast<void>(stream);
  emulator::run(blocks, kThreads, [&] { kernel(arguments...); });
#endif
}

/// How many blocks it takes for these threads, at most `most`, beyond which threads loop.
inline unsigned blocks_for(int64_t threads, int64_t most) {
  const int64_t blocks = (threads + kThreads - 1) / kThreads;
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks < most ? blocks : most);
}

}  // namespace retort::kernels::cuda
