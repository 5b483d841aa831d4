#pragma once

#include <retort/models/network.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tensor/check.h"
#include "tensor/spelling.h"

namespace retort {

/// A tap's place among those of a network, which must have it.
/// @param role of the network in the step, e.g. "student"
inline int64_t place_of_tap(const Network& network, const std::string& role, const std::string& tap) {
  const std::vector<std::string> taps = network.tap_names();
  const auto found = std::find(taps.begin(), taps.end(), tap);
  RETORT_CHECK(found != taps.end(), "TrainingStep: ", role, "'s tap must be ", one_of(taps, tap));
  return found - taps.begin();
}

}  // namespace retort
