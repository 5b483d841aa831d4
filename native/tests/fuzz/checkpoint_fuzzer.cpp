// Any bytes are a checkpoint that is read, or a FileError: as they are, and behind a header whose checksums are right,
// which no search would find.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "harness.h"
#include "io/checkpoint_file.h"
#include "io/checksum.h"

namespace retort::fuzz {
namespace {

void append(std::string& file, uint64_t number) {
  file.append(reinterpret_cast<const char*>(&number), sizeof number);
}

/// The bytes are the length of the configuration, the configuration, and the archive.
std::string sealed(std::string_view bytes) {
  uint64_t configuration_bytes = 0;
  const size_t length = bytes.copy(reinterpret_cast<char*>(&configuration_bytes), sizeof configuration_bytes);
  const std::string_view rest = bytes.substr(length);
  std::string file = "RETORTCP";
  for (uint64_t number : {uint64_t{2}, configuration_bytes, uint64_t{rest.size()}, checksum(rest)})
    append(file, number);
  append(file, checksum(file));
  return file.append(rest);
}

void read(std::string_view bytes) {
  succeeds_or_refuses([&] {
    for (const auto& entry : parse_checkpoint("fuzz", bytes, "bytes").tensors) touch(entry.value());
  });
}

}  // namespace
}  // namespace retort::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  retort::fuzz::read(bytes);
  retort::fuzz::read(retort::fuzz::sealed(bytes));
  return 0;
}
