#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace retort {

/// A thread for calls that may not return in time: then it is left behind.
class CallThread {
 public:
  CallThread();
  ~CallThread();
  CallThread(const CallThread&) = delete;
  CallThread& operator=(const CallThread&) = delete;

  /// Makes a call in the thread, after those of others.
  /// @param call owns what it uses, for it may outlive the caller. What it throws is thrown here
  /// @return false if it did not return within that time, or one before it did not
  bool run(std::function<void()> call, std::chrono::milliseconds patience);

  /// The same for a call with a result.
  template <typename Call>
  auto result_of(Call call, std::chrono::milliseconds patience) {
    const auto result = std::make_shared<std::optional<decltype(call())>>();
    const bool has_returned = run([result, call = std::move(call)] { result->emplace(call()); }, patience);
    // Else the call may still write it.
    return has_returned ? std::move(*result) : std::nullopt;
  }

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::timed_mutex calls_;
};

}  // namespace retort
