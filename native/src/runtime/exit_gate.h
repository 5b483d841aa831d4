#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace retort {

/// Keeps the static destructors of a process, LibTorch's among them, from running under calls of other threads: exit()
/// does not stop those, and they would work with what is destroyed already.
///
/// Closed, it lets no further call begin; close() waits for those that have begun. The thread that closes is let
/// through: it may be in a call itself, and destructors may make calls. Safe under threads.
class ExitGate {
 public:
  using Duration = std::chrono::milliseconds;

  /// Begins a call of this thread. A call within a call always begins.
  /// @param parking how long a call waits at the closed gate for the process to end
  /// @return false if the gate is closed and the process is still there after that
  bool enter(Duration parking);
  /// Ends it.
  void leave();

  /// Closes the gate.
  /// @return whether all calls of other threads have ended within that time
  bool close(Duration patience);

 private:
  /// Threads that are in a call.
  std::atomic<int64_t> running_{0};
  std::atomic<bool> closed_{false};
};

/// Where calls begin, a function-local static.
struct CallSite {
  std::atomic<uint64_t> calls{0};
};

/// A call of the library that uses LibTorch: exit() waits until it has ended, for 10 seconds, after which it ends the
/// process at once, with its status and without destructors. A call that begins after exit() was called waits for the
/// end of the process; one that meets none, since a destructor waits for its thread, fails after 20 seconds.
///
/// Costs three atomic additions. Handlers of exit() run in reverse order and LibTorch makes static objects during
/// calls, too, so the handler is registered again before and after a site's first calls: the first, second, fourth,
/// eighth and so on. What a call makes that is still running when exit() is called is destroyed too early: of note, the
/// first publication of a process, in which LibTorch's compiler makes static objects for some milliseconds.
///
///     static CallSite site;
///     const RunningCall running(site);
class RunningCall {
 public:
  /// @throws c10::Error if the process is about to end, but does not
  explicit RunningCall(CallSite& site);
  ~RunningCall();
  RunningCall(const RunningCall&) = delete;
  RunningCall& operator=(const RunningCall&) = delete;

 private:
  bool registers_;
};

/// The same for a destructor, which must not throw and, since another one may wait for its thread, must not wait for
/// the end of the process either.
class FinalCall {
 public:
  explicit FinalCall(CallSite& site);
  ~FinalCall();
  FinalCall(const FinalCall&) = delete;
  FinalCall& operator=(const FinalCall&) = delete;

  /// If not, the process is about to end, and nothing may be destroyed any more.
  bool has_begun() const { return has_begun_; }

 private:
  bool registers_;
  bool has_begun_;
};

}  // namespace retort
