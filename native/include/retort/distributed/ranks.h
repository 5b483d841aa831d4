#pragma once

#include <retort/export.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace retort {

/// Options for joining the other ranks.
struct RETORT_API RanksOptions {
  /// The number of this process, from 0.
  int64_t rank = 0;
  /// Number of processes.
  int64_t size = 1;
  /// Name, IPv4 or IPv6 address of the machine on which rank 0 runs. Rank 0 accepts connections only on this address,
  /// which must be one of its own. A name stands for the first address that it has there: give the address if machines
  /// resolve their own name to 127.0.0.1 or 127.0.1.1.
  std::string address;
  /// TCP port of rank 0.
  int64_t port = 29500;
  /// The address at which other ranks reach this machine, on ports that the system chooses. By default, it is that of
  /// the network interface named by the environment variable GLOO_SOCKET_IFNAME, or else that of the connection to rank
  /// 0.
  std::string own_address;
  /// Distinguishes several groups of ranks with the same address and port, such as the attempts of a restarted job.
  std::string job;
  /// Where gradients are: "cpu", exchanged by Gloo, or "cuda" or "cuda:<number>", exchanged by NCCL.
  std::string device = "cpu";
  /// How long a rank waits for another, when joining and in each exchange; at most 24 days. A rank whose process ends
  /// is noticed at once; one that hangs, or whose machine is lost, is noticed only after this time plus up to 5
  /// seconds.
  std::chrono::milliseconds timeout = std::chrono::minutes(10);
};

/// The processes that train one student together; each process is a rank. A training step that is given ranks divides
/// each batch among them; see TrainingStepOptions::ranks.
///
/// Every rank must make the same calls in the same order: those of this class, and those of steps that are documented
/// to require it. Ranks communicate over TCP, without encryption or authentication: use trusted networks only.
///
/// A rank that is gone or has not responded within the timeout is lost for good: every later call, including those of
/// steps with these ranks, throws the same RankError at once. All ranks must then start again, e.g. from a checkpoint.
///
/// Gloo writes a line "[Gloo] Rank ..." to standard output whenever it has connected the ranks; this can't be switched
/// off. With NCCL, TORCH_NCCL_ASYNC_ERROR_HANDLING=0 and TORCH_NCCL_BLOCKING_WAIT=1 are set in the environment unless
/// they are set already: without them, a rank that waits in vain would end its process.
///
/// Thread-safe, but calls from several threads must have the same order on all ranks.
class RETORT_API Ranks {
 public:
  /// Joins the other ranks as specified by the environment variables RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT,
  /// which torchrun and `retort launch` set. If TORCHELASTIC_USE_AGENT_STORE is True, torchrun itself listens at that
  /// address; otherwise, rank 0 does. TORCHELASTIC_RESTART_COUNT becomes part of the job, and LOCAL_RANK becomes the
  /// number of the device "cuda".
  /// @param options the remaining options; their rank, size, address and port are ignored
  /// @return null if RANK is not set: there is one process
  /// @throws c10::ValueError if a variable is missing or not a number, and as join() does
  /// @throws RankError as join() does
  static std::shared_ptr<Ranks> from_environment(RanksOptions options = {});

  /// Joins the other ranks, and waits for all of them.
  /// @throws c10::ValueError if an option is out of range, the own address does not belong to this machine, or the
  ///     device is not available, e.g. "cuda" if the library is built without CUDA
  /// @throws RankError if rank 0 can't listen at its address or can't be reached there, if not all ranks have joined
  ///     within the timeout, if two have the same number, or if their sizes differ
  static std::shared_ptr<Ranks> join(const RanksOptions& options);

  /// Leaves. Calls on other ranks that wait for this one throw a RankError.
  ~Ranks();
  Ranks(const Ranks&) = delete;
  Ranks& operator=(const Ranks&) = delete;

  int64_t rank() const;
  int64_t size() const;

  /// Returns whether a condition holds on any rank. Waits for all ranks.
  /// @param mine whether it holds on this rank
  /// @throws RankError if a rank is gone or has failed
  bool any(bool mine);

  /// Returns the text that rank 0 passes. Waits for rank 0.
  /// @param text of this rank; only that of rank 0 is used
  /// @throws RankError if a rank is gone or has failed
  std::string of_first(const std::string& text);

  /// Tells the other ranks that this one can't continue: the call of this class that they are waiting in, or their next
  /// one, throws a RankError with the reason.
  void fail(const std::string& reason);

  struct Impl;
  /// For internal use.
  explicit Ranks(std::shared_ptr<Impl> impl);
  const std::shared_ptr<Impl>& impl() const { return impl_; }

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace retort
