#pragma once

#include <cstdint>

namespace retort {

/// The power of two that the loss is multiplied by before the backward pass, and the gradients are divided by after it,
/// so that float16 holds small gradients, too. Moves as torch.amp.GradScaler's does by default: halved when a gradient
/// overflows, in which case the batch is skipped, and doubled after 2,000 batches without that.
class LossScale {
 public:
  explicit LossScale(bool is_used) : is_used_(is_used) {}

  bool is_used() const { return is_used_; }
  int64_t factor() const { return is_used_ ? factor_ : 1; }
  int64_t good_batches() const { return good_batches_; }

  /// Whether a gradient that is not finite may be one by this factor alone.
  bool may_overflow() const { return factor() > 1; }

  void note_finite() {
    if (!is_used_ || ++good_batches_ < kInterval) return;
    good_batches_ = 0;
    if (factor_ < kLargest) factor_ *= 2;
  }

  void note_overflow() {
    factor_ /= 2;
    good_batches_ = 0;
  }

  void restore(int64_t factor, int64_t good_batches) {
    factor_ = factor;
    good_batches_ = good_batches;
  }

  /// Whether numbers are ones that could have come about.
  static bool is_possible(int64_t factor, int64_t good_batches) {
    const bool is_power_of_two = factor >= 1 && factor <= kLargest && (factor & (factor - 1)) == 0;
    return is_power_of_two && good_batches >= 0 && good_batches < kInterval;
  }

  static constexpr int64_t kInterval = 2000;

 private:
  static constexpr int64_t kLargest = int64_t{1} << 40;

  bool is_used_;
  int64_t factor_ = 65536;
  int64_t good_batches_ = 0;
};

}  // namespace retort
