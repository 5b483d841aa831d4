#pragma once

#include <retort/distributed/ranks.h>

#include <memory>
#include <optional>

#include "distributed/socket.h"

namespace retort {

/// @param may_choose_port whether port 0 means one that the system chooses
/// @throws c10::ValueError if an option is out of range
void check(const RanksOptions& options, bool may_choose_port);

/// Joins, and waits for all others.
/// @param keeps_store whether this process keeps the store, as rank 0 does unless a launcher does it
/// @param place of the store, if it is this process's and taken already
std::shared_ptr<Ranks> join_at(
    const RanksOptions& options, bool keeps_store, std::optional<Socket> place = std::nullopt);

}  // namespace retort
