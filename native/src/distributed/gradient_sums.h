#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
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

  /// In an order that is always the same: that of the elements in a bucket decides how their sums are rounded, and a
  /// training that is resumed must round as before.
  void lay_out();
  void fill(size_t parameter, const at::Tensor& gradient);
  void send_full();

  Group& group_;
  const std::vector<at::Tensor> parameters_;
  const int64_t bucket_bytes_;
  std::vector<Bucket> buckets_;
  std::vector<Slot> slots_;
  /// The next to be sent.
  size_t next_ = 0;
  std::shared_ptr<Hooks> hooks_;
};

}  // namespace retort
