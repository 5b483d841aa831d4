#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace retort {

/// The weights of a frozen network's convolutions as frozen_conv3x3 takes them, packed when they are first used and
/// again when they have changed. That is found by a checksum, which reads them once: LibTorch's counters miss what is
/// written by its fused optimizers and through pointers.
class PackedWeights {
 public:
  /// While it lives, fused convolutions that its thread starts keep their packed weights there.
  class Use {
   public:
    explicit Use(PackedWeights& weights) : previous_(current_) { current_ = &weights; }
    ~Use() { current_ = previous_; }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    PackedWeights* previous_;
  };

  /// Those of the calling thread's innermost Use; null without one.
  static PackedWeights* current() { return current_; }

  /// @param weight [filters, channels, 3, 3] in float32 on the CPU
  at::Tensor of(const at::Tensor& weight);

 private:
  struct Entry {
    // Holds the weight, so that no other tensor takes its place in memory.
    at::Tensor weight;
    uint64_t checksum;
    at::Tensor packed;
  };

  /// Those of weights that nobody else holds any more, e.g. that a program computes whenever it runs.
  void drop_unused();

  static thread_local PackedWeights* current_;

  std::mutex mutex_;
  std::unordered_map<const at::TensorImpl*, Entry> entries_;
};

}  // namespace retort
