#pragma once

#include <retort/distributed/ranks.h>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <memory>
#include <optional>
#include <string>

#include "distributed/backend.h"
#include "distributed/socket.h"
#include "distributed/store.h"

namespace retort {

/// Where the ranks meet before they are connected.
struct Meeting {
  c10::intrusive_ptr<c10d::Store> store;
  /// To the process that keeps the store; null in that process.
  std::unique_ptr<Socket> to_first;
  /// At which others reach this process.
  std::string own_address;
};

/// Takes the address and port of the store, at which nothing is accepted yet.
/// @param end until when to wait for the address of a name
/// @throws c10::ValueError if it is not the address of one machine
/// @throws RankError if it can't be taken
Socket place_of_store(const RanksOptions& options, Deadline end);

/// Opens the store, or waits until it is there.
/// @param keeps_store whether it is this process that does
/// @param place of the store, if it is taken already
/// @param end until when to wait
/// @throws c10::ValueError if an address is not one of this machine
/// @throws RankError if the store can't be opened, or is not there in time
Meeting go_to_meeting(const RanksOptions& options, bool keeps_store, std::optional<Socket> place, Deadline end);

/// The name of what a rank says in the store before it leaves.
std::string goodbye_of(int64_t rank);

/// Waits until each rank is there, once.
/// @return false if this rank has said goodbye in that store, which is then not the one where ranks meet
/// @throws RankError if one is not, or if ranks differ in their number
bool take_seat(Store& store, const Seat& seat);

}  // namespace retort
