#pragma once

#include <retort/train/training_step.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "train/teacher.h"
#include "train/teacher_choice.h"

namespace retort {

/// What teachers say of a batch.
struct Taught {
  /// At the teachers' places; undefined for those that were not asked.
  std::vector<NetworkOutput> outputs;
  /// The means of logits, in the order in which they were asked for.
  std::vector<at::Tensor> blends;
};

/// All teachers of a step, of which a stage uses some.
class Teachers {
 public:
  /// @param options with at least one teacher, each with all its own options; networks have been probed
  /// @param stages of the step
  /// @param student dtype and device of the outputs
  Teachers(const TrainingStepOptions& options, const std::vector<const Stage*>& stages, at::TensorOptions student);

  size_t size() const { return all_.size(); }
  Teacher& operator[](size_t place) { return *all_[place]; }
  const Teacher& operator[](size_t place) const { return *all_[place]; }

  // For the teachers at places that a stage uses:
  /// Requires what Teacher::check does, and outputs of no more teachers than there are.
  void check(const Batch& batch, const std::vector<size_t>& used) const;
  /// Begins a step.
  void begin(const Batch& batch, const std::vector<size_t>& used, Transaction& transaction);
  /// Their outputs, and means of their logits.
  Taught teach(
      const Batch& batch, const std::vector<size_t>& used, const std::vector<Blend>& blends, Transaction& transaction);
  /// Whether a teacher has new outputs to be cached.
  bool has_new_outputs(const std::vector<size_t>& used) const;
  /// Caches them, for good.
  void cache_outputs(const std::vector<size_t>& used);
  /// Whether all have decided on a format.
  bool have_formats(const std::vector<size_t>& used);

  /// Whether outputs of any teacher come with the batch.
  static bool are_given(const Batch& batch);

 private:
  std::vector<std::unique_ptr<Teacher>> all_;
};

}  // namespace retort
