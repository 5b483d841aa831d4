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
  /// Name or IPv4 or IPv6 address of the machine on which rank 0 runs. Rank 0 accepts connections on this address only,
  /// which must be one of its own. For a name, it is the first address that the name has there: give the address where
  /// machines know their own name as 127.0.0.1 or 127.0.1.1.
  std::string address;
  /// TCP port of rank 0.
  int64_t port = 29500;
  /// The address of this machine at which other ranks reach it, on ports that the system chooses. By default that of
  /// the network interface which the environment variable GLOO_SOCKET_IFNAME names, or else that of its connection to
  /// rank 0.
  std::string own_address;
  /// Distinguishes several groups of ranks with the same address and port, such as the attempts of a restarted job.
  std::string job;
  /// Where gradients are: "cpu", exchanged by Gloo, or "cuda" or "cuda:<number>", exchanged by NCCL.
  std::string device = "cpu";
  /// How long a rank waits for another one, when it joins and in each exchange; at most 24 days. A rank whose process
  /// ends is noticed at once, one that hangs or whose machine is lost only after this time, to which up to 5 seconds
  /// are added.
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
};

/// The processes that train one student together. A training step that is given its ranks divides each batch among
/// them; see TrainingStepOptions::ranks.
///
/// Every rank makes the same calls in the same order: those of this class, and those of steps that say so. Ranks talk
/// over TCP. Nothing is encrypted and nobody is authenticated: use trusted networks only.
///
/// A rank that is gone or has not answered in time is lost for good: every later call throws the same RankError at
/// once, as do steps with these ranks. All have to start again, e.g. from a checkpoint.
///
/// Gloo writes a line "[Gloo] Rank ..." to standard output each time it has connected the ranks, which nothing switches
/// off. With NCCL, TORCH_NCCL_ASYNC_ERROR_HANDLING=0 and TORCH_NCCL_BLOCKING_WAIT=1 are set in the environment unless
/// they are set already: without them, a rank that waits in vain would end its process.
///
/// Thread-safe, but calls of several threads must have the same order on all ranks.
class RETORT_API Ranks {
 public:
  /// Joins as the environment variables RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT say, which torchrun and
  /// `retort launch` set. If TORCHELASTIC_USE_AGENT_STORE is True, torchrun itself listens at that address, else rank 0
  /// does. TORCHELASTIC_RESTART_COUNT becomes a part of the job, and LOCAL_RANK the number of the device "cuda".
  /// @param options the rest; its rank, size, address and port are not used
  /// @return null if RANK is not set: there is one process
  /// @throws c10::ValueError if a variable is missing or no number
  /// @throws RankError as join() does
  static std::shared_ptr<Ranks> from_environment(RanksOptions options = {});

  /// Joins, and waits for all others.
  /// @throws c10::ValueError if an option is out of range, the own address is not one of this machine, or the device is
  /// not available, e.g. "cuda" where the library is built without CUDA
  /// @throws RankError if rank 0 can't listen at its address or is not reached there, if not all ranks have joined
  /// within the timeout, if two have the same number, or if they differ in their size
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
