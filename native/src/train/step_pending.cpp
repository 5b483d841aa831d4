// Who holds a step's networks, and steps that are pending since their results are late.
#include <utility>

#include "train/step.h"

namespace retort {

TrainingStep::Impl::Lock::Lock(Impl& step, bool with_networks)
    : Lock(step, std::unique_lock<std::mutex>(step.mutex), with_networks) {}

TrainingStep::Impl::Lock::Lock(Impl& step, std::unique_lock<std::mutex> held, bool with_networks)
    : impl_(step), step_(std::move(held)), student_(step.options.student->mutex(), std::defer_lock) {
  if (!with_networks) return;
  if (step.options.teacher) {
    // Both at once: another step may use the same two the other way round.
    teacher_ = std::unique_lock<std::mutex>(step.options.teacher->mutex(), std::defer_lock);
    std::lock(student_, teacher_);
  } else {
    student_.lock();
  }
  step.order.enter();
}

std::unique_lock<std::mutex> TrainingStep::Impl::Lock::take(const Network& network) {
  return std::move(&network == impl_.options.student.get() ? student_ : teacher_);
}

TrainingStep::Impl::Lock::~Lock() {
  try {
    impl_.order.leave();
  } catch (const std::exception&) {
    // A device that is lost, of which the next call tells.
  }
}

std::unique_ptr<TrainingStep::Impl::Lock> TrainingStep::Impl::settled(bool reads_networks) {
  while (true) {
    // What is pending here can be settled with the networks only.
    auto lock = std::make_unique<Lock>(*this, reads_networks || options.late_results);
    settle();
    if (!reads_networks) return lock;
    std::shared_ptr<PendingOwner> other;
    Network* of = nullptr;
    for (const auto& [name, network] : networks()) {
      if (!other) other = NetworkState::of(*(of = network)).pending();
    }
    if (!other) return lock;
    lock.reset();
    other->settle_pending(*of, /*waits=*/true);
  }
}

std::unique_lock<std::mutex> TrainingStep::Impl::settle_pending(const Network& network, bool waits) {
  std::unique_lock<std::mutex> held(mutex, std::defer_lock);
  if (waits) {
    held.lock();
  } else if (!held.try_lock()) {
    return {};
  }
  Lock lock(*this, std::move(held), /*with_networks=*/true);
  settle();
  return lock.take(network);
}

void TrainingStep::Impl::mark_pending(bool is_pending) {
  const std::weak_ptr<PendingOwner> owner = is_pending ? weak_from_this() : std::weak_ptr<PendingOwner>();
  NetworkState::of(*options.student).set_pending(owner);
  // One that only evaluates may be shared.
  if (options.teacher && options.teacher_batch_norm == TeacherBatchNorm::kTraining) {
    NetworkState::of(*options.teacher).set_pending(owner);
  }
}

bool TrainingStep::Impl::finish(StepResult& result) {
  const auto lock = settled();
  rethrow_failure();
  if (!finished) return false;
  result = *std::exchange(finished, std::nullopt);
  return true;
}

void TrainingStep::Impl::settle() {
  if (!pending) return;
  mark_pending(false);
  close(std::move(*std::exchange(pending, std::nullopt)));
}

void TrainingStep::Impl::rethrow_failure() {
  if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
}

}  // namespace retort
