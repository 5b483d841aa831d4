#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace retort {

/// Texts by name that all ranks see: what they tell each other before they have a group, and after one has failed.
/// Rank 0 keeps them.
class Store {
 public:
  Store(c10::intrusive_ptr<c10d::Store> store, std::chrono::milliseconds timeout)
      : store_(std::move(store)), timeout_(timeout) {}

  void set(const std::string& key, const std::string& text);
  /// Sets it unless another rank has.
  /// @return the text that it then has
  std::string set_first(const std::string& key, const std::string& text);
  /// Does not wait for others to set it.
  std::optional<std::string> find(const std::string& key);
  /// Waits until all of them are set.
  /// @param interrupted asked meanwhile; an error, not to wait any longer, or nothing
  /// @throws RankError with the interruption, or if the keys are not there in time
  void wait_for(
      const std::vector<std::string>& keys,
      const std::function<std::optional<std::string>()>& interrupted = [] { return std::nullopt; });
  std::string get(const std::string& key);

  /// For backends.
  const c10::intrusive_ptr<c10d::Store>& c10d() const { return store_; }

 private:
  c10::intrusive_ptr<c10d::Store> store_;
  std::chrono::milliseconds timeout_;
};

/// What an error of c10d or Gloo says, in one line without addresses of code.
std::string message_of(const std::exception& error);

}  // namespace retort
