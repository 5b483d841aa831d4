#pragma once

#include <functional>

namespace retort {

class Group;

/// While it lives, BatchNorms in training mode that its thread runs normalise by the samples of all ranks, and so do
/// their backward passes, whenever and wherever they run. All ranks must run the same ones in the same order, on
/// batches of any size.
///
/// It is aten::batch_norm that does so, which modules, TorchScript and exported programs call; nothing changes for
/// other threads. TorchScript runs as it is written, since its optimizer calls parts of aten::batch_norm in its place.
class BatchNormOfAllRanks {
 public:
  /// @param group of nothing else; must outlive the backward passes. Null for nothing to happen.
  explicit BatchNormOfAllRanks(Group* group);
  ~BatchNormOfAllRanks();
  BatchNormOfAllRanks(const BatchNormOfAllRanks&) = delete;
  BatchNormOfAllRanks& operator=(const BatchNormOfAllRanks&) = delete;

  /// Calls `work`. The RankError of a forward pass comes out of it even if TorchScript has made another error of it.
  void run(const std::function<void()>& work) const;

 private:
  Group* const before_;
  const bool optimized_before_;
};

}  // namespace retort
