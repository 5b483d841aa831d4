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

  /// Number of samples of all ranks.
  virtual int64_t samples() const = 0;
  /// Number of samples of the ranks before this one.
  virtual int64_t first() const = 0;
  /// Whether this rank is the first.
  virtual bool is_first_rank() const = 0;

  // Constants: no gradient flows.

  /// The sum of all ranks' tensors, which have the same shape and dtype.
  /// @throws RankError if a rank is gone or has failed
  virtual at::Tensor sum(const at::Tensor& own) const = 0;
  /// The rows [samples(), ...] of all ranks in their order.
  /// @param own as many as this rank has samples
  /// @throws RankError if a rank is gone or has failed
  virtual at::Tensor gather(const at::Tensor& own) const = 0;
  /// The tensor of the first rank.
  /// @param own of the same shape and dtype on all ranks; read on the first
  /// @throws RankError if a rank is gone or has failed
  virtual at::Tensor of_first(const at::Tensor& own) const = 0;
};

}  // namespace retort
