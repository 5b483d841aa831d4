#include "runtime/cuda_device.h"

#include <cuda_runtime.h>

namespace retort {
namespace {

__global__ void nothing() {}

}  // namespace

std::string obstacle_of_device() {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess) return cudaGetErrorString(error);
  if (devices == 0) return "no device";
  cudaFuncAttributes attributes;
  if (cudaFuncGetAttributes(&attributes, nothing) == cudaSuccess) return {};
  cudaGetLastError();  // or the next call would report it
  int device = 0;
  cudaDeviceProp properties{};
  cudaGetDevice(&device);
  cudaGetDeviceProperties(&properties, device);
  return std::string(properties.name) + " of compute capability " + std::to_string(properties.major) + "." +
         std::to_string(properties.minor) + ", for which the kernels were not compiled";
}

}  // namespace retort
