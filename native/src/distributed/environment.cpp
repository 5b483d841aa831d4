// Ranks by the variables of torchrun.
#include "distributed/environment.h"

#include <c10/util/StringUtil.h>

#include <atomic>
#include <charconv>
#include <cstdlib>

#include "distributed/class_name.h"
#include "tensor/check.h"

namespace retort {
namespace {

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

std::string required(const char* name) {
  const std::optional<std::string> value = variable(name);
  RETORT_CHECK(value, kRanks, ": ", name, " must be set where RANK is (got none)");
  return *value;
}

int64_t number(const char* name, const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  RETORT_CHECK(
      error == std::errc() && end == text.data() + text.size() && value >= 0, kRanks, ": ", name,
      " must be a whole number from 0 (got '", text, "')");
  return value;
}

}  // namespace

std::optional<EnvironmentOptions> options_of_environment(RanksOptions options) {
  const std::optional<std::string> rank = variable("RANK");
  if (!rank) return std::nullopt;
  options.rank = number("RANK", *rank);
  options.size = number("WORLD_SIZE", required("WORLD_SIZE"));
  options.address = required("MASTER_ADDR");
  options.port = number("MASTER_PORT", required("MASTER_PORT"));
  if (options.device == "cuda") {
    if (const auto local = variable("LOCAL_RANK")) options.device += c10::str(":", number("LOCAL_RANK", *local));
  }
  if (const auto restarts = variable("TORCHELASTIC_RESTART_COUNT")) {
    options.job += c10::str("/restart ", number("TORCHELASTIC_RESTART_COUNT", *restarts));
  }
  const bool is_served = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
  if (is_served) {
    // That store outlives the ranks which meet there, and keeps what they have told each other.
    static std::atomic<int64_t> joins{0};
    options.job += c10::str("/join ", joins++);
  }
  return EnvironmentOptions{std::move(options), is_served};
}

}  // namespace retort
