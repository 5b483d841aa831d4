#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
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
  /// What made a rank fail.
  enum class Cause : char { kError = 'e', kNumbers = 'n' };

  /// Connects all ranks. Waits for them.
  /// @param name the same on all ranks, and that of no other group
  Group(std::shared_ptr<Ranks::Impl> ranks, std::string name);
  /// Further connections, for exchanges in another order. They fail with the group that they belong to, and are renewed
  /// after it.
  Group(const Group& main, const std::string& name);
  ~Group();

  int64_t rank() const { return ranks_->seat.rank; }
  int64_t size() const { return ranks_->seat.size; }

  // Exchanges, of tensors whose shape and dtype are the same on all ranks: other sizes end the process. They throw a
  // RankError if a rank is gone or has failed, and a tensor that is summed or sent may then hold anything.

  using Exchange = c10::intrusive_ptr<c10d::Work>;
  /// In place, without waiting. Until it is waited for, there must be no other: what a failed exchange has not read
  /// would block the connection for the next one, which would not notice that it is closed.
  Exchange begin_sum(const at::Tensor& tensor);
  void wait(const Exchange& exchange);
  /// In place.
  void sum(const at::Tensor& tensor) { wait(begin_sum(tensor)); }
  /// The tensors of all ranks, [size, ...].
  at::Tensor gather(const at::Tensor& own);
  /// In place, that of the first rank.
  void send_of_first(const at::Tensor& tensor);
  std::string send_of_first(const std::string& text);
  /// Waits until all ranks are here. Returns on all or on none, unless one is gone: if a rank has passed and has then
  /// failed, the others pass, and throw when they renew() the group.
  void meet();

  /// Ends the exchanges of all ranks, which throw. Nothing happens if the group has ended already. Of several ranks
  /// that fail, the first one's reason is that of all.
  void fail(const std::string& reason, Cause cause = Cause::kError) noexcept {
    announce(reason, cause);
    drop();
  }
  /// The same in two parts: says why, and ends what others wait for.
  void announce(const std::string& reason, Cause cause) noexcept;
  void drop() noexcept;
  /// Fails before the ranks are connected again: the others will find out when they renew() the group.
  void announce_next(const std::string& reason, Cause cause) noexcept;
  /// Connects the ranks again if one has failed.
  void renew();

  bool is_connected() const { return state_ == State::kConnected; }
  /// Whether a rank is gone.
  bool is_gone() const { return state_ == State::kGone; }
  /// Why the group is not connected, and what made it so.
  const std::string& reason() const { return reason_; }
  Cause cause() const { return cause_; }
  /// Takes note that a rank is gone.
  void note_gone(const std::string& reason) noexcept;

  /// How long exchanges have waited.
  int64_t waited_nanoseconds() const { return waited_nanoseconds_; }

 private:
  enum class State { kConnected, kFailed, kGone };

  void connect();
  template <typename Call>
  auto guarded(const Call& call);
  [[noreturn]] void end(const std::exception& error);
  /// Ends with all groups of these ranks.
  void note_loss();
  /// For an answer of the store once the group has ended.
  std::chrono::milliseconds farewell() const;
  std::string key(const std::string& what) const;
  /// Where it is told why this attempt has failed.
  std::string failure_key() const;
  /// Why this attempt can't be continued, if somebody has told.
  std::optional<std::string> failure(std::chrono::milliseconds patience) const;
  std::optional<std::string> who_left(std::chrono::milliseconds patience) const;
  std::string record_of(const std::string& reason, Cause cause) const;
  void adopt(const std::string& record);

  std::shared_ptr<Ranks::Impl> ranks_;
  std::string name_;
  /// Null if it is none of another group's.
  const Group* main_ = nullptr;
  int64_t attempt_ = 0;
  int64_t waited_nanoseconds_ = 0;
  State state_ = State::kConnected;
  /// Why, if it is not connected.
  std::string reason_;
  Cause cause_ = Cause::kError;
  /// How often this rank has passed meet(), and the one that has failed.
  int64_t meetings_ = 0;
  int64_t meetings_of_failed_ = 0;
  /// Whether a failure has been found that belongs to what comes next.
  bool is_owed_ = false;
  c10::intrusive_ptr<c10d::Backend> backend_;
};

}  // namespace retort
