#pragma once

#include <retort/models/network.h>
#include <retort/train/training_step.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/module_mode.h"
#include "train/format_choice.h"
#include "train/images.h"
#include "train/teacher_cache.h"

namespace retort {

/// What the teacher makes of batches: computed, given with the batch or remembered. Constants, in the student's dtype.
class Teacher {
 public:
  /// @param options of which the teacher has been probed, or is null
  /// @param taps the teacher's taps that terms use
  /// @param student dtype and device of the outputs
  Teacher(const TrainingStepOptions& options, std::vector<std::string> taps, at::TensorOptions student);

  const std::vector<std::string>& taps() const { return taps_; }

  /// Requires outputs that fit, if they are given, and else what is needed to compute them.
  void check(const Batch& batch) const;

  /// Remembers what outputs() for the batch may change in the network.
  void snapshot(const Batch& batch);
  /// Logits and the features of taps(), which nobody may change. Followed by commit() and note_time(), or by
  /// rollback().
  NetworkOutput outputs(const Batch& batch, const ImagePreparation& images);

  /// Remembers what was computed, if there is a cache.
  /// @throws CheckpointError if the file of the cache cannot be written
  void commit();
  /// Whether commit() has something to remember.
  bool remembers() const { return !fresh_.empty(); }
  /// Undoes what the last outputs() did to the network.
  void rollback();
  /// Lets the choice of a format learn what the last outputs() took, when the step has succeeded.
  void note_time(int64_t nanoseconds);
  /// What the last outputs() took on the CPU.
  int64_t nanoseconds() const { return nanoseconds_; }

  FormatChoice& format() { return format_; }

 private:
  void take_snapshot();
  NetworkOutput computed(const at::Tensor& images, const ImagePreparation& preparation);
  NetworkOutput remembered(const Batch& batch, const ImagePreparation& preparation);

  std::shared_ptr<Network> network_;
  std::vector<std::string> taps_;
  std::vector<int64_t> tap_indices_;
  std::vector<std::vector<int64_t>> tap_shapes_;
  int64_t classes_ = 0;
  at::TensorOptions student_;
  TeacherBatchNorm batch_norm_;
  Precision precision_;
  std::optional<ModulePlan> plan_;
  std::optional<TeacherCache> cache_;
  at::ScalarType cache_dtype_ = at::kFloat;
  FormatChoice format_;

  bool has_snapshot_ = false;
  int64_t snapshots_ = 0;

  // Of the last outputs():
  bool ran_ = false;
  int64_t nanoseconds_ = 0;
  at::Tensor fresh_indices_;
  std::vector<at::Tensor> fresh_;
};

}  // namespace retort
