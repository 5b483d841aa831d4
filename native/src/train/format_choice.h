#pragma once

#include <c10/core/MemoryFormat.h>
#include <retort/train/training_step.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

namespace retort {

/// The memory format of a network's inputs; if it is to be chosen, the one that took less time in the first batches,
/// which take turns.
class FormatChoice {
 public:
  explicit FormatChoice(MemoryFormat wanted) : chosen_(wanted) {}

  /// The format of the next batch.
  MemoryFormat next() const { return is_open() ? kCandidates[batches_ % kCandidates.size()] : chosen_; }

  /// Notes what a batch in the format next() took.
  void note(int64_t nanoseconds) {
    if (!is_open()) return;
    int64_t& best = best_[batches_ % kCandidates.size()];
    // The first batch of each format prepares what the others use again.
    if (batches_ >= kCandidates.size()) best = std::min(best, nanoseconds);
    if (++batches_ == kTurns * kCandidates.size()) chosen_ = best_[0] <= best_[1] ? kCandidates[0] : kCandidates[1];
  }

  /// kAuto as long as nothing is decided.
  MemoryFormat chosen() const { return chosen_; }
  /// Takes over what another step has chosen.
  void restore(MemoryFormat chosen) { *this = FormatChoice(chosen); }

 private:
  static constexpr std::array<MemoryFormat, 2> kCandidates = {MemoryFormat::kContiguous, MemoryFormat::kChannelsLast};
  static constexpr size_t kTurns = 4;

  bool is_open() const { return chosen_ == MemoryFormat::kAuto; }

  MemoryFormat chosen_;
  size_t batches_ = 0;
  std::array<int64_t, 2> best_ = {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max()};
};

/// What MemoryFormat::kDefault stands for, for images of a rank without the batch.
inline MemoryFormat default_format(const c10::Device& device, Precision precision, size_t rank) {
  const bool is_fast = device.is_cpu() || precision != Precision::kFull;
  return is_fast && rank == 3 ? MemoryFormat::kChannelsLast : MemoryFormat::kContiguous;
}

inline at::MemoryFormat to_aten(MemoryFormat format) {
  return format == MemoryFormat::kChannelsLast ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
}

}  // namespace retort
