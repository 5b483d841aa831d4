#pragma once

namespace retort {

/// What errors of the ranks begin with.
inline constexpr const char* kRanks = "Ranks";

}  // namespace retort
