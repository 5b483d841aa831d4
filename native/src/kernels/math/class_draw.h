#pragma once

#include "runtime/random.h"

namespace retort::math {

/// CRD's rows by class: `order` has those of a class side by side, from `starts` of the class on.
struct ClassTable {
  const int64_t* order;
  const int64_t* starts;
  const int64_t* classes;
  int64_t rows;
  /// Whether any row of a sample's class may be its positive.
  bool relaxed;
};

/// One sample's candidates.
class ClassDraw {
 public:
  /// @param key decides what the whole batch draws
  /// @param own the sample's row
  RETORT_MATH_METHOD ClassDraw(const ClassTable& table, uint64_t key, int64_t own, int64_t negatives)
      : order_(table.order),
        own_(own),
        relaxed_(table.relaxed),
        first_(table.starts[table.classes[own]]),
        size_(table.starts[table.classes[own] + 1] - first_),
        others_(table.rows - size_),
        distinct_(negatives <= others_),
        key_(random_bits(key, static_cast<uint64_t>(own))),
        shuffle_(key_, others_) {}

  RETORT_MATH_METHOD int64_t positive() const {
    return relaxed_ ? order_[first_ + one_of(random_bits(key_, 0), size_)] : own_;
  }

  /// The k-th, a row of another class; no row comes twice if there are enough of them.
  RETORT_MATH_METHOD int64_t negative(int64_t k) const {
    const int64_t i = distinct_ ? shuffle_[k] : one_of(random_bits(key_, static_cast<uint64_t>(k + 1)), others_);
    return order_[i < first_ ? i : i + size_];
  }

 private:
  const int64_t* order_;
  int64_t own_;
  bool relaxed_;
  /// Where the rows of the sample's class lie.
  int64_t first_;
  int64_t size_;
  int64_t others_;
  bool distinct_;
  uint64_t key_;
  Shuffle shuffle_;
};

}  // namespace retort::math
