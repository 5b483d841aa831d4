#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <retort/runtime.h>

#include <atomic>

#include "runtime/cuda.h"
#include "runtime/isa.h"
#include "runtime/recycler.h"
#include "runtime/threads.h"
#include "tensor/check.h"

namespace retort {
namespace {

/// Holds OpenBLAS, which Bytedeco's LibTorch is linked to, to one thread. Its threads wait for their next product
/// spinning, for some 25 ms, on cores that ATen's threads need: a step with a linear layer takes ten times as long.
bool hold_openblas_to_one_thread() {
  using SetThreads = void (*)(int);
  const auto set_threads = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (set_threads) set_threads(1);
  return set_threads != nullptr;
}

/// When the library is loaded, LibTorch already is.
[[maybe_unused]] const bool kOpenblasIsHeld = hold_openblas_to_one_thread();

/// What set_threads() was last given, and what this thread has; 0 for LibTorch's own choice.
std::atomic<int> wanted_threads{0};
thread_local int adopted_threads = 0;

}  // namespace

void adopt_threads() {
  // Again if another number has come meanwhile: what ATen hears last, threads that are yet to start begin with.
  while (adopted_threads != wanted_threads) {
    adopted_threads = wanted_threads;
    at::set_num_threads(adopted_threads);
  }
}

std::string version() {
  return RETORT_VERSION;
}

void set_threads(int64_t threads) {
  RETORT_CHECK(threads > 0 && threads <= 4096, "set_threads: threads must be between 1 and 4096 (got ", threads, ")");
  wanted_threads = static_cast<int>(threads);
  adopted_threads = 0;  // in case somebody has told ATen otherwise
  adopt_threads();
  hold_openblas_to_one_thread();
}

int64_t threads() {
  adopt_threads();
  return at::get_num_threads();
}

void manual_seed(uint64_t seed) {
  at::manual_seed(seed);
}

void release_memory() {
  release_idle_memory();
}

bool is_cuda_available() {
  return obstacle_to_cuda().empty();
}

void require_cuda() {
  device_of("require_cuda", "cuda");
}

std::string cpu_kernels() {
  return name_of(selected_isa());
}

}  // namespace retort
