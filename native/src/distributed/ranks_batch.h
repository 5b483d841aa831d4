#pragma once

#include <retort/distributed/whole_batch.h>

#include <cstdint>
#include <vector>

#include "distributed/group.h"

namespace retort {

/// The batch of the ranks of a group.
class RanksBatch final : public WholeBatch {
 public:
  explicit RanksBatch(Group& group) : group_(group) {}

  /// @param samples of each rank
  void begin(std::vector<int64_t> samples);

  int64_t samples() const override;
  int64_t first() const override;
  bool is_first_rank() const override;
  at::Tensor sum(const at::Tensor& own) const override;
  at::Tensor gather(const at::Tensor& own) const override;
  at::Tensor of_first(const at::Tensor& own) const override;

 private:
  Group& group_;
  std::vector<int64_t> samples_;
};

}  // namespace retort
