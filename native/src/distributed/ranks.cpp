#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <retort/distributed/ranks.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <cstdlib>
#include <utility>

#include "distributed/group.h"
#include "distributed/ranks_impl.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"

namespace retort {
namespace {

constexpr const char* kName = "Ranks";
constexpr const char* kGroup = "ranks";

void check(const RanksOptions& options) {
  RETORT_CHECK(options.size >= 1, kName, ": size must be at least 1 (got ", options.size, ")");
  RETORT_CHECK(
      options.rank >= 0 && options.rank < options.size, kName, ": rank must be between 0 and ", options.size - 1,
      " (got ", options.rank, ")");
  RETORT_CHECK(!options.address.empty(), kName, ": address must be given (got an empty text)");
  RETORT_CHECK(
      options.port >= 1 && options.port <= 65535, kName, ": port must be between 1 and 65535 (got ", options.port, ")");
  RETORT_CHECK(
      options.device == "cpu" || options.device == "cuda", kName, ": device must be cpu or cuda (got ", options.device,
      ")");
  RETORT_CHECK(options.timeout.count() > 0, kName, ": timeout must be positive (got ", options.timeout.count(), " ms)");
}

c10::intrusive_ptr<c10d::Store> connected_store(const RanksOptions& options) {
  c10d::TCPStoreOptions tcp;
  tcp.port = static_cast<uint16_t>(options.port);
  tcp.isServer = options.rank == 0;
  tcp.numWorkers = static_cast<size_t>(options.size);
  tcp.timeout = options.timeout;
  try {
    return c10::make_intrusive<c10d::PrefixStore>(
        "retort/" + options.job, c10::make_intrusive<c10d::TCPStore>(options.address, tcp));
  } catch (const std::exception& error) {
    fail<RankError>(
        kName, ": all ", options.size, " ranks must join at ", options.address, ":", options.port, " within ",
        options.timeout.count(), " ms (got ", message_of(error), ")");
  }
}

}  // namespace

Ranks::Impl::Impl(Seat own_seat, c10::intrusive_ptr<c10d::Store> own_store, c10::Device own_device, NewBackend* backend)
    : seat(std::move(own_seat)), store(std::move(own_store), seat.timeout), device(own_device), new_backend(backend) {}

at::Tensor Ranks::Impl::meet(Call call, bool flag) {
  group->renew();
  at::Tensor own = at::empty({2}, at::kLong);
  own[0] = static_cast<int64_t>(call);
  own[1] = static_cast<int64_t>(flag);
  const at::Tensor all = group->gather(own.to(device)).cpu();
  RETORT_CHECK_AS(
      RankError, all.select(1, 0).eq(static_cast<int64_t>(call)).all().item<bool>(), kName,
      ": all ranks must make the same call (got any and of_first)");
  return all.select(1, 1);
}

Ranks::Impl::~Impl() = default;

Ranks::Ranks(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {
  const std::string own = std::to_string(size()), first = impl_->store.set_first("size", own);
  if (first != own) {
    const std::string reason =
        c10::str(kName, ": size must be the same on all ranks (got ", first, ", and ", own, " on rank ", rank(), ")");
    // Those who are here already would wait for it.
    Group::refuse(*impl_, kGroup, reason);
    retort::fail<RankError>(reason);
  }
  impl_->group = std::make_unique<Group>(impl_, kGroup);
}

Ranks::~Ranks() {
  impl_->group.reset();
}

std::shared_ptr<Ranks> Ranks::join(const RanksOptions& options) {
  static CallSite site;
  const RunningCall running(site);
  check(options);
  const std::string own = options.own_address.empty() ? options.address : options.own_address;
  return std::make_shared<Ranks>(std::make_shared<Impl>(
      Seat{options.rank, options.size, own, options.timeout}, connected_store(options), c10::Device(options.device),
      &new_gloo_backend));
}

std::shared_ptr<Ranks> Ranks::from_environment(RanksOptions options) {
  const char* rank = std::getenv("RANK");
  if (!rank) return nullptr;
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    RETORT_CHECK(value, kName, ": ", name, " must be set (got none)");
    return std::string(value);
  };
  options.rank = std::stoll(rank);
  options.size = std::stoll(variable("WORLD_SIZE"));
  options.address = variable("MASTER_ADDR");
  options.port = std::stoll(variable("MASTER_PORT"));
  return join(options);
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
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  return impl_->meet(Impl::Call::kAny, mine).gt(0).any().item<bool>();
}

std::string Ranks::of_first(const std::string& text) {
  static CallSite site;
  const RunningCall running(site);
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  impl_->meet(Impl::Call::kOfFirst, false);
  return impl_->group->send_of_first(text);
}

void Ranks::fail(const std::string& reason) {
  static CallSite site;
  const RunningCall running(site);
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  impl_->group->fail(reason);
}

}  // namespace retort
