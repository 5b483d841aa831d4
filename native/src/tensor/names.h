#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace retort {

/// Whether a dotted name is that of `whole` or of something within, as "layer1.0.conv1" is within "layer1".
inline bool is_part_of(const std::string& name, const std::string& whole) {
  return name.compare(0, whole.size(), whole) == 0 && (name.size() == whole.size() || name[whole.size()] == '.');
}

/// Whether a dotted name is that of one of `wholes` or of something within.
inline bool is_among(const std::string& name, const std::vector<std::string>& wholes) {
  return std::any_of(wholes.begin(), wholes.end(), [&](const std::string& whole) { return is_part_of(name, whole); });
}

}  // namespace retort
