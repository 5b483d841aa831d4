#pragma once

namespace retort {

class Group;

/// While it lives, BatchNorms in training mode that its thread runs normalise by the samples of all ranks, and so do
/// their backward passes, whenever they run. All ranks must run the same ones in the same order.
class BatchNormOfAllRanks {
 public:
  /// @param group of nothing else; must outlive the backward passes. Null for nothing to happen.
  explicit BatchNormOfAllRanks(Group* group);
  ~BatchNormOfAllRanks();
  BatchNormOfAllRanks(const BatchNormOfAllRanks&) = delete;
  BatchNormOfAllRanks& operator=(const BatchNormOfAllRanks&) = delete;

 private:
  Group* const before_;
};

}  // namespace retort
