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

/// What OpenBLAS, which Bytedeco's LibTorch is linked to, is limited to; 0 leaves it as it is. Its threads wait for
/// their next product spinning, for some 25 ms, on cores that ATen's threads need: a step with a linear layer takes ten
/// times as long.
std::atomic<int> openblas_limit{1};

void limit_openblas() {
  using SetThreads = void (*)(int);
  static const auto set_threads = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  const int limit = openblas_limit;
  if (set_threads && limit > 0) set_threads(limit);
}

/// What set_threads() was last given, and what this thread has; 0 for LibTorch's own choice, -1 before it has asked.
std::atomic<int> wanted_threads{0};
thread_local int adopted_threads = -1;

}  // namespace

void adopt_threads() {
  // Again if another number has come meanwhile: what ATen hears last, threads that are yet to start begin with.
  while (adopted_threads != wanted_threads) {
    [[maybe_unused]] static const bool openblas_is_limited = (limit_openblas(), true);
    adopted_threads = wanted_threads;
    if (adopted_threads > 0) at::set_num_threads(adopted_threads);
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
  limit_openblas();
}

int64_t threads() {
  adopt_threads();
  return at::get_num_threads();
}

void set_openblas_threads(int64_t threads) {
  RETORT_CHECK(
      threads >= 0 && threads <= 4096, "set_openblas_threads: threads must be between 0 and 4096 (got ", threads, ")");
  openblas_limit = static_cast<int>(threads);
  limit_openblas();
}

int64_t openblas_threads() {
  using GetThreads = int (*)();
  const auto get_threads = reinterpret_cast<GetThreads>(dlsym(RTLD_DEFAULT, "openblas_get_num_threads"));
  return get_threads ? get_threads() : 0;
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
