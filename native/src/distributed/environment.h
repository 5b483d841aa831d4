#pragma once

#include <retort/distributed/ranks.h>

#include <optional>

namespace retort {

/// What the variables of torchrun say.
struct EnvironmentOptions {
  RanksOptions options;
  /// Whether the launcher keeps the store in the place of rank 0.
  bool launcher_keeps_store;
};

/// @param options what they do not say
/// @return nothing if RANK is not set
/// @throws c10::ValueError if a variable is missing or no number
std::optional<EnvironmentOptions> options_of_environment(RanksOptions options);

}  // namespace retort
