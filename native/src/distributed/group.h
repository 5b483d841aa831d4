#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "distributed/backend.h"
#include "distributed/ranks_impl.h"

namespace retort {

/// Connections between all ranks, for exchanges that have the same order on all of them.
///
/// A rank that fails between two exchanges says why by fail(), which ends what the others wait for: they throw a
/// RankError with its reason, and all may renew() the group. If a rank is gone or does not answer, the group has ended
/// for good.
class Group {
 public:
  /// Connects all ranks. Waits for them.
  /// @param name the same on all ranks, and that of no other group
  Group(std::shared_ptr<Ranks::Impl> ranks, std::string name);
  ~Group();

  int64_t rank() const { return ranks_->seat.rank; }
  int64_t size() const { return ranks_->seat.size; }

  // Exchanges, of tensors whose shape and dtype are the same on all ranks: other sizes end the process. They throw a
  // RankError if a rank is gone or has failed, and a tensor that is summed or sent may then hold anything.

  using Exchange = c10::intrusive_ptr<c10d::Work>;
  /// In place, without waiting.
  Exchange begin_sum(const at::Tensor& tensor);
  void wait(const Exchange& exchange);
  /// In place.
  void sum(const at::Tensor& tensor) { wait(begin_sum(tensor)); }
  /// The tensors of all ranks, [size, ...].
  at::Tensor gather(const at::Tensor& own);
  /// In place, that of the first rank.
  void send_of_first(const at::Tensor& tensor);
  std::string send_of_first(const std::string& text);
  /// Waits until all ranks are here.
  void meet();

  /// Ends the exchanges of all ranks, which throw. Nothing happens if the group has ended already.
  void fail(const std::string& reason) noexcept;
  /// Connects the ranks again if one has failed.
  void renew();

  /// How long exchanges have waited.
  int64_t waited_nanoseconds() const { return waited_nanoseconds_; }

 private:
  enum class State { kConnected, kFailed, kGone };

  void connect();
  template <typename Call>
  auto guarded(const Call& call);
  [[noreturn]] void end(const std::string& what);
  std::string key(const std::string& what) const;
  std::optional<std::string> who_left() const;

  std::shared_ptr<Ranks::Impl> ranks_;
  std::string name_;
  int64_t attempt_ = 0;
  int64_t waited_nanoseconds_ = 0;
  State state_ = State::kConnected;
  /// Why, if it is not connected.
  std::string reason_;
  c10::intrusive_ptr<c10d::Backend> backend_;
};

}  // namespace retort
