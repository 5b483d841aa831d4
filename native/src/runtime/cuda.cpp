#include "runtime/cuda.h"

#include <ATen/Context.h>
#include <dlfcn.h>

#include <filesystem>

#include "tensor/check.h"

#ifdef RETORT_CUDA
#include "runtime/cuda_device.h"
#endif

namespace retort {
namespace {

#ifdef RETORT_CUDA
/// Why a library can't be loaded, which names the first that is missing; empty if it can.
std::string obstacle_to_loading(const std::string& library) {
  if (dlopen(library.c_str(), RTLD_LAZY)) return {};
  return dlerror();
}

/// The path of a library that lies where LibTorch does.
std::string beside_libtorch(const char* library) {
  Dl_info libtorch{};
  dladdr(reinterpret_cast<const void*>(&at::globalContext), &libtorch);
  return std::filesystem::path(libtorch.dli_fname).replace_filename(library).string();
}

/// LibTorch looks for its CUDA half once, as soon as anybody sets a seed, and does without it from then on.
[[maybe_unused]] const bool kCudaHalfIsLoaded = obstacle_to_loading(beside_libtorch("libtorch_cuda.so")).empty();
#endif

}  // namespace

void* cuda_half() {
#ifdef RETORT_CUDA
  return dlopen(beside_libtorch("libtorch_cuda.so").c_str(), RTLD_LAZY);
#else
  return nullptr;
#endif
}

std::string obstacle_to_cuda() {
#ifdef RETORT_CUDA
  if (std::string error = obstacle_to_loading(beside_libtorch("libtorch_cuda.so")); !error.empty()) return error;
  if (std::string error = obstacle_to_loading("libcuda.so.1"); !error.empty()) return "no NVIDIA driver: " + error;
  return obstacle_of_device();
#else
  return "the natives of linux-x86_64, not those of linux-x86_64-gpu";
#endif
}

c10::Device device_of(const char* function, const std::string& name) {
  const std::string prefix = "cuda";
  const bool is_cuda = name.compare(0, prefix.size(), prefix) == 0;
  if (is_cuda) {
    const std::string obstacle = obstacle_to_cuda();
    RETORT_CHECK(obstacle.empty(), function, ": CUDA must be available (got ", obstacle, ")");
  }
  const int devices = is_cuda ? static_cast<int>(at::detail::getCUDAHooks().deviceCount()) : 0;
  if (name == "cpu" || name == prefix) return c10::Device(name);
  for (int i = 0; i < devices; ++i) {
    if (name == prefix + ":" + std::to_string(i)) return c10::Device(name);
  }
  fail(
      function, ": device must be ",
      devices > 0 ? "cpu, cuda, or cuda:0 to cuda:" + std::to_string(devices - 1) : "cpu or cuda", " (got ", name, ")");
}

}  // namespace retort
