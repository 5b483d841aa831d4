#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "distributed/group.h"

namespace retort {

/// Sums gradients over all ranks. They are collected in buckets, of which each is sent as soon as a backward pass has
/// filled it and the one before it has arrived.
class GradientSums {
 public:
  /// @param parameters of which gradients are summed, the same on all ranks; on one device
  GradientSums(Group& group, std::vector<at::Tensor> parameters, int64_t bucket_bytes);
  ~GradientSums();
  GradientSums(const GradientSums&) = delete;
  GradientSums& operator=(const GradientSums&) = delete;

  /// Sends gradients that backward passes compute from now on.
  void begin();
  /// Sends what is left.
  /// @param gradients that the backward pass returned, undefined where there is none
  void send(const std::vector<at::Tensor>& gradients);
  /// Waits for the sums; they are overwritten by the next begin().
  std::vector<at::Tensor> wait();
  /// Takes over the order in which rank 0 has computed its first gradients, when no rank can fail any more.
  void commit() noexcept;
  /// Ends what begin() has begun.
  void stop() noexcept;

 private:
  /// Registered with the parameters, which may outlive the sums.
  struct Hooks;
  struct Bucket {
    at::Tensor memory;
    std::vector<size_t> members;
    size_t missing = 0;
    Group::Exchange exchange;
  };
  /// Where a parameter's gradient lies.
  struct Slot {
    size_t bucket;
    at::Tensor view;
    bool is_filled;
  };

  /// Buckets, and the place of each parameter in them.
  struct Layout {
    std::vector<Bucket> buckets;
    std::vector<Slot> slots;
  };

  /// @param order of the parameters in the buckets
  Layout laid_out(const std::vector<int64_t>& order) const;
  /// By rank 0's order of the first backward pass.
  Layout in_order_of_first() const;
  void fill(size_t parameter, const at::Tensor& gradient);
  void send_full();

  Group& group_;
  const std::vector<at::Tensor> parameters_;
  const int64_t bucket_bytes_;
  std::vector<Bucket> buckets_;
  std::vector<Slot> slots_;
  /// What commit() takes over.
  std::optional<Layout> ordered_;
  /// The next to be sent.
  size_t next_ = 0;
  /// In which gradients were computed, in the first step.
  std::vector<int64_t> arrived_;
  bool has_order_ = false;
  std::shared_ptr<Hooks> hooks_;
};

}  // namespace retort
