#include <cstring>

#include "memory.h"
#include "runtime.h"

// One device, an H100 by its numbers.

namespace {

using namespace retort::stand_in;

constexpr int kMultiprocessors = 132;
constexpr int kMajor = 9;
constexpr int kSharedMemory = 48 << 10;
constexpr int kMostSharedMemory = 227 << 10;
constexpr int kSharedMemoryOfMultiprocessor = 228 << 10;
constexpr int kRegisters = 1 << 16;
constexpr int kThreads = 1024;
constexpr int kThreadsOfMultiprocessor = 2048;
constexpr int kBlocksOfMultiprocessor = 32;
constexpr int kCache = 50 << 20;
constexpr int kMostBlocks = 65535;

cudaDeviceProp properties() {
  cudaDeviceProp all{};
  std::strcpy(all.name, "stand-in for a GPU");
  all.totalGlobalMem = kDeviceMemory;
  all.sharedMemPerBlock = kSharedMemory;
  all.sharedMemPerBlockOptin = kMostSharedMemory;
  all.sharedMemPerMultiprocessor = kSharedMemoryOfMultiprocessor;
  all.reservedSharedMemPerBlock = 1 << 10;
  all.regsPerBlock = all.regsPerMultiprocessor = kRegisters;
  all.warpSize = 32;
  all.memPitch = 0x7fffffff;
  all.maxThreadsPerBlock = kThreads;
  all.maxThreadsDim[0] = all.maxThreadsDim[1] = kThreads;
  all.maxThreadsDim[2] = 64;
  all.maxGridSize[0] = 0x7fffffff;
  all.maxGridSize[1] = all.maxGridSize[2] = kMostBlocks;
  all.totalConstMem = 64 << 10;
  all.major = kMajor;
  all.textureAlignment = 512;
  all.multiProcessorCount = kMultiprocessors;
  all.canMapHostMemory = all.unifiedAddressing = all.concurrentKernels = 1;
  all.asyncEngineCount = 3;
  all.memoryBusWidth = 5120;
  all.l2CacheSize = kCache;
  all.maxThreadsPerMultiProcessor = kThreadsOfMultiprocessor;
  all.maxBlocksPerMultiProcessor = kBlocksOfMultiprocessor;
  all.streamPrioritiesSupported = all.hostRegisterSupported = all.cooperativeLaunch = 1;
  return all;
}

}  // namespace

cudaError_t cudaGetDeviceCount(int* count) {
  return call([&] {
    *count = 1;
    return cudaSuccess;
  });
}

cudaError_t cudaGetDevice(int* device) {
  return call([&] {
    *device = 0;
    return cudaSuccess;
  });
}

cudaError_t cudaSetDevice(int device) {
  return call([&] { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; });
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* all, int device) {
  return call([&] {
    if (device != 0) return cudaErrorInvalidDevice;
    *all = properties();
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  return call([&] {
    if (device != 0) return cudaErrorInvalidDevice;
    const cudaDeviceProp all = properties();
    switch (attribute) {
      case cudaDevAttrMaxThreadsPerBlock:
        *value = all.maxThreadsPerBlock;
        break;
      case cudaDevAttrMaxBlockDimX:
        *value = all.maxThreadsDim[0];
        break;
      case cudaDevAttrMaxBlockDimY:
        *value = all.maxThreadsDim[1];
        break;
      case cudaDevAttrMaxBlockDimZ:
        *value = all.maxThreadsDim[2];
        break;
      case cudaDevAttrMaxGridDimX:
        *value = all.maxGridSize[0];
        break;
      case cudaDevAttrMaxGridDimY:
        *value = all.maxGridSize[1];
        break;
      case cudaDevAttrMaxGridDimZ:
        *value = all.maxGridSize[2];
        break;
      case cudaDevAttrMaxSharedMemoryPerBlock:
        *value = kSharedMemory;
        break;
      case cudaDevAttrMaxSharedMemoryPerBlockOptin:
        *value = kMostSharedMemory;
        break;
      case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
        *value = kSharedMemoryOfMultiprocessor;
        break;
      case cudaDevAttrWarpSize:
        *value = all.warpSize;
        break;
      case cudaDevAttrMaxRegistersPerBlock:
        *value = kRegisters;
        break;
      case cudaDevAttrMultiProcessorCount:
        *value = kMultiprocessors;
        break;
      case cudaDevAttrMaxThreadsPerMultiProcessor:
        *value = kThreadsOfMultiprocessor;
        break;
      case cudaDevAttrMaxBlocksPerMultiprocessor:
        *value = kBlocksOfMultiprocessor;
        break;
      case cudaDevAttrComputeCapabilityMajor:
        *value = all.major;
        break;
      case cudaDevAttrComputeCapabilityMinor:
        *value = all.minor;
        break;
      case cudaDevAttrL2CacheSize:
        *value = kCache;
        break;
      default:
        *value = 0;  // of what it can't do
    }
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceGetPCIBusId(char* id, int length, int device) {
  return call([&] {
    constexpr char kId[] = "0000:00:00.0";
    if (device != 0) return cudaErrorInvalidDevice;
    if (length < static_cast<int>(sizeof kId)) return cudaErrorInvalidValue;
    std::strcpy(id, kId);
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceCanAccessPeer(int* can_access, int /*device*/, int /*peer*/) {
  return call([&] {
    *can_access = 0;
    return cudaSuccess;
  });
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  return call([&] {
    *version = CUDART_VERSION;
    return cudaSuccess;
  });
}

cudaError_t cudaDriverGetVersion(int* version) {
  return cudaRuntimeGetVersion(version);
}
