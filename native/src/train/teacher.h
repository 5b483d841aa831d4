#pragma once

#include <retort/models/network.h>
#include <retort/train/training_step.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/module_mode.h"
#include "models/preprocessor.h"
#include "train/format_choice.h"
#include "train/participants.h"
#include "train/stored_teacher.h"
#include "train/teacher_cache.h"

namespace retort {

/// A teacher's outputs for batches: computed, given with the batch, cached or stored. Constants, in the student's
/// dtype.
class Teacher {
 public:
  /// @param options of which the network has been probed, or is null, and the preprocessing is complete
  /// @param batches what images of batches are
  /// @param taps the teacher's taps that terms use
  /// @param student dtype and device of the outputs
  Teacher(
      const TeacherOptions& options, const Preprocessing& batches, std::vector<std::string> taps,
      at::TensorOptions student);

  const std::vector<std::string>& taps() const { return taps_; }

  /// Requires outputs that fit, if they are given, and else what is needed to compute them.
  /// @param given the outputs that come with the batch, if any
  void check(const Batch& batch, const NetworkOutput& given) const;

  /// Begins a step: the network joins the transaction if it will run for the batch.
  void begin(const NetworkOutput& given, Transaction& transaction);
  /// Logits and the features of taps(), not to be changed. With a cache it is known only now whether the network runs,
  /// and so joins the transaction.
  NetworkOutput outputs(const Batch& batch, const NetworkOutput& given, Transaction& transaction);
  /// Whether the network has joined the transaction of the step that was begun last.
  bool has_joined() const { return has_joined_; }

  /// Whether there are new outputs to be cached.
  bool has_new_outputs() const { return !fresh_.empty(); }
  /// Caches them, for good: the step must not fail any more.
  /// @throws FileError if the file of the cache cannot be written
  void cache_outputs();

  /// Lets the choice of a format learn what the last outputs() took, when the step has succeeded.
  void note_time(int64_t nanoseconds);
  /// What the last outputs() took on the CPU.
  int64_t nanoseconds() const { return nanoseconds_; }

  FormatChoice& format() { return format_; }
  const FormatChoice& format() const { return format_; }

 private:
  void join(Transaction& transaction);
  NetworkOutput outputs_of(const at::Tensor& prepared);
  NetworkOutput computed(const at::Tensor& images, Transaction& transaction);
  NetworkOutput cached(const Batch& batch, Transaction& transaction);

  /// For error messages.
  std::string role_;
  std::shared_ptr<Network> network_;
  /// The same, if its outputs are stored; else null.
  const StoredTeacher* stored_ = nullptr;
  Preprocessor images_;
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

  std::optional<NetworkParticipant> participant_;

  // Of the step that has begun:
  bool has_joined_ = false;
  bool ran_ = false;
  int64_t nanoseconds_ = 0;
  at::Tensor fresh_indices_;
  std::vector<at::Tensor> fresh_;
};

}  // namespace retort
