#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>

#include <cstdint>

namespace retort {

/// The batch of all ranks, of which each rank has a part. For criteria that need more of it than the weighted mean of
/// the parts' losses (Criterion::divisor). All ranks must make the same calls in the same order.
class RETORT_API WholeBatch {
 public:
  virtual ~WholeBatch();

  /// Returns the number of samples on all ranks.
  virtual int64_t samples() const = 0;
  /// Returns the number of samples on the ranks before this one.
  virtual int64_t first() const = 0;
  /// Returns whether this rank is the first.
  virtual bool is_first_rank() const = 0;

  // The following return constants: no gradient flows.

  /// Returns the sum of all ranks' tensors, which must have the same shape and dtype.
  /// @throws RankError if a rank is gone or has failed
  virtual at::Tensor sum(const at::Tensor& own) const = 0;
  /// Returns the rows of all ranks, [samples(), ...], in the order of the ranks.
  /// @param own one row for each sample of this rank
  /// @throws RankError if a rank is gone or has failed
  virtual at::Tensor gather(const at::Tensor& own) const = 0;
  /// Returns the tensor of the first rank.
  /// @param own of the same shape and dtype on all ranks; only that of the first is used
  /// @throws RankError if a rank is gone or has failed
  virtual at::Tensor of_first(const at::Tensor& own) const = 0;
};

}  // namespace retort
