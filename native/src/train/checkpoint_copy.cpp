// StepCheckpoint: what a checkpoint holds, to be written while steps run.
#include <utility>

#include "io/checkpoint_file.h"
#include "io/state_dict_file.h"
#include "io/stream.h"
#include "io/whole_file.h"
#include "models/preprocessing_text.h"
#include "runtime/exit_gate.h"
#include "train/step.h"

namespace retort {
namespace {

constexpr const char* kWrite = "StepCheckpoint.write";
constexpr const char* kWriteStudent = "StepCheckpoint.write_student";
const std::string kStudentPrefix = "student.";

}  // namespace

struct StepCheckpoint::Impl {
  Checkpoint checkpoint;
  Preprocessing preprocessing;

  /// The student's state dict as the bytes of its file.
  std::string packed_student() const {
    torch::OrderedDict<std::string, at::Tensor> student;
    for (const auto& entry : checkpoint.tensors) {
      if (entry.key().compare(0, kStudentPrefix.size(), kStudentPrefix) != 0) continue;
      student.insert(entry.key().substr(kStudentPrefix.size()), entry.value());
    }
    std::string bytes;
    append_archive(student, bytes, {{kPreprocessingRecord, packed(preprocessing)}});
    return bytes;
  }
};

StepCheckpoint::StepCheckpoint(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

StepCheckpoint::~StepCheckpoint() {
  static CallSite site;
  const FinalCall call(site);
  // Else LibTorch is being destroyed: what is kept for ever needs nothing of it.
  if (!call.has_begun()) new std::shared_ptr<const Impl>(std::move(impl_));
  impl_.reset();
}

void StepCheckpoint::write(const std::string& path) const {
  static CallSite site;
  const RunningCall running(site);
  write_checkpoint(kWrite, impl_->checkpoint, path);
}

void StepCheckpoint::write(std::ostream& stream) const {
  const auto pack = [&] {
    static CallSite site;
    const RunningCall running(site);
    return packed(impl_->checkpoint);
  };
  write_stream(kWrite, stream, pack());
}

void StepCheckpoint::write_student(const std::string& path) const {
  static CallSite site;
  const RunningCall running(site);
  write_whole_file(kWriteStudent, path, impl_->packed_student());
}

void StepCheckpoint::write_student(std::ostream& stream) const {
  const auto pack = [&] {
    static CallSite site;
    const RunningCall running(site);
    return impl_->packed_student();
  };
  write_stream(kWriteStudent, stream, pack());
}

StepCheckpoint TrainingStep::checkpoint(const std::string& note) {
  static CallSite site;
  const RunningCall running(site);
  Checkpoint copy = impl_->copy_state("TrainingStep.checkpoint", note);
  return StepCheckpoint(std::make_shared<StepCheckpoint::Impl>(
      StepCheckpoint::Impl{std::move(copy), impl_->options.student->preprocessing()}));
}

}  // namespace retort
