#include <retort/train/training_step.h>

#include "distributed/store.h"
#include "io/stream.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"
#include "train/class_name.h"
#include "train/step.h"

namespace retort {
namespace {

constexpr const char* kSave = "TrainingStep.save";
constexpr const char* kLoad = "TrainingStep.load";

}  // namespace

TrainingStep::TrainingStep(TrainingStepOptions options) {
  static CallSite site;
  const RunningCall running(site);
  // Of one process there are no ranks.
  if (options.ranks && options.ranks->size() == 1) options.ranks = nullptr;
  const PlaceAmongRanks place(options.ranks);
  try {
    impl_ = std::make_shared<Impl>(std::move(options), place);
  } catch (const std::exception& error) {
    place.refuse(message_of(error));
    throw;
  }
  const TrainingStepOptions& built = impl_->options;
  built.student->set_preprocessing(built.preprocessing);
  for (const TeacherOptions& teacher : built.teachers) {
    if (!teacher.network) continue;
    Preprocessing kept = teacher.preprocessing;
    // The order of dimensions is that of the images that it is given elsewhere.
    const Preprocessing own = teacher.network->preprocessing();
    if (!own.is_identity()) kept.channels_last = own.channels_last;
    if (kept != own) teacher.network->set_preprocessing(kept);
  }
}

TrainingStep::~TrainingStep() {
  static CallSite site;
  const FinalCall call(site);
  if (!call.has_begun()) {
    // LibTorch is being destroyed: what is kept for ever needs nothing of it.
    new std::shared_ptr<Impl>(std::move(impl_));
    return;
  }
  try {
    // The device works with what the step is made of, and a failed step has to be rolled back.
    impl_->lock_settled(/*reads_networks=*/false);
  } catch (const std::exception&) {
    // A device that is lost, of which the next call tells.
  }
  impl_.reset();
}

void TrainingStep::run(const Batch& batch, StepResult& result) {
  static CallSite site;
  const RunningCall running(site);
  impl_->run(batch, result);
}

bool TrainingStep::finish(StepResult& result) {
  static CallSite site;
  const RunningCall running(site);
  return impl_->finish(result);
}

void TrainingStep::fail(const std::string& reason) {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = impl_->lock_settled(/*reads_networks=*/false);
  if (!impl_->ranks) return;
  // In the place of the call that this rank does not make.
  impl_->ranks->enter();
  impl_->ranks->fail(std::make_exception_ptr(c10::ValueError(reason, nullptr)));
}

std::string TrainingStep::graph_obstacle() const {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = impl_->lock_settled(/*reads_networks=*/false);
  return impl_->graph.obstacle();
}

void TrainingStep::publish() {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = impl_->lock_settled();
  NetworkState::of(*impl_->options.student).publish();
}

void TrainingStep::save(const std::string& path, const std::string& note) {
  static CallSite site;
  const RunningCall running(site);
  const Checkpoint checkpoint = impl_->copy_state(kSave, note);
  if (impl_->is_first_rank()) write_checkpoint(kSave, checkpoint, path);
}

void TrainingStep::save(std::ostream& stream, const std::string& note) {
  const auto pack = [&] {
    static CallSite site;
    const RunningCall running(site);
    return packed(impl_->copy_state(kSave, note));
  };
  const std::string bytes = pack();
  if (impl_->is_first_rank()) write_stream(kSave, stream, bytes);
}

std::string TrainingStep::load(const std::string& path) {
  static CallSite site;
  const RunningCall running(site);
  return impl_->load([&] { return read_checkpoint(kLoad, path); }, path);
}

std::string TrainingStep::load(std::istream& stream, const std::string& name) {
  std::string bytes;
  std::exception_ptr error;
  try {
    if (impl_->is_first_rank()) bytes = read_stream(kLoad, stream, name);
  } catch (...) {
    // Other ranks wait for it.
    error = std::current_exception();
  }
  static CallSite site;
  const RunningCall running(site);
  const auto parse = [&] {
    if (error) std::rethrow_exception(error);
    return parse_checkpoint(kLoad, bytes, name);
  };
  return impl_->load(parse, name);
}

const std::vector<int64_t>& TrainingStep::input_shape() const {
  return impl_->options.input_shape;
}

int64_t TrainingStep::steps() const {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = impl_->lock_settled(/*reads_networks=*/false);
  return impl_->progress.steps;
}

int64_t TrainingStep::stage() const {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = impl_->lock_settled(/*reads_networks=*/false);
  return impl_->progress.stage;
}

double TrainingStep::learning_rate() const {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = impl_->lock_settled(/*reads_networks=*/false);
  return impl_->learning_rate();
}

int64_t TrainingStep::term_count() const {
  return static_cast<int64_t>(impl_->criteria.size());
}

std::shared_ptr<Criterion> TrainingStep::criterion(int64_t term) const {
  RETORT_CHECK(
      term >= 0 && term < term_count(), kTrainingStep, ": term must be between 0 and ", term_count() - 1, " (got ",
      term, ")");
  return impl_->criteria[static_cast<size_t>(term)];
}

const std::vector<std::string>& TrainingStep::teacher_taps(const std::string& teacher) const {
  return impl_->teachers[place_of_teacher(impl_->options.teachers, teacher, "teacher")].taps();
}

torch::OrderedDict<std::string, at::Tensor> TrainingStep::state() const {
  static CallSite site;
  const RunningCall running(site);
  const auto lock = impl_->lock_settled();
  return impl_->state(impl_->progress.stage);
}

}  // namespace retort
