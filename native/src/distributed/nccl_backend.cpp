// Compiled with USE_C10D_NCCL, and the headers of the NCCL with which LibTorch was compiled. LibTorch's CUDA half is
// loaded where there is one, so the library is not linked with it, and finds the functions by their names.
#include <ATen/Context.h>
#include <dlfcn.h>
#include <nccl.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>

#include "distributed/backend.h"
#include "runtime/cuda.h"
#include "tensor/check.h"

namespace retort {
namespace {

using c10d::ProcessGroupNCCL;
using Options = ProcessGroupNCCL::Options;
using StorePointer = c10::intrusive_ptr<c10d::Store>;
using OptionsPointer = c10::intrusive_ptr<Options>;

template <typename Function>
Function* function_named(const char* name) {
  void* found = dlsym(cuda_half(), name);
  RETORT_CHECK(found, "Ranks: LibTorch must be one with NCCL (got ", dlerror(), ")");
  return reinterpret_cast<Function*>(found);
}

/// An object whose constructor has that name, as c10::make_intrusive makes it.
/// @param Base whose destructor is virtual; others would need symbols of Class
template <typename Class, typename Base, typename... Args>
c10::intrusive_ptr<Base> constructed(const char* name, Args... args) {
  auto* const constructor = function_named<void(Class*, Args...)>(name);
  struct Free {
    void operator()(void* memory) const { ::operator delete(memory); }
  };
  std::unique_ptr<void, Free> memory(::operator new(sizeof(Class)));
  constructor(static_cast<Class*>(memory.get()), std::move(args)...);
  return c10::intrusive_ptr<Base>::unsafe_steal_from_new(static_cast<Class*>(memory.release()));
}

/// NCCL's options are a part of c10d's, and grow from version to version.
void check_version() {
  const uint64_t version = function_named<uint64_t()>("_ZN5torch4cuda4nccl7versionEv")();
  const uint64_t major = version >> 32, minor = version >> 16 & 0xffff;
  RETORT_CHECK(
      major == NCCL_MAJOR && minor == NCCL_MINOR, "Ranks: LibTorch must be one with NCCL ", NCCL_MAJOR, ".", NCCL_MINOR,
      " (got ", major, ".", minor, ")");
}

/// c10d ends the process of a rank that waits in vain, unless these say that it is to throw.
void let_errors_be_thrown() {
  static const bool is_set = [] {
    ::setenv("TORCH_NCCL_ASYNC_ERROR_HANDLING", "0", /*overwrite=*/0);
    ::setenv("TORCH_NCCL_BLOCKING_WAIT", "1", /*overwrite=*/0);
    return true;
  }();
  static_cast<void>(is_set);
}

}  // namespace

c10::intrusive_ptr<c10d::Backend> new_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store, const Seat& seat) {
  check_version();
  let_errors_be_thrown();
  const OptionsPointer options = constructed<Options, Options>("_ZN4c10d16ProcessGroupNCCL7OptionsC1Eb", false);
  options->timeout = seat.timeout;
  return constructed<ProcessGroupNCCL, c10d::Backend, StorePointer, int, int, OptionsPointer>(
      "_ZN4c10d16ProcessGroupNCCLC1EN3c1013intrusive_ptrINS_5StoreENS1_6detail34intrusive_target_default_null_typeIS3_"
      "EEEEiiNS2_INS0_7OptionsENS5_IS8_EEEE",
      store, static_cast<int>(seat.rank), static_cast<int>(seat.size), options);
}

}  // namespace retort
