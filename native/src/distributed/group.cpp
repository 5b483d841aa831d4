#include "distributed/group.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>
#include <c10/util/ScopeExit.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include "runtime/stopwatch.h"
#include "tensor/check.h"
#include "tensor/out_of_memory.h"

namespace retort {
namespace {

constexpr char kEndOfNumber = ' ';

/// For an answer of rank 0 to a group that has ended. It answers at once, or is gone or stopped; what it would have
/// said is not worth the time that ranks wait for each other.
constexpr std::chrono::milliseconds kLongestFarewell(5000);

}  // namespace

template <typename Call>
auto Group::guarded(const Call& call) {
  note_loss();
  RETORT_CHECK_AS(RankError, state_ == State::kConnected, reason_);
  const Stopwatch watch;
  const auto note = c10::make_scope_exit([&] { waited_nanoseconds_ += watch.nanoseconds(); });
  try {
    return call();
  } catch (const std::exception& error) {
    // Which is none of the connection's.
    if (is_out_of_memory(error)) {
      fail(message_of(error));
      throw;
    }
    end(error);
  }
}

Group::Group(std::shared_ptr<Ranks::Impl> ranks, std::string name) : ranks_(std::move(ranks)), name_(std::move(name)) {
  connect();
}

Group::Group(const Group& main, const std::string& name)
    : ranks_(main.ranks_), name_(main.name_ + '/' + name), main_(&main), attempt_(main.attempt_ - 1) {
  connect();
}

Group::~Group() {
  if (ranks_->loss()) return;
  try {
    ranks_->store.set(name_ + "/left", c10::str("Ranks: rank ", rank(), " has left"), farewell());
  } catch (const std::exception&) {
    // Nobody is there any more who would want to know.
  }
}

void Group::connect() {
  ++attempt_;
  state_ = State::kConnected;
  guarded([&] {
    std::vector<std::string> here;
    for (int64_t r = 0; r < size(); ++r) here.push_back(key(c10::str("rank ", r)));
    ranks_->store.set(here[static_cast<size_t>(rank())], "here");
    const std::optional<size_t> missing = ranks_->store.find_missing(here, [&] {
      const auto record = failure(ranks_->seat.timeout);
      return record ? record : who_left(ranks_->seat.timeout);
    });
    RETORT_CHECK_AS(
        RankError, !missing, "Ranks: every rank must answer within ", ranks_->seat.timeout.count(),
        " ms (got nothing from rank ", *missing, ")");
    const auto own = c10::make_intrusive<c10d::PrefixStore>(key("backend"), ranks_->store.c10d());
    backend_ = ranks_->new_backend(own, ranks_->seat);
  });
}

void Group::renew() {
  note_loss();
  if (std::exchange(is_owed_, false)) retort::fail<RankError>(reason_);
  if (main_) {
    if (attempt_ == main_->attempt_ && state_ == State::kConnected) return;
    drop();
    attempt_ = main_->attempt_ - 1;
    connect();
  } else if (state_ == State::kFailed) {
    connect();
  }
}

std::string Group::key(const std::string& what) const {
  return c10::str(name_, "/", attempt_, "/", what);
}

std::string Group::failure_key() const {
  return c10::str(main_ ? main_->name_ : name_, "/", attempt_, "/failure");
}

std::optional<std::string> Group::failure(std::chrono::milliseconds patience) const {
  return ranks_->store.find(failure_key(), patience);
}

std::optional<std::string> Group::who_left(std::chrono::milliseconds patience) const {
  return ranks_->store.find(name_ + "/left", patience);
}

std::chrono::milliseconds Group::farewell() const {
  return std::min(ranks_->seat.timeout, kLongestFarewell);
}

void Group::drop() noexcept {
  try {
    // NCCL's destructor waits for exchanges that others have left.
    if (backend_ && ranks_->device.is_cuda()) backend_->abort();
    backend_.reset();
  } catch (const std::exception&) {
    state_ = State::kGone;
  }
}

void Group::note_loss() {
  if (state_ == State::kGone) return;
  if (const auto loss = ranks_->loss()) {
    state_ = State::kGone;
    reason_ = *loss;
    drop();
  }
}

std::string Group::record_of(const std::string& reason, Cause cause) const {
  return c10::str(static_cast<char>(cause), meetings_, kEndOfNumber, reason);
}

void Group::adopt(const std::string& record) {
  cause_ = static_cast<Cause>(record.front());
  const size_t end = record.find(kEndOfNumber);
  meetings_of_failed_ = std::stoll(record.substr(1, end - 1));
  reason_ = record.substr(end + 1);
}

void Group::end(const std::exception& error) {
  // The others notice.
  drop();
  std::optional<std::string> record, left;
  const auto* known = dynamic_cast<const RankError*>(&error);
  std::string reason =
      known ? known->what_without_backtrace() : c10::str("Ranks: every rank must answer (got ", message_of(error), ")");
  try {
    record = failure(farewell());
    if (!record) left = who_left(farewell());
  } catch (const RankError& of_store) {
    reason = of_store.what_without_backtrace();
  }
  state_ = record ? State::kFailed : State::kGone;
  if (record) {
    adopt(*record);
  } else {
    reason_ = left ? *left : reason;
    if (!left) ranks_->lose(reason_);
  }
  retort::fail<RankError>(reason_);
}

void Group::announce(const std::string& reason, Cause cause) noexcept {
  if (state_ != State::kConnected) return;
  state_ = State::kFailed;
  try {
    reason_ = c10::str("Ranks: rank ", rank(), " has failed: ", reason);
    cause_ = cause;
    // Before the others notice.
    adopt(ranks_->store.set_first(failure_key(), record_of(reason_, cause), farewell()));
  } catch (const std::exception&) {
    state_ = State::kGone;
  }
}

void Group::announce_next(const std::string& reason, Cause cause) noexcept {
  // It is what the others have failed at.
  if (std::exchange(is_owed_, false) || state_ != State::kFailed) return;
  ++attempt_;
  state_ = State::kConnected;
  announce(reason, cause);
}

void Group::note_gone(const std::string& reason) noexcept {
  drop();
  if (state_ == State::kGone) return;
  state_ = State::kGone;
  try {
    reason_ = reason;
  } catch (const std::bad_alloc&) {
    // Then there is none.
  }
}

Group::Exchange Group::begin_sum(const at::Tensor& tensor) {
  return guarded([&] {
    std::vector<at::Tensor> tensors = {tensor};
    return backend_->allreduce(tensors);
  });
}

void Group::wait(const Exchange& exchange) {
  guarded([&] { return exchange->wait(); });
}

at::Tensor Group::gather(const at::Tensor& own) {
  std::vector<int64_t> shape = own.sizes().vec();
  shape.insert(shape.begin(), size());
  at::Tensor all = at::empty(shape, own.options());
  at::Tensor flat = all.view({-1}), sent = own.contiguous().view({-1});
  guarded([&] { backend_->_allgather_base(flat, sent)->wait(); });
  return all;
}

void Group::send_of_first(const at::Tensor& tensor) {
  guarded([&] {
    std::vector<at::Tensor> tensors = {tensor};
    return backend_->broadcast(tensors)->wait();
  });
}

std::string Group::send_of_first(const std::string& text) {
  const at::TensorOptions device(ranks_->device);
  const at::Tensor size = at::full({}, static_cast<int64_t>(text.size()), device.dtype(at::kLong));
  send_of_first(size);
  const auto bytes = size.item<int64_t>();
  if (bytes == 0) return {};
  at::Tensor content = at::empty({bytes}, at::kByte);
  if (rank() == 0) std::memcpy(content.mutable_data_ptr(), text.data(), text.size());
  content = content.to(device);
  send_of_first(content);
  content = content.cpu();
  return {static_cast<const char*>(content.const_data_ptr()), static_cast<size_t>(bytes)};
}

void Group::meet() {
  const at::Tensor flag = at::zeros({1}, at::TensorOptions(ranks_->device).dtype(at::kFloat));
  try {
    sum(flag);
  } catch (const RankError&) {
    // Who has passed has met all others, and has failed later.
    if (state_ != State::kFailed || meetings_of_failed_ <= meetings_) throw;
    is_owed_ = true;
  }
  ++meetings_;
}

}  // namespace retort
