#include "runtime/exit_gate.h"

#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "tensor/check.h"

namespace retort {
namespace {

constexpr ExitGate::Duration kPatience = std::chrono::seconds(10);
constexpr ExitGate::Duration kParking = 2 * kPatience;
constexpr ExitGate::Duration kInterval = std::chrono::milliseconds(1);

/// Calls that this thread is in, one in the other.
thread_local int64_t depth = 0;
thread_local bool closes = false;

/// Never destroyed: threads may be parked in it until the process has ended.
ExitGate& instance() {
  static ExitGate& gate = *new ExitGate;
  return gate;
}

/// The threads in calls are this process's only, not those of one that is forked from it.
const pid_t kProcess = ::getpid();

void close_at_exit(int status, void*) {
  if (::getpid() != kProcess) return;
  if (!instance().close(kPatience)) ::_exit(status);
}

void register_handler() {
  ::on_exit(&close_at_exit, nullptr);
}

/// Counts a call; returns whether the handler is to be registered around it.
bool registers(CallSite& site) {
  const uint64_t count = ++site.calls;
  const bool is_power_of_two = (count & (count - 1)) == 0;
  if (is_power_of_two) register_handler();
  return is_power_of_two;
}

void leave(bool registered) {
  if (registered) register_handler();
  instance().leave();
}

/// Waits until a condition holds; returns whether it does.
template <typename Condition>
bool wait_until(ExitGate::Duration longest, Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + longest;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kInterval);
  }
  return true;
}

}  // namespace

bool ExitGate::enter(Duration parking) {
  if (depth == 0) {
    // Counted before the look at the gate, so that close() misses nobody.
    ++running_;
    if (closed_ && !closes) {
      --running_;
      return wait_until(parking, [] { return false; });
    }
  }
  ++depth;
  return true;
}

void ExitGate::leave() {
  if (--depth == 0) --running_;
}

bool ExitGate::close(Duration patience) {
  closes = true;
  closed_ = true;
  const int64_t own = depth > 0 ? 1 : 0;
  return wait_until(patience, [&] { return running_ <= own; });
}

RunningCall::RunningCall(CallSite& site) : registers_(registers(site)) {
  if (!instance().enter(kParking)) fail("Retort: call must begin before the process ends (got one after exit)");
}

RunningCall::~RunningCall() {
  leave(registers_);
}

FinalCall::FinalCall(CallSite& site)
    : registers_(registers(site)), has_begun_(instance().enter(ExitGate::Duration::zero())) {}

FinalCall::~FinalCall() {
  if (has_begun_) leave(registers_);
}

}  // namespace retort
