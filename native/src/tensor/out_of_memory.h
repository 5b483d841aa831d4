#pragma once

#include <c10/util/Exception.h>

#include <cstring>
#include <exception>
#include <new>

namespace retort {

/// Whether an error says that memory has run out. That of LibTorch's own allocator is a plain c10::Error.
inline bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) || dynamic_cast<const c10::OutOfMemoryError*>(&error)) return true;
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  return of_torch && std::strstr(of_torch->what_without_backtrace(), "DefaultCPUAllocator: ");
}

}  // namespace retort
