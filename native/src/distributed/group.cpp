#include "distributed/group.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>
#include <c10/util/ScopeExit.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>

#include <cstring>
#include <utility>
#include <vector>

#include "runtime/stopwatch.h"
#include "tensor/check.h"

namespace retort {

Group::Group(std::shared_ptr<Ranks::Impl> ranks, std::string name) : ranks_(std::move(ranks)), name_(std::move(name)) {
  connect();
}

Group::~Group() {
  try {
    ranks_->store.set(name_ + "/left", c10::str("Ranks: rank ", rank(), " has left"));
  } catch (const std::exception&) {
    // Nobody is there any more who would want to know.
  }
}

void Group::connect() {
  ++attempt_;
  std::vector<std::string> here;
  for (int64_t r = 0; r < size(); ++r) here.push_back(key(c10::str("rank ", r)));
  ranks_->store.set(here[static_cast<size_t>(rank())], "here");
  try {
    ranks_->store.wait_for(here, [&] { return who_left(); });
    const auto own = c10::make_intrusive<c10d::PrefixStore>(key("backend"), ranks_->store.c10d());
    backend_ = ranks_->new_backend(own, ranks_->seat);
  } catch (const std::exception& error) {
    end(message_of(error));
  }
  state_ = State::kConnected;
}

void Group::renew() {
  if (state_ == State::kFailed) connect();
}

std::string Group::key(const std::string& what) const {
  return c10::str(name_, "/", attempt_, "/", what);
}

std::optional<std::string> Group::who_left() const {
  return ranks_->store.find(name_ + "/left");
}

template <typename Call>
auto Group::guarded(const Call& call) {
  RETORT_CHECK_AS(RankError, state_ == State::kConnected, reason_);
  const Stopwatch watch;
  const auto note = c10::make_scope_exit([&] { waited_nanoseconds_ += watch.nanoseconds(); });
  try {
    return call();
  } catch (const std::exception& error) {
    end(message_of(error));
  }
}

void Group::end(const std::string& what) {
  backend_.reset();
  std::optional<std::string> failure, left;
  try {
    failure = ranks_->store.find(key("failure"));
    left = who_left();
  } catch (const std::exception&) {
    // The store is where rank 0 was.
  }
  state_ = failure ? State::kFailed : State::kGone;
  reason_ = failure ? *failure : left ? *left : c10::str("Ranks: every rank must answer (got ", what, ")");
  retort::fail<RankError>(reason_);
}

void Group::fail(const std::string& reason) noexcept {
  if (state_ != State::kConnected) return;
  state_ = State::kFailed;
  try {
    reason_ = c10::str("Ranks: rank ", rank(), " has failed: ", reason);
    // Before the others notice.
    ranks_->store.set(key("failure"), reason_);
  } catch (const std::exception&) {
    state_ = State::kGone;
  }
  backend_.reset();
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
  return guarded([&] {
    std::vector<int64_t> shape = own.sizes().vec();
    shape.insert(shape.begin(), size());
    at::Tensor all = at::empty(shape, own.options());
    at::Tensor flat = all.view({-1}), sent = own.contiguous().view({-1});
    backend_->_allgather_base(flat, sent)->wait();
    return all;
  });
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
  sum(at::zeros({1}, at::TensorOptions(ranks_->device).dtype(at::kFloat)));
}

}  // namespace retort
