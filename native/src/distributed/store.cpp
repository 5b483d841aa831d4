#include "distributed/store.h"

#include <algorithm>
#include <thread>

#include "tensor/check.h"

namespace retort {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kShortestPause(1);
constexpr std::chrono::milliseconds kLongestPause(50);

/// Calls the store, whose errors become RankErrors.
template <typename Call>
auto asked(const Call& call) {
  try {
    return call();
  } catch (const std::exception& error) {
    fail<RankError>("Ranks: rank 0 must answer (got ", message_of(error), ")");
  }
}

}  // namespace

void Store::set(const std::string& key, const std::string& text) {
  asked([&] {
    store_->set(key, text);
    // Only an answer shows that it has arrived.
    return store_->check({key});
  });
}

std::string Store::set_first(const std::string& key, const std::string& text) {
  return asked([&] { return store_->compareSet(key, std::string(), text); });
}

std::optional<std::string> Store::find(const std::string& key) {
  return asked([&] { return store_->check({key}) ? std::optional(store_->get_to_str(key)) : std::nullopt; });
}

void Store::wait_for(
    const std::vector<std::string>& keys, const std::function<std::optional<std::string>()>& interrupted) {
  const Clock::time_point end = Clock::now() + timeout_;
  // Not c10d's own wait, which nothing interrupts and which no other thread may pass.
  for (auto pause = kShortestPause;; pause = std::min(2 * pause, kLongestPause)) {
    if (asked([&] { return store_->check(keys); })) return;
    if (const std::optional<std::string> reason = interrupted()) fail<RankError>(*reason);
    RETORT_CHECK_AS(
        RankError, Clock::now() < end, "Ranks: all ranks must come within ", timeout_.count(), " ms (got none for ",
        *std::find_if(keys.begin(), keys.end(), [&](const auto& key) { return !find(key); }), ")");
    std::this_thread::sleep_for(pause);
  }
}

std::string Store::get(const std::string& key) {
  wait_for({key});
  return *find(key);
}

std::string message_of(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  const std::string all = of_torch ? of_torch->what_without_backtrace() : error.what();
  return all.substr(0, all.find('\n'));
}

}  // namespace retort
