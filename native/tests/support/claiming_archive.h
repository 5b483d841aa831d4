#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

namespace retort::test {

/// A zip archive, one of whose records says that it is compressed and has 4 GB.
inline std::string claiming(std::string archive, const std::string& record) {
  const auto put = [&](size_t at, uint32_t value, size_t bytes) { std::memcpy(&archive[at], &value, bytes); };
  // An entry of the central directory: signature, …, method at 10, …, sizes at 20 and 24, …, name at 46.
  for (size_t at = archive.find("PK\1\2"); at != std::string::npos; at = archive.find("PK\1\2", at + 1)) {
    uint16_t length;
    std::memcpy(&length, &archive[at + 28], sizeof(length));
    const std::string name = archive.substr(at + 46, length);
    if (name.size() < record.size() || name.substr(name.size() - record.size()) != record) continue;
    put(at + 10, 8, 2);
    put(at + 24, 0xfffffff0, 4);
    return archive;
  }
  throw std::invalid_argument("no record " + record);
}

}  // namespace retort::test
