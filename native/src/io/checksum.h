#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace retort {

/// A 64-bit checksum. Bytes of the same number that differ in one place, or within eight bytes at a multiple of eight,
/// have different checksums for certain, any others in all likelihood; nothing is promised against forgery.
/// @param seed continues the checksum of other bytes
inline uint64_t checksum(std::string_view bytes, uint64_t seed = 0) {
  // The rounds and primes of XXH64, each of which is a bijection of either argument while the other stays. XXH64's end
  // is not, so this one folds its lanes by rounds, too.
  constexpr uint64_t kFirst = 0x9E3779B185EBCA87, kSecond = 0xC2B2AE3D27D4EB4F;
  const auto round = [](uint64_t sum, uint64_t word) {
    sum += word * kSecond;
    return (sum << 31 | sum >> 33) * kFirst;
  };
  std::array<uint64_t, 4> lanes = {kFirst, kSecond, ~kFirst, ~kSecond};
  const auto add = [&](const char* block) {
    std::array<uint64_t, 4> words;
    std::memcpy(words.data(), block, sizeof words);
    for (size_t i = 0; i < lanes.size(); ++i) lanes[i] = round(lanes[i], words[i]);
  };
  uint64_t sum = round(seed, bytes.size());
  for (; bytes.size() >= sizeof lanes; bytes.remove_prefix(sizeof lanes)) add(bytes.data());
  if (!bytes.empty()) {
    std::array<char, sizeof lanes> end{};
    bytes.copy(end.data(), end.size());
    add(end.data());
  }
  for (uint64_t lane : lanes) sum = round(sum, lane);
  return sum;
}

}  // namespace retort
