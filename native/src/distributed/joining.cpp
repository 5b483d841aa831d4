#include "distributed/joining.h"

#include <thread>
#include <utility>

#include "distributed/class_name.h"
#include "distributed/meeting.h"
#include "distributed/ranks_impl.h"
#include "runtime/cuda.h"
#include "tensor/check.h"

namespace retort {
namespace {

/// Beyond it, milliseconds would not fit into what sockets wait by.
constexpr std::chrono::hours kLongestTimeout(24 * 24);

constexpr std::chrono::milliseconds kPauseBetweenMeetings(20);

NewBackend* backend_of(c10::Device device) {
#ifdef RETORT_CUDA
  if (device.is_cuda()) return &new_nccl_backend;
#endif
  static_cast<void>(device);
  return &new_gloo_backend;
}

}  // namespace

void check(const RanksOptions& options, bool may_choose_port) {
  RETORT_CHECK(options.size >= 1, kRanks, ": size must be at least 1 (got ", options.size, ")");
  RETORT_CHECK(
      options.rank >= 0 && options.rank < options.size, kRanks, ": rank must be between 0 and ", options.size - 1,
      " (got ", options.rank, ")");
  RETORT_CHECK(!options.address.empty(), kRanks, ": address must be given (got an empty text)");
  RETORT_CHECK(
      options.port >= (may_choose_port ? 0 : 1) && options.port <= 65535, kRanks, ": port must be between ",
      may_choose_port ? 0 : 1, " and 65535 (got ", options.port, ")");
  RETORT_CHECK(
      options.timeout.count() > 0 && options.timeout <= kLongestTimeout, kRanks,
      ": timeout must be positive and at most 24 days (got ", options.timeout.count(), " ms)");
}

std::shared_ptr<Ranks> join_at(const RanksOptions& options, bool keeps_store, std::optional<Socket> place) {
  check(options, /*may_choose_port=*/false);
  const c10::Device device = device_of(kRanks, options.device);
  const Deadline end = std::chrono::steady_clock::now() + options.timeout;
  const auto is_time = [&] { return std::chrono::steady_clock::now() < end; };
  for (;;) {
    std::shared_ptr<Ranks::Impl> impl;
    try {
      Meeting meeting = go_to_meeting(options, keeps_store, std::move(place), end);
      impl = std::make_shared<Ranks::Impl>(
          Seat{options.rank, options.size, meeting.own_address, options.timeout}, std::move(meeting.store), device,
          backend_of(device), std::move(meeting.to_first));
      if (take_seat(impl->store, impl->seat)) return std::make_shared<Ranks>(impl);
    } catch (const RankError&) {
      const bool is_lost = !impl || impl->store.is_closed();
      if (keeps_store || !is_lost || !is_time()) throw;
    }
    // That was the store of ranks that were there before, and is about to be closed.
    RETORT_CHECK_AS(
        RankError, is_time(), kRanks, ": rank 0 must come to ", options.address, ":", options.port, " within ",
        options.timeout.count(), " ms (got one that this rank has left before)");
    std::this_thread::sleep_for(kPauseBetweenMeetings);
  }
}

}  // namespace retort
