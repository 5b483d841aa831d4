#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

namespace retort {

/// Gradients of the trained parameters, undefined where the loss does not depend on one.
using Gradients = std::vector<at::Tensor>;

/// The norm of all gradients together.
/// @param names of the parameters
/// @throws NonFiniteError if an element is not finite
double checked_norm(const Gradients& gradients, const std::vector<std::string>& names);

/// The gradients limited as torch.nn.utils.clip_grad_value_ and then clip_grad_norm_ limit them; 0 for no limit. The
/// given ones stay as they are: autograd may hand out the same memory twice.
/// @param norm of the gradients as given
Gradients clip(Gradients gradients, double norm, double clip_value, double clip_norm);

// The same where the gradients are, which nobody waits for.

/// The norm of each gradient, float64 [gradients]; 0 where there is none.
/// @param like on whose device
at::Tensor norms_on_device(const Gradients& gradients, const at::TensorOptions& like);

/// checked_norm() of what norms_on_device() found.
double checked_norm_of(const std::vector<double>& norms, const std::vector<std::string>& names);

/// clip() of gradients with norms_on_device().
Gradients clip_on_device(Gradients gradients, const at::Tensor& norms, double clip_value, double clip_norm);

/// All gradients times a float64 scalar on their device.
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
