#include "runtime.h"

#include "memory.h"

namespace retort::stand_in {
namespace {

thread_local cudaError_t last_error = cudaSuccess;
cudaError_t broken = cudaSuccess;

RetortCudaCounts current_counts() {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  return counts;
}

}  // namespace

RetortCudaCounts counts{};
std::recursive_mutex mutex;

cudaError_t report(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

void break_device(cudaError_t error) {
  broken = error;
}

cudaError_t device_error() {
  return broken;
}

}  // namespace retort::stand_in

using namespace retort::stand_in;

extern "C" __attribute__((visibility("default"))) const RetortCudaStandIn* retort_cuda_stand_in() {
  static const RetortCudaStandIn table{&current_counts, &fail_allocation};
  return &table;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = broken;
  return error;
}

cudaError_t cudaPeekAtLastError() {
  return last_error;
}
