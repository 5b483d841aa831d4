#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distributed/timed_store.h"

namespace retort {

/// Texts by name that all ranks see: what they tell each other before they have a group, and after one has failed.
/// Rank 0 keeps them. All calls throw a RankError if it does not answer in time.
class Store {
 public:
  /// @param to_first see TimedStore
  Store(
      c10::intrusive_ptr<c10d::Store> store, std::chrono::milliseconds timeout,
      std::unique_ptr<Socket> to_first = nullptr);

  void set(const std::string& key, const std::string& text) { set(key, text, timeout_); }
  /// @param patience for an answer
  void set(const std::string& key, const std::string& text, std::chrono::milliseconds patience);
  /// Sets it unless another rank has.
  /// @return the text that it then has
  std::string set_first(const std::string& key, const std::string& text) { return set_first(key, text, timeout_); }
  /// @param patience for an answer
  std::string set_first(const std::string& key, const std::string& text, std::chrono::milliseconds patience);
  /// Does not wait for others to set it.
  std::optional<std::string> find(const std::string& key) { return find(key, timeout_); }
  /// @param patience for an answer
  std::optional<std::string> find(const std::string& key, std::chrono::milliseconds patience);
  /// How many have counted with that key, this one included.
  int64_t count(const std::string& key);
  /// Waits until all of them are set.
  /// @param interrupted asked meanwhile; an error, not to wait any longer, or nothing
  /// @throws RankError with the interruption if the keys are not set by then, or if they are not there in time
  void wait_for(
      const std::vector<std::string>& keys,
      const std::function<std::optional<std::string>()>& interrupted = [] { return std::nullopt; });
  /// The same, without an error for keys that are not there in time.
  /// @return the place of the first that is missing, or nothing
  std::optional<size_t> find_missing(
      const std::vector<std::string>& keys, const std::function<std::optional<std::string>()>& interrupted);
  std::string get(const std::string& key);

  /// Whether it is this process that keeps them.
  bool is_kept_here() const { return store_->is_kept_here(); }
  /// Whether rank 0 has closed the connection.
  bool is_closed() const { return store_->is_closed(); }
  /// For backends.
  c10::intrusive_ptr<c10d::Store> c10d() const { return store_; }

 private:
  c10::intrusive_ptr<TimedStore> store_;
  std::chrono::milliseconds timeout_;
};

/// What an error of c10d or Gloo says, in one line without addresses of code.
std::string message_of(const std::exception& error);

}  // namespace retort
