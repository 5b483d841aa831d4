#pragma once

#include <retort/export.h>

#include <iosfwd>
#include <memory>
#include <string>

namespace retort {

/// A copy of everything that a training step changes, which can be written while the next steps run. Created by
/// TrainingStep::checkpoint. It uses as much CPU memory as the file takes on disk. Thread-safe.
class RETORT_API StepCheckpoint {
 public:
  ~StepCheckpoint();
  StepCheckpoint(const StepCheckpoint&) = delete;
  StepCheckpoint& operator=(const StepCheckpoint&) = delete;

  /// Writes the checkpoint, as TrainingStep::save would have done when it was created.
  /// @throws FileError if the file can't be written
  void write(const std::string& path) const;
  /// Writes the same content to a stream.
  /// @throws FileError if the stream fails
  void write(std::ostream& stream) const;

  /// Writes the student's state dict, as Network::save_state_dict would have done when the checkpoint was created.
  /// @throws FileError if the file can't be written
  void write_student(const std::string& path) const;
  /// Writes the same content to a stream.
  /// @throws FileError if the stream fails
  void write_student(std::ostream& stream) const;

 private:
  friend class TrainingStep;
  struct Impl;
  explicit StepCheckpoint(std::shared_ptr<const Impl> impl);

  std::shared_ptr<const Impl> impl_;
};

}  // namespace retort
