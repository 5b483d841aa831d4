#include <retort/distributed/ranks_listener.h>

#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include "distributed/joining.h"
#include "distributed/meeting.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

constexpr const char* kRanksListener = "RanksListener";

std::unique_ptr<Socket> taken_place(const RanksOptions& options) {
  static CallSite site;
  const RunningCall running(site);
  RETORT_CHECK(options.rank == 0, kRanksListener, ": rank must be 0 (got ", options.rank, ")");
  check(options, /*may_choose_port=*/true);
  return std::make_unique<Socket>(place_of_store(options, std::chrono::steady_clock::now() + options.timeout));
}

}  // namespace

struct RanksListener::Impl {
  explicit Impl(const RanksOptions& of_first) : options(of_first), place(taken_place(options)) {
    options.address = place->own_address();
    options.port = place->own_port();
  }

  RanksOptions options;
  std::mutex mutex;
  /// Null once the ranks have it.
  std::unique_ptr<Socket> place;
};

RanksListener::RanksListener(const RanksOptions& options) : impl_(std::make_unique<Impl>(options)) {}

RanksListener::~RanksListener() = default;

const std::string& RanksListener::address() const {
  return impl_->options.address;
}

int64_t RanksListener::port() const {
  return impl_->options.port;
}

std::shared_ptr<Ranks> RanksListener::join() {
  static CallSite site;
  const RunningCall running(site);
  std::unique_ptr<Socket> place;
  {
    const std::lock_guard<std::mutex> lock(impl_->mutex);
    place = std::move(impl_->place);
  }
  RETORT_CHECK(place, kRanksListener, ".join: listener must not have joined before (got one that has)");
  return join_at(impl_->options, /*keeps_store=*/true, std::move(*place));
}

}  // namespace retort
