// Who holds a step's networks, and steps that are pending since their results are late.
#include <algorithm>
#include <utility>

#include "train/step.h"

namespace retort {

TrainingStep::Impl::Lock::Lock(Impl& step, std::defer_lock_t deferred) : impl_(step), step_(step.mutex, deferred) {
  for (std::mutex* network : step.mutexes_of_networks) networks_.emplace_back(*network, deferred);
}

TrainingStep::Impl::Lock::Lock(Impl& step, bool with_networks) : Lock(step, std::defer_lock) {
  step_.lock();
  if (!with_networks) return;
  for (auto& network : networks_) network.lock();
  turn_.emplace(step.order);
}

std::unique_ptr<TrainingStep::Impl::Lock> TrainingStep::Impl::Lock::of_free(Impl& step) {
  std::unique_ptr<Lock> lock(new Lock(step, std::defer_lock));
  if (!lock->step_.try_lock()) return nullptr;
  for (auto& network : lock->networks_) {
    if (!network.try_lock()) return nullptr;
  }
  lock->turn_.emplace(step.order);
  return lock;
}

std::unique_lock<std::mutex> TrainingStep::Impl::Lock::take(const Network& network) {
  return std::move(*std::find_if(
      networks_.begin(), networks_.end(), [&](const auto& held) { return held.mutex() == &network.mutex(); }));
}

std::unique_ptr<TrainingStep::Impl::Lock> TrainingStep::Impl::lock_settled(bool reads_networks) {
  while (true) {
    // What is pending here can be settled with the networks only.
    auto lock = std::make_unique<Lock>(*this, reads_networks || options.late_results);
    settle();
    if (!reads_networks) return lock;
    std::shared_ptr<PendingOwner> other;
    const Network* shared = nullptr;
    for (const auto& [name, network] : networks()) {
      other = NetworkState::of(*network).pending();
      shared = network;
      if (other) break;
    }
    if (!other) return lock;
    lock.reset();
    other->settle_and_lock(*shared, /*waits=*/true);
  }
}

std::unique_lock<std::mutex> TrainingStep::Impl::settle_and_lock(const Network& network, bool waits) {
  const auto lock = waits ? std::make_unique<Lock>(*this) : Lock::of_free(*this);
  if (!lock) return {};
  const bool is_ready = !pending || pending->error || pending->is_read || found.have_arrived();
  if (!waits && !is_ready) return {};
  settle();
  return lock->take(network);
}

void TrainingStep::Impl::mark_pending() {
  NetworkState::of(*options.student).set_pending(weak_from_this());
  for (size_t place : stage().teachers) {
    // A teacher that only evaluates may be shared meanwhile.
    const TeacherOptions& teacher = options.teachers[place];
    const bool moves = teacher.batch_norm == TeacherBatchNorm::kTraining && teachers[place].has_joined();
    if (moves) NetworkState::of(*teacher.network).set_pending(weak_from_this());
  }
}

void TrainingStep::Impl::unmark_pending() {
  for (const auto& [name, network] : networks()) NetworkState::of(*network).clear_pending(*this);
}

bool TrainingStep::Impl::finish(StepResult& result) {
  const auto lock = lock_settled();
  rethrow_failure();
  if (!finished) return false;
  result = *std::exchange(finished, std::nullopt);
  return true;
}

void TrainingStep::Impl::settle() {
  if (!pending) return;
  unmark_pending();
  close(std::move(*std::exchange(pending, std::nullopt)));
}

void TrainingStep::Impl::rethrow_failure() {
  if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
}

}  // namespace retort
