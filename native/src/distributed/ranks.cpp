#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <retort/distributed/ranks.h>

#include <utility>

#include "distributed/class_name.h"
#include "distributed/environment.h"
#include "distributed/group.h"
#include "distributed/joining.h"
#include "distributed/meeting.h"
#include "distributed/ranks_impl.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

/// For which rank 0 keeps the store after it has left, so that the others may read why.
constexpr std::chrono::milliseconds kLongestGoodbye(1000);

/// Makes one of the calls of Ranks. One that fails on this rank alone, say for lack of memory, ends it on all: the next
/// exchange would be of another size than theirs.
template <typename Body>
auto together(Ranks::Impl& impl, const Body& body) {
  const std::lock_guard<std::mutex> lock(impl.mutex);
  try {
    return body();
  } catch (const RankError&) {
    throw;
  } catch (const std::exception& error) {
    impl.group->fail(message_of(error));
    throw;
  }
}

}  // namespace

Ranks::Impl::Impl(
    Seat own_seat, c10::intrusive_ptr<c10d::Store> own_store, c10::Device own_device, NewBackend* backend,
    std::unique_ptr<Socket> to_first)
    : seat(std::move(own_seat)),
      store(std::move(own_store), seat.timeout, std::move(to_first)),
      device(own_device),
      new_backend(backend) {}

void Ranks::Impl::lose(const std::string& reason) {
  const std::lock_guard<std::mutex> lock(loss_mutex_);
  if (!loss_) loss_ = reason;
}

std::optional<std::string> Ranks::Impl::loss() const {
  const std::lock_guard<std::mutex> lock(loss_mutex_);
  return loss_;
}

at::Tensor Ranks::Impl::meet(Call call, bool flag) {
  group->renew();
  at::Tensor own = at::empty({2}, at::kLong);
  own[0] = static_cast<int64_t>(call);
  own[1] = static_cast<int64_t>(flag);
  const at::Tensor all = group->gather(own.to(device)).cpu();
  RETORT_CHECK_AS(
      RankError, all.select(1, 0).eq(static_cast<int64_t>(call)).all().item<bool>(), kRanks,
      ": all ranks must make the same call (got any and of_first)");
  return all.select(1, 1);
}

Ranks::Impl::~Impl() {
  if (loss()) return;
  try {
    store.set(goodbye_of(seat.rank), "", kLongestGoodbye);
    if (seat.rank != 0 || !store.is_kept_here()) return;
    const auto all_have_left = [&] {
      for (int64_t rank = 0; rank < seat.size; ++rank) {
        if (!store.find(goodbye_of(rank), kLongestGoodbye)) return false;
      }
      return true;
    };
    poll_until(all_have_left, kLongestGoodbye);
  } catch (const std::exception&) {
    // Nobody to wait for.
  }
}

Ranks::Ranks(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {
  impl_->group = std::make_unique<Group>(impl_, "ranks");
}

Ranks::~Ranks() {
  static CallSite site;
  const FinalCall call(site);
  if (!call.has_begun()) {
    // LibTorch is being destroyed: what is kept for ever needs nothing of it.
    new std::shared_ptr<Impl>(std::move(impl_));
    return;
  }
  impl_->group.reset();
}

std::shared_ptr<Ranks> Ranks::join(const RanksOptions& options) {
  static CallSite site;
  const RunningCall running(site);
  return join_at(options, /*keeps_store=*/options.rank == 0);
}

std::shared_ptr<Ranks> Ranks::from_environment(RanksOptions options) {
  static CallSite site;
  const RunningCall running(site);
  const auto found = options_of_environment(std::move(options));
  if (!found) return nullptr;
  return join_at(found->options, /*keeps_store=*/found->options.rank == 0 && !found->launcher_keeps_store);
}

int64_t Ranks::rank() const {
  return impl_->seat.rank;
}

int64_t Ranks::size() const {
  return impl_->seat.size;
}

bool Ranks::any(bool mine) {
  static CallSite site;
  const RunningCall running(site);
  return together(*impl_, [&] { return impl_->meet(Impl::Call::kAny, mine).gt(0).any().item<bool>(); });
}

std::string Ranks::of_first(const std::string& text) {
  static CallSite site;
  const RunningCall running(site);
  return together(*impl_, [&] {
    impl_->meet(Impl::Call::kOfFirst, false);
    return impl_->group->send_of_first(text);
  });
}

void Ranks::fail(const std::string& reason) {
  static CallSite site;
  const RunningCall running(site);
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  impl_->group->fail(reason);
}

}  // namespace retort
