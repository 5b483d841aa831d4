// The few functions of the driver that LibTorch calls beside the runtime's.
#pragma GCC visibility push(default)
#include <cuda.h>
#pragma GCC visibility pop

#include <dlfcn.h>

#include "runtime.h"

using namespace retort::stand_in;

namespace {

CUresult unsupported() {
  return CUDA_ERROR_NOT_SUPPORTED;
}

}  // namespace

CUresult cuDevicePrimaryCtxGetState(CUdevice /*device*/, unsigned* flags, int* is_active) {
  *flags = 0;
  *is_active = 1;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* context) {
  static char the_context;
  *context = reinterpret_cast<CUcontext>(&the_context);
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext /*context*/) {
  return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult /*error*/, const char** text) {
  *text = "an error of the stand-in's driver";
  return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPointByVersion(
    const char* symbol, void** function, unsigned /*version*/, unsigned long long /*flags*/,
    cudaDriverEntryPointQueryResult* result) {
  return call([&] {
    // LibTorch looks up functions that it won't call, and requires that they be there.
    void* const found = dlsym(RTLD_DEFAULT, symbol);
    *function = found ? found : reinterpret_cast<void*>(&unsupported);
    if (result) *result = cudaDriverEntryPointSuccess;
    return cudaSuccess;
  });
}
