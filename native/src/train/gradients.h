#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace retort {

/// Gradients of the trained parameters, undefined where the loss does not depend on one.
using Gradients = std::vector<at::Tensor>;

// Nothing here waits for the gradients' device.

/// Writes the norm of each gradient, 0 where there is none; not finite where an element is not.
/// @param norms float64 [gradients], on the gradients' device
void write_norms(const Gradients& gradients, const at::Tensor& norms);

/// The gradients limited as torch.nn.utils.clip_grad_value_ and then clip_grad_norm_ limit them; 0 for no limit. The
/// given ones stay as they are: autograd may hand out the same memory twice.
/// @param norms of the gradients as given, float64 [gradients]
Gradients clip(Gradients gradients, const at::Tensor& norms, double clip_value, double clip_norm);

/// All gradients times a float64 scalar on their device, which is not rounded before it is multiplied.
Gradients times(Gradients gradients, const at::Tensor& factor);

/// Gradients of several batches, summed up.
class Accumulation {
 public:
  /// The sum with one more batch, which is not added yet.
  Gradients plus(const Gradients& gradients) const;
  /// Takes over what plus() returned.
  void keep(Gradients sum);
  /// Begins anew.
  void clear();

  /// Number of batches in the sum.
  int64_t count() const { return count_; }
  const Gradients& sum() const { return sum_; }
  void restore(Gradients sum, int64_t count);

 private:
  Gradients sum_;
  int64_t count_ = 0;
};

}  // namespace retort
