#pragma once

#include <retort/export.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace retort {

/// Where and as what a process joins the others.
struct RETORT_API RanksOptions {
  /// The number of this process, from 0.
  int64_t rank = 0;
  /// Number of processes.
  int64_t size = 1;
  /// Name or address of the machine on which rank 0 runs. Rank 0 accepts connections on this address only.
  std::string address;
  /// TCP port of rank 0.
  int64_t port = 29500;
  /// The address of this machine at which other ranks reach it; by default that of its connection to rank 0.
  std::string own_address;
  /// Distinguishes several groups of ranks with the same address and port, such as the attempts of a restarted job.
  std::string job;
  /// Where gradients are: "cpu", exchanged by Gloo, or "cuda", exchanged by NCCL.
  std::string device = "cpu";
  /// How long a rank waits for another one, when it joins and in each exchange.
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
};

/// The processes that train one student together. A training step that is given its ranks divides each batch among
/// them; see TrainingStepOptions::ranks.
///
/// Every rank makes the same calls in the same order: those of this class, and those of steps that say so. Ranks talk
/// over TCP. Nothing is encrypted and nobody is authenticated: use trusted networks only.
///
/// Thread-safe, but calls of several threads must have the same order on all ranks.
class RETORT_API Ranks {
 public:
  /// Joins as the variables RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say, which torchrun and `retort launch` set.
  /// TORCHELASTIC_USE_AGENT_STORE and TORCHELASTIC_RESTART_COUNT are obeyed, as PyTorch does.
  /// @param options the rest; its rank, size, address and port are not used
  /// @return null if RANK is not set: there is one process
  /// @throws c10::ValueError if a variable is missing or no number
  /// @throws RankError as join() does
  static std::shared_ptr<Ranks> from_environment(RanksOptions options = {});

  /// Joins, and waits for all others.
  /// @throws c10::ValueError if an option is out of range
  /// @throws RankError if not all ranks have joined within the timeout, or rank 0 cannot be reached
  static std::shared_ptr<Ranks> join(const RanksOptions& options);

  /// Leaves. Other ranks that wait for this one get a RankError.
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  int64_t rank() const;
  int64_t size() const;

  /// Whether it is true on any rank. Waits for all ranks.
  /// @throws RankError if a rank is gone or has failed
  bool any(bool mine);

  /// The text of rank 0. Waits for it.
  /// @param text on rank 0; others' is not used
  /// @throws RankError if a rank is gone or has failed
  std::string of_first(const std::string& text);

  /// Tells the others that this rank can't go on: what they wait for in this class throws a RankError with the reason.
  void fail(const std::string& reason);

  struct Impl;
  /// For the library.
  explicit Ranks(std::shared_ptr<Impl> impl);
  const std::shared_ptr<Impl>& impl() const { return impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace retort
