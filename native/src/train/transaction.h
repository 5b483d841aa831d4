#pragma once

#include <c10/util/SmallVector.h>

namespace retort {

/// Something that a step changes, and that can be rolled back.
class Participant {
 public:
  virtual ~Participant() = default;
  /// Remembers what there is.
  virtual void save() = 0;
  /// Restores what save() remembered.
  virtual void roll_back() = 0;
};

/// Its participants are rolled back when it ends, the last one first, unless it was committed.
class Transaction {
 public:
  Transaction() = default;
  Transaction(Transaction&& other) noexcept { participants_.swap(other.participants_); }
  Transaction& operator=(Transaction&& other) noexcept {
    roll_back();
    participants_.swap(other.participants_);
    return *this;
  }
  ~Transaction() { roll_back(); }

  /// Saves something that is about to change. It must outlive the transaction.
  void join(Participant& participant);
  /// Leaves everything as it is now.
  void commit() { participants_.clear(); }
  /// Puts everything back and begins again.
  void restart();

 private:
  void roll_back() noexcept;

  /// Null for one whose save() has failed.
  c10::SmallVector<Participant*, 8> participants_;
};

}  // namespace retort
