#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <retort/runtime.h>

#include "kernels/cpu/isa.h"
#include "util/check.h"

namespace retort {

std::string version() {
  return RETORT_VERSION;
}

void set_threads(int64_t threads) {
  RETORT_CHECK(threads > 0 && threads <= 4096, "set_threads: threads must be between 1 and 4096 (got ", threads, ")");
  at::set_num_threads(static_cast<int>(threads));
  // ATen sets MKL's and OpenMP's threads, but not those of the OpenBLAS that Bytedeco's LibTorch is linked to.
  using SetThreads = void (*)(int);
  if (auto set_openblas_threads = reinterpret_cast<SetThreads>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) {
    set_openblas_threads(static_cast<int>(threads));
  }
}

int64_t threads() {
  return at::get_num_threads();
}

void manual_seed(uint64_t seed) {
  at::manual_seed(seed);
}

std::string cpu_kernels() {
  return kernels::name_of(kernels::selected_isa());
}

}  // namespace retort
