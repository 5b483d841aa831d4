#include "io/checksum.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace retort {
namespace {

std::string some_bytes(size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i) bytes.push_back(static_cast<char>(i * i + 7 * i));
  return bytes;
}

TEST(ChecksumTest, IsTheSameEverywhere) {
  EXPECT_EQ(checksum(""), 0x2D06800538D394C2);
  EXPECT_EQ(checksum("Retort"), 0xA66FA510F2582FF2);
  EXPECT_EQ(checksum(some_bytes(1000)), 0x542A9234FF6883C5);
}

TEST(ChecksumTest, ChangesWithEveryByte) {
  for (size_t count : {1, 8, 31, 32, 33, 100}) {
    std::string bytes = some_bytes(count);
    std::set<uint64_t> sums = {checksum(bytes)};
    for (char& byte : bytes) {
      for (int change = 1; change < 256; ++change) {
        byte = static_cast<char>(byte ^ change);
        sums.insert(checksum(bytes));
        byte = static_cast<char>(byte ^ change);
      }
    }
    EXPECT_EQ(sums.size(), 1 + 255 * count) << count;
  }
}

TEST(ChecksumTest, ChangesWithTheNumberOfBytes) {
  std::set<uint64_t> sums;
  for (size_t count = 0; count < 1000; ++count) sums.insert(checksum(std::string(count, '\0')));
  EXPECT_EQ(sums.size(), 1000u);
  EXPECT_EQ(sums.count(0), 0u);
}

TEST(ChecksumTest, ChangesWithTheOrder) {
  const std::string bytes = some_bytes(256);
  EXPECT_NE(checksum(bytes.substr(32, 32) + bytes.substr(0, 32)), checksum(bytes.substr(0, 64)));
  EXPECT_NE(checksum(bytes.substr(8, 8) + bytes.substr(0, 8)), checksum(bytes.substr(0, 16)));
}

TEST(ChecksumTest, GoesOnFromTheChecksumOfOtherBytes) {
  EXPECT_NE(checksum("b", checksum("a")), checksum("b"));
  EXPECT_NE(checksum("b", checksum("a")), checksum("a", checksum("b")));
}

}  // namespace
}  // namespace retort
