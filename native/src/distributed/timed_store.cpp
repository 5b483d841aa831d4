#include "distributed/timed_store.h"

#include <retort/errors.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "tensor/check.h"

namespace retort {
namespace {

using Milliseconds = std::chrono::milliseconds;

constexpr Milliseconds kShortestPoll(1);
constexpr Milliseconds kLongestPoll(50);

}  // namespace

bool poll_until(const std::function<bool()>& is_there, Milliseconds timeout) {
  const Deadline end = std::chrono::steady_clock::now() + timeout;
  for (Milliseconds pause = kShortestPoll; !is_there(); pause = std::min(2 * pause, kLongestPoll)) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(pause);
  }
  return true;
}

TimedStore::TimedStore(c10::intrusive_ptr<c10d::Store> store, Milliseconds timeout, std::unique_ptr<Socket> to_first)
    : c10d::Store(timeout), store_(std::move(store)), to_first_(std::move(to_first)) {}

template <typename Call>
auto TimedStore::ask(Call call, Milliseconds patience) {
  RETORT_CHECK_AS(RankError, !is_closed(), "Ranks: rank 0 must answer (got a closed connection)");
  // The thread may outlive this.
  auto answer = calls_.result_of([store = store_, call = std::move(call)] { return call(*store); }, patience);
  RETORT_CHECK_AS(
      RankError, answer.has_value(), "Ranks: rank 0 must answer within ", patience.count(), " ms (got nothing)");
  return *std::move(answer);
}

bool TimedStore::check(const std::vector<std::string>& keys, Milliseconds patience) {
  return ask([keys](c10d::Store& store) { return store.check(keys); }, patience);
}

std::vector<uint8_t> TimedStore::get(const std::string& key, Milliseconds patience) {
  // c10d's waits for the key, and no other call passes it meanwhile.
  RETORT_CHECK_AS(
      RankError, poll_until([&] { return check({key}, patience); }, patience), "Ranks: ", key, " must be set within ",
      patience.count(), " ms (got nothing)");
  return ask([key](c10d::Store& store) { return store.get(key); }, patience);
}

void TimedStore::set(const std::string& key, const std::vector<uint8_t>& value, Milliseconds patience) {
  ask(
      [key, value](c10d::Store& store) {
        store.set(key, value);
        // Only an answer shows that it has arrived.
        return store.check({key});
      },
      patience);
}

std::vector<uint8_t> TimedStore::set_first(
    const std::string& key, const std::vector<uint8_t>& value, Milliseconds patience) {
  return ask([key, value](c10d::Store& store) { return store.compareSet(key, {}, value); }, patience);
}

c10::intrusive_ptr<c10d::Store> TimedStore::clone() {
  return c10::intrusive_ptr<c10d::Store>::reclaim_copy(this);
}

void TimedStore::set(const std::string& key, const std::vector<uint8_t>& value) {
  set(key, value, timeout_);
}

std::vector<uint8_t> TimedStore::get(const std::string& key) {
  return get(key, timeout_);
}

int64_t TimedStore::add(const std::string& key, int64_t value) {
  return ask([=](c10d::Store& store) { return store.add(key, value); }, timeout_);
}

bool TimedStore::deleteKey(const std::string& key) {
  return ask([key](c10d::Store& store) { return store.deleteKey(key); }, timeout_);
}

bool TimedStore::check(const std::vector<std::string>& keys) {
  return check(keys, timeout_);
}

int64_t TimedStore::getNumKeys() {
  return ask([](c10d::Store& store) { return store.getNumKeys(); }, timeout_);
}

void TimedStore::wait(const std::vector<std::string>& keys) {
  wait(keys, timeout_);
}

void TimedStore::wait(const std::vector<std::string>& keys, const Milliseconds& timeout) {
  RETORT_CHECK_AS(
      RankError, poll_until([&] { return check(keys); }, timeout), "Ranks: all ranks must connect within ",
      timeout.count(), " ms (got only some)");
}

}  // namespace retort
