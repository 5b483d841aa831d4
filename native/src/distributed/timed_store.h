#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "distributed/call_thread.h"
#include "distributed/socket.h"

namespace retort {

/// A store whose calls end within a time. Those of c10d's TCPStore wait for rank 0 for ever if its process is stopped
/// or its machine is lost. After one that did not end in time, all others throw at once.
class TimedStore final : public c10d::Store {
 public:
  /// @param timeout of each call
  /// @param to_first a connection to where the store is kept, on which nothing is sent; null if that is this process.
  /// Once it is closed, calls throw without asking c10d, which would write a page of warnings to standard error
  TimedStore(
      c10::intrusive_ptr<c10d::Store> store, std::chrono::milliseconds timeout, std::unique_ptr<Socket> to_first);

  bool is_kept_here() const { return !to_first_; }
  bool is_closed() const { return to_first_ && !to_first_->is_quiet(); }
  bool check(const std::vector<std::string>& keys, std::chrono::milliseconds patience);
  std::vector<uint8_t> get(const std::string& key, std::chrono::milliseconds patience);
  void set(const std::string& key, const std::vector<uint8_t>& value, std::chrono::milliseconds patience);
  /// Sets it unless it is set; returns what it then is.
  std::vector<uint8_t> set_first(
      const std::string& key, const std::vector<uint8_t>& value, std::chrono::milliseconds patience);

  using c10d::Store::set;
  c10::intrusive_ptr<c10d::Store> clone() override;
  void set(const std::string& key, const std::vector<uint8_t>& value) override;
  std::vector<uint8_t> get(const std::string& key) override;
  int64_t add(const std::string& key, int64_t value) override;
  bool deleteKey(const std::string& key) override;
  bool check(const std::vector<std::string>& keys) override;
  int64_t getNumKeys() override;
  void wait(const std::vector<std::string>& keys) override;
  void wait(const std::vector<std::string>& keys, const std::chrono::milliseconds& timeout) override;

 private:
  template <typename Call>
  auto ask(Call call, std::chrono::milliseconds patience);

  const c10::intrusive_ptr<c10d::Store> store_;
  const std::unique_ptr<Socket> to_first_;
  CallThread calls_;
};

/// Calls until it is true, first often and then less so.
/// @param is_there throws to end the waiting
/// @return false if it was not in time
bool poll_until(const std::function<bool()>& is_there, std::chrono::milliseconds timeout);

}  // namespace retort
