#pragma once

#include <link.h>

#include <cstdint>
#include <cstring>
#include <utility>

namespace retort::test {

/// Whether code is Retort's, by the part of the library that is executable.
inline bool is_retorts(const void* code) {
  static const auto range = [] {
    std::pair<uintptr_t, uintptr_t> found;
    dl_iterate_phdr(
        [](dl_phdr_info* library, size_t, void* result) {
          if (std::strstr(library->dlpi_name, "libretort") == nullptr) return 0;
          for (int i = 0; i < library->dlpi_phnum; ++i) {
            const auto& part = library->dlpi_phdr[i];
            const uintptr_t begin = library->dlpi_addr + part.p_vaddr;
            if (part.p_flags & PF_X) *static_cast<decltype(found)*>(result) = {begin, begin + part.p_memsz};
          }
          return 1;
        },
        &found);
    return found;
  }();
  const auto address = reinterpret_cast<uintptr_t>(code);
  return address >= range.first && address < range.second;
}

}  // namespace retort::test
