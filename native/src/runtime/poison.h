#pragma once

#include <stddef.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace retort {

// Memory that is handed out again and again, or in parts, hides from AddressSanitizer what is read and written outside
// of what was asked for, unless it is told.

#ifdef __SANITIZE_ADDRESS__
/// Bytes that belong to nobody behind a part of a block.
constexpr size_t kRedZone = 64;

inline void poison(const void* data, size_t bytes) {
  __asan_poison_memory_region(data, bytes);
}
inline void unpoison(const void* data, size_t bytes) {
  __asan_unpoison_memory_region(data, bytes);
}
#else
constexpr size_t kRedZone = 0;

inline void poison(const void*, size_t) {}
inline void unpoison(const void*, size_t) {}
#endif

}  // namespace retort
