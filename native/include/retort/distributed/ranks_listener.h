#pragma once

#include <retort/distributed/ranks.h>
#include <retort/export.h>

#include <cstdint>
#include <memory>
#include <string>

namespace retort {

/// The address and port of rank 0, bound before the ranks join: the others can be told where to join, and no other
/// process can take the port in between. For launchers that choose the port at run time, such as a cluster's scheduler.
///
/// Thread-safe.
class RETORT_API RanksListener {
 public:
  /// Binds the address and the port. Ranks that try to join before join() is called keep retrying.
  /// @param options those with which rank 0 joins; port 0 lets the system choose one
  /// @throws c10::ValueError if an option is out of range, the rank is not 0, or the address is a wildcard address
  /// @throws RankError if the address does not belong to this machine, or the port is in use
  explicit RanksListener(const RanksOptions& options);
  ~RanksListener();
  RanksListener(const RanksListener&) = delete;
  RanksListener& operator=(const RanksListener&) = delete;

  /// Returns the numeric address that the other ranks set in their options.
  const std::string& address() const;
  /// Returns the port that the other ranks set in their options.
  int64_t port() const;

  /// Joins as rank 0, and waits for all others. Can be called once: the port then belongs to the ranks.
  /// @throws c10::ValueError if it was called before, and as Ranks::join() does
  /// @throws RankError as Ranks::join() does
  std::shared_ptr<Ranks> join();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace retort
