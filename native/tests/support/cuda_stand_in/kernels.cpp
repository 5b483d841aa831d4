#include "kernels.h"

#include <map>
#include <vector>

#include "memory.h"
#include "runtime.h"
#include "streams.h"

using namespace retort::stand_in;

namespace {

struct Variable {
  size_t bytes = 0;
  void* address = nullptr;
};

/// By the address of what stands for them on the host. Libraries register theirs when they are loaded, before this
/// library's own variables may be there.
std::map<const void*, Variable>& variables() {
  static std::map<const void*, Variable> all;
  return all;
}

struct Configuration {
  dim3 blocks, threads;
  size_t shared_bytes;
  cudaStream_t stream;
};

/// What `kernel<<<...>>>` says before it calls the kernel.
thread_local std::vector<Configuration> configurations;

}  // namespace

void* retort::stand_in::address_of_symbol(const void* symbol) {
  const auto found = variables().find(symbol);
  if (found == variables().end()) return nullptr;
  if (!found->second.address) found->second.address = allocate_on_device(found->second.bytes);
  return found->second.address;
}

// ---- what the compiler calls ----------------------------------------------------------------------------------------

#pragma GCC visibility push(default)
extern "C" {

void** __cudaRegisterFatBinary(void* /*binary*/) {
  static void* handle = nullptr;
  return &handle;
}

void __cudaRegisterFatBinaryEnd(void** /*handle*/) {}

void __cudaUnregisterFatBinary(void** /*handle*/) {}

void __cudaRegisterFunction(
    void** /*handle*/, const char* /*function*/, char* /*device_function*/, const char* /*name*/, int /*thread_limit*/,
    uint3*, uint3*, dim3*, dim3*, int*) {}

void __cudaRegisterVar(
    void** /*handle*/, char* variable, char* /*device_address*/, const char* /*name*/, int /*is_external*/,
    size_t bytes, int /*is_constant*/, int /*is_global*/) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  variables()[variable].bytes = bytes;
}

char __cudaInitModule(void** /*handle*/) {
  return 1;
}

unsigned __cudaPushCallConfiguration(dim3 blocks, dim3 threads, size_t shared_bytes, cudaStream_t stream) {
  configurations.push_back({blocks, threads, shared_bytes, stream});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3* blocks, dim3* threads, size_t* shared_bytes, void* stream) {
  if (configurations.empty()) return report(cudaErrorMissingConfiguration);
  const Configuration& last = configurations.back();
  *blocks = last.blocks;
  *threads = last.threads;
  *shared_bytes = last.shared_bytes;
  *static_cast<cudaStream_t*>(stream) = last.stream;
  configurations.pop_back();
  return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}

cudaError_t __cudaLaunchKernel(
    cudaKernel_t /*kernel*/, dim3 blocks, dim3 threads, void** arguments, size_t shared_bytes, cudaStream_t stream) {
  return cudaLaunchKernel(nullptr, blocks, threads, arguments, shared_bytes, stream);
}

}  // extern "C"
#pragma GCC visibility pop

// ---- launches -------------------------------------------------------------------------------------------------------

namespace {

cudaError_t launch(dim3 blocks, dim3 threads, cudaStream_t stream) {
  const auto count = [](dim3 size) { return uint64_t(size.x) * size.y * size.z; };
  const bool fits =
      count(blocks) > 0 && blocks.y <= 65535 && blocks.z <= 65535 && count(threads) > 0 && count(threads) <= 1024;
  return fits ? submit_kernel(stream) : cudaErrorInvalidConfiguration;
}

}  // namespace

cudaError_t cudaLaunchKernel(
    const void* /*function*/, dim3 blocks, dim3 threads, void** /*arguments*/, size_t /*shared_bytes*/,
    cudaStream_t stream) {
  return call([&] { return launch(blocks, threads, stream); });
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* config, const void* /*function*/, void** /*arguments*/) {
  return call([&] { return launch(config->gridDim, config->blockDim, config->stream); });
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* /*function*/) {
  return call([&] {
    *attributes = {};
    attributes->maxThreadsPerBlock = 1024;
    attributes->numRegs = 32;
    attributes->ptxVersion = attributes->binaryVersion = 90;
    attributes->maxDynamicSharedSizeBytes = 48 << 10;
    return cudaSuccess;
  });
}

cudaError_t cudaFuncSetAttribute(const void* /*function*/, cudaFuncAttribute /*attribute*/, int /*value*/) {
  return call([] { return cudaSuccess; });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int* blocks, const void* /*function*/, int threads, size_t /*shared_bytes*/, unsigned /*flags*/) {
  return call([&] {
    if (threads < 1 || threads > 1024) return cudaErrorInvalidValue;
    *blocks = 2048 / threads < 32 ? 2048 / threads : 32;
    return cudaSuccess;
  });
}

cudaError_t cudaGetSymbolAddress(void** address, const void* symbol) {
  return call([&] {
    *address = address_of_symbol(symbol);
    return *address ? cudaSuccess : cudaErrorInvalidSymbol;
  });
}
