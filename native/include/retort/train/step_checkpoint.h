#pragma once

#include <retort/export.h>

#include <iosfwd>
#include <memory>
#include <string>

namespace retort {

/// A copy of everything that a training step changes, as TrainingStep::checkpoint takes it, to be written while the
/// next steps run. It takes as much of the CPU's memory as the file. Safe under threads.
class RETORT_API StepCheckpoint {
 public:
  ~StepCheckpoint();
  StepCheckpoint(const StepCheckpoint&) = delete;
  StepCheckpoint& operator=(const StepCheckpoint&) = delete;

  /// Writes the file that TrainingStep::save would have written when the copy was taken.
  /// @throws FileError if the file cannot be written
  void write(const std::string& path) const;
  /// The same to a stream.
  /// @throws FileError if the stream fails
  void write(std::ostream& stream) const;

  /// Writes the file that Network::save_state_dict of the student would have written.
  /// @throws FileError if the file cannot be written
  void write_student(const std::string& path) const;
  /// The same to a stream.
  /// @throws FileError if the stream fails
  void write_student(std::ostream& stream) const;

 private:
  friend class TrainingStep;
  struct Impl;
  explicit StepCheckpoint(std::shared_ptr<const Impl> impl);

  std::shared_ptr<const Impl> impl_;
};

}  // namespace retort
