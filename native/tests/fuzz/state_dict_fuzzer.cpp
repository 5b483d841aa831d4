// Any bytes are a state dict that is read, or a FileError.
#include <cstddef>
#include <cstdint>

#include "harness.h"
#include "io/state_dict_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  retort::fuzz::succeeds_or_refuses([&] {
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    for (const auto& entry : retort::parse_state_dict("fuzz", bytes, "bytes")) retort::fuzz::touch(entry.value());
  });
  return 0;
}
