#pragma once

#include <ATen/core/Tensor.h>
#include <retort/train/training_step.h>
#include <torch/ordered_dict.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distributed/buffer_means.h"
#include "distributed/gradient_sums.h"
#include "distributed/group.h"
#include "distributed/ranks_batch.h"
#include "train/bound_stage.h"
#include "train/gradients.h"
#include "train/numbers.h"

namespace retort {

/// The place of a step among those that ranks build, which has to be taken even if the step can't be built.
class PlaceAmongRanks {
 public:
  /// @param ranks null if there is one process
  explicit PlaceAmongRanks(const std::shared_ptr<Ranks>& ranks);

  const std::shared_ptr<Ranks>& ranks() const { return ranks_; }
  /// For the names of what ranks tell each other.
  std::string name() const;
  /// Tells the others that the step can't be built.
  void refuse(const std::string& reason) const noexcept;

 private:
  std::shared_ptr<Ranks> ranks_;
  int64_t number_ = 0;
};

/// What the acts of a step exchange with those on other ranks.
///
/// All exchanges begin with one of the same size, by which the ranks find out whether they are at the same place: other
/// sizes on other ranks would end the process.
class StepRanks {
 public:
  /// What ranks do together.
  enum class Call : int64_t { kRun, kSave, kLoad };

  /// What one of them is about to do.
  struct Part {
    Call call;
    /// Places in the training, which must be the same on all.
    int64_t steps;
    int64_t stage;
    int64_t accumulated;
    int64_t samples = 0;
    int64_t labeled = 0;
    /// Of the stage's losses, see Criterion::divisor; 0 for one that does not apply.
    std::vector<std::optional<double>> divisors = {};
    /// Of the parameters, if it is time to compare them; else 0.
    uint64_t checksum = 0;
  };

  /// Agrees with the other ranks on what is trained.
  /// @param options of the step, with ranks
  /// @param descriptions of everything that must be the same on all ranks
  StepRanks(
      const PlaceAmongRanks& place, const TrainingStepOptions& options, const std::vector<std::string>& descriptions,
      const std::vector<BoundStage>& stages);

  int64_t rank() const { return group_.rank(); }
  int64_t size() const { return group_.size(); }

  /// Gives all ranks the tensors of rank 0, which have the same shapes on all.
  void share(const torch::OrderedDict<std::string, at::Tensor>& tensors);
  std::string of_first(const std::string& text) { return group_.send_of_first(text); }
  /// The tensors of all ranks, of the same shape, [ranks, ...].
  at::Tensor gather(const at::Tensor& own) { return group_.gather(own); }
  /// For BatchNorms; null if they are not shared.
  Group* batch_norm() const { return batch_norm_.get(); }

  /// Begins a call, which may fail before the ranks meet().
  void enter() noexcept;
  /// Begins what all ranks do together.
  /// @throws RankError if they don't
  void meet(const Part& part);
  /// Tells the others that the call has failed on this rank.
  /// @return the error that it ends with: a NonFiniteError if that is why it has failed on another rank
  std::exception_ptr fail(const std::exception_ptr& error) noexcept;

  // ---- a step, after meet() -----------------------------------------------------------------------------------------

  /// Whether the batch of all ranks is known.
  bool has_met() const { return has_met_; }
  const WholeBatch& batch() const { return batch_; }
  int64_t labeled() const { return labeled_; }
  /// By what a loss of this rank counts in that of the whole batch.
  double share_of(int64_t loss) const { return shares_[static_cast<size_t>(loss)].own; }
  /// Whether a loss applies to the part of any rank.
  bool applies_anywhere(int64_t loss) const { return shares_[static_cast<size_t>(loss)].is_anywhere; }

  /// Before the networks run.
  /// @param of_networks buffers that they change by their own part of the batch
  /// @param of_criteria the same, be it in forward() or in after_step()
  void begin(std::vector<at::Tensor> of_networks, std::vector<at::Tensor> of_criteria);
  void begin_backward(int64_t stage) { sums_[static_cast<size_t>(stage)]->begin(); }
  /// The sums of gradients, and in place of the numbers those of the whole batch.
  Gradients agree(int64_t stage, const Gradients& gradients, FoundNumbers& found);
  /// After Criterion::after_step.
  void agree_on_criteria();
  /// Waits until nothing can fail any more on any rank.
  void vote() { group_.meet(); }
  /// How long the last step has waited for others.
  int64_t waiting_nanoseconds() const { return group_.waited_nanoseconds() - waited_before_; }

 private:
  struct Share {
    double own;
    bool is_anywhere;
  };

  /// By what this rank's part counts in the batch.
  double own_part() const { return static_cast<double>(own_samples_) / static_cast<double>(batch_.samples()); }
  void agree_on(const PlaceAmongRanks& place, const std::vector<std::string>& descriptions) const;

  std::shared_ptr<Ranks> ranks_;
  Group group_;
  std::unique_ptr<Group> batch_norm_;
  /// Of each stage.
  std::vector<std::unique_ptr<GradientSums>> sums_;
  int64_t most_losses_;
  RanksBatch batch_;
  /// Whether the call under way has come to meet().
  bool has_begun_ = false;
  bool has_met_ = false;
  int64_t own_samples_ = 0;
  int64_t labeled_ = 0;
  std::vector<Share> shares_;
  BufferMeans of_networks_, of_criteria_;
  int64_t waited_before_ = 0;
};

}  // namespace retort
