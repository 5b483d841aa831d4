#pragma once

#include <stdint.h>

#include "runtime/portable.h"

namespace retort {

/// Random bits, the i-th of the stream `key`: splitmix64, so that every device draws the same, in any order.
RETORT_MATH uint64_t random_bits(uint64_t key, uint64_t i) {
  uint64_t bits = key + (i + 1) * 0x9e3779b97f4a7c15u;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
  return bits ^ (bits >> 31);
}

/// A number from 0 up to 1 without it, from random bits: a multiple of 2^-53.
RETORT_MATH double share_of(uint64_t bits) {
  return static_cast<double>(bits >> 11) * (1.0 / 9007199254740992.0);
}

/// One of 0 ... count - 1, from random bits. Uniform for counts up to 2^53.
RETORT_MATH int64_t one_of(uint64_t bits, int64_t count) {
  const int64_t drawn = static_cast<int64_t>(share_of(bits) * static_cast<double>(count));
  return drawn < count ? drawn : count - 1;
}

/// One of the rows 0 ... rows - 1 other than `own`, from random bits.
RETORT_MATH int64_t other_row(uint64_t bits, int64_t own, int64_t rows) {
  const int64_t row = one_of(bits, rows - 1);
  return row < own ? row : row + 1;
}

/// A random order of 0 ... count - 1, of which any place can be asked for by itself: a Feistel network permutes the
/// numbers of as many bits, and is applied again to those that are too large, at most twice on average for all but
/// small counts.
class Shuffle {
 public:
  RETORT_MATH_METHOD Shuffle(uint64_t key, int64_t count) : count_(static_cast<uint64_t>(count)) {
    int bits = kFewestBits;
    while (bits < 62 && (uint64_t{1} << bits) < count_) ++bits;
    low_bits_ = bits / 2;
    high_bits_ = bits - low_bits_;
    for (int round = 0; round < kRounds; ++round) keys_[round] = random_bits(key, static_cast<uint64_t>(round)) | 1;
  }

  RETORT_MATH_METHOD int64_t operator[](int64_t place) const {
    uint64_t number = static_cast<uint64_t>(place);
    do {
      number = permuted(number);
    } while (number >= count_);
    return static_cast<int64_t>(number);
  }

 private:
  /// With four, pairs of neighbours are not equally likely.
  static constexpr int kRounds = 6;
  /// The orders of the numbers of fewer bits are not equally likely after these rounds.
  static constexpr int kFewestBits = 10;

  /// Rounds in turn change the low bits by the high ones and the high bits by the low ones.
  RETORT_MATH_METHOD uint64_t permuted(uint64_t number) const {
    uint64_t low = number & ((uint64_t{1} << low_bits_) - 1);
    uint64_t high = number >> low_bits_;
    low ^= mixed(high, keys_[0], low_bits_);
    high ^= mixed(low, keys_[1], high_bits_);
    low ^= mixed(high, keys_[2], low_bits_);
    high ^= mixed(low, keys_[3], high_bits_);
    low ^= mixed(high, keys_[4], low_bits_);
    high ^= mixed(low, keys_[5], high_bits_);
    return high << low_bits_ | low;
  }

  RETORT_MATH_METHOD static uint64_t mixed(uint64_t number, uint64_t key, int bits) {
    return ((number + key) * key) >> (64 - bits);
  }

  uint64_t count_;
  uint64_t keys_[kRounds];
  int low_bits_;
  int high_bits_;
};

}  // namespace retort
