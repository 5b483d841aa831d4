#include "distributed/store.h"

#include <retort/errors.h>

#include <utility>

#include "tensor/check.h"

namespace retort {
namespace {

/// Calls the store, whose errors become RankErrors.
template <typename Call>
auto asked(const Call& call) {
  try {
    return call();
  } catch (const RankError&) {
    throw;
  } catch (const std::exception& error) {
    fail<RankError>("Ranks: rank 0 must answer (got ", message_of(error), ")");
  }
}

}  // namespace

Store::Store(c10::intrusive_ptr<c10d::Store> store, std::chrono::milliseconds timeout, std::unique_ptr<Socket> to_first)
    : store_(c10::make_intrusive<TimedStore>(std::move(store), timeout, std::move(to_first))), timeout_(timeout) {}

void Store::set(const std::string& key, const std::string& text, std::chrono::milliseconds patience) {
  asked([&] { store_->set(key, std::vector<uint8_t>(text.begin(), text.end()), patience); });
}

std::string Store::set_first(const std::string& key, const std::string& text, std::chrono::milliseconds patience) {
  return asked([&] {
    const std::vector<uint8_t> first = store_->set_first(key, std::vector<uint8_t>(text.begin(), text.end()), patience);
    return std::string(first.begin(), first.end());
  });
}

std::optional<std::string> Store::find(const std::string& key, std::chrono::milliseconds patience) {
  return asked([&]() -> std::optional<std::string> {
    if (!store_->check({key}, patience)) return std::nullopt;
    const std::vector<uint8_t> text = store_->get(key, patience);
    return std::string(text.begin(), text.end());
  });
}

int64_t Store::count(const std::string& key) {
  return asked([&] { return store_->add(key, 1); });
}

std::optional<size_t> Store::find_missing(
    const std::vector<std::string>& keys, const std::function<std::optional<std::string>()>& interrupted) {
  const auto are_set = [&] { return asked([&] { return store_->check(keys, timeout_); }); };
  const auto are_there = [&] {
    if (are_set()) return true;
    const std::optional<std::string> reason = interrupted();
    if (!reason) return false;
    // The rank that interrupts may have set the last of them before.
    if (!are_set()) fail<RankError>(*reason);
    return true;
  };
  if (poll_until(are_there, timeout_)) return std::nullopt;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (!find(keys[i])) return i;
  }
  return std::nullopt;
}

void Store::wait_for(
    const std::vector<std::string>& keys, const std::function<std::optional<std::string>()>& interrupted) {
  const std::optional<size_t> missing = find_missing(keys, interrupted);
  RETORT_CHECK_AS(
      RankError, !missing, "Ranks: all ranks must join within ", timeout_.count(), " ms (got none for ", keys[*missing],
      ")");
}

std::string Store::get(const std::string& key) {
  wait_for({key});
  return *find(key);
}

std::string message_of(const std::exception& error) {
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  const std::string all = of_torch ? of_torch->what_without_backtrace() : error.what();
  std::string line = all.substr(0, all.find('\n'));
  // Gloo begins with a place in its source.
  const size_t end = line.find("] ");
  if (line.compare(0, 1, "[") == 0 && end != std::string::npos && line.rfind(".cc:", end) != std::string::npos) {
    line.erase(0, end + 2);
  }
  return line;
}

}  // namespace retort
