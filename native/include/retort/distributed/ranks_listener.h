#pragma once

#include <retort/distributed/ranks.h>
#include <retort/export.h>

#include <cstdint>
#include <memory>
#include <string>

namespace retort {

/// The address and port of rank 0, taken before the ranks join: the others can be told where to join, and no other
/// process can take the port in between. For launchers that choose the port at run time, such as a cluster's scheduler.
///
/// Thread-safe.
class RETORT_API RanksListener {
 public:
  /// Takes the address and the port. Nothing is accepted before join(): ranks that come earlier try again.
  /// @param options those with which rank 0 joins. With port 0, the system chooses one that is free
  /// @throws c10::ValueError if an option is out of range, or the rank is not 0
  /// @throws RankError if the address is not one of this machine, or the port is taken
  explicit RanksListener(const RanksOptions& options);
  ~RanksListener();
  RanksListener(const RanksListener&) = delete;
  RanksListener& operator=(const RanksListener&) = delete;

  /// The numeric address that the other ranks give in their options.
  const std::string& address() const;
  /// The port that the other ranks give in their options.
  int64_t port() const;

  /// Joins as rank 0, and waits for all others. Once: the port belongs to the ranks from then on.
  /// @throws c10::ValueError if it was called before
  /// @throws RankError as Ranks::join() does
  std::shared_ptr<Ranks> join();

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace retort
