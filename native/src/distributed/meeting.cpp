#include "distributed/meeting.h"

#include <retort/errors.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "distributed/call_thread.h"
#include "distributed/class_name.h"
#include "tensor/check.h"

namespace retort {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

constexpr const char* kInterface = "GLOO_SOCKET_IFNAME";
constexpr Milliseconds kShortestPause(10);
constexpr Milliseconds kLongestPause(500);

Milliseconds left_until(Deadline end) {
  return std::max(std::chrono::duration_cast<Milliseconds>(end - Clock::now()), Milliseconds(1));
}

std::string place_of(const RanksOptions& options) {
  return c10::str(options.address, ":", options.port);
}

/// Looks names up in a thread, since those who know them may not answer.
std::vector<std::string> resolve(CallThread& calls, const std::string& host, Deadline end) {
  if (auto address = numeric_address(host)) return {*std::move(address)};
  auto found = calls.result_of([host] { return addresses_of(host); }, left_until(end));
  if (!found) throw std::runtime_error("no answer of the name's server");
  return *std::move(found);
}

std::unique_ptr<Socket> connection(CallThread& calls, const RanksOptions& options, Deadline end) {
  std::string reason;
  for (Milliseconds pause = kShortestPause;; pause = std::min(2 * pause, kLongestPause)) {
    try {
      // Each time anew: the machine may have to start first.
      return std::make_unique<Socket>(connected_socket(resolve(calls, options.address, end), options.port, end));
    } catch (const std::exception& error) {
      // What ends for lack of time says less than what failed before.
      if (reason.empty() || Clock::now() < end) reason = message_of(error);
    }
    RETORT_CHECK_AS(
        RankError, Clock::now() + pause < end, kRanks, ": rank 0 must be reached at ", place_of(options), " within ",
        options.timeout.count(), " ms (got ", reason, ")");
    std::this_thread::sleep_for(pause);
  }
}

c10::intrusive_ptr<c10d::Store> tcp_store(
    CallThread& calls, const RanksOptions& options, const std::string& address, std::optional<Socket> listening,
    Deadline end) {
  c10d::TCPStoreOptions tcp;
  tcp.port = static_cast<uint16_t>(options.port);
  tcp.isServer = listening.has_value();
  tcp.waitWorkers = false;
  tcp.timeout = options.timeout;
  if (listening) tcp.masterListenFd = listening->release();
  std::string reason = "nothing";
  try {
    const auto made = calls.result_of(
        [address, tcp]() -> c10::intrusive_ptr<c10d::Store> {
          return c10::make_intrusive<c10d::TCPStore>(address, tcp);
        },
        left_until(end));
    if (made) return *made;
  } catch (const std::exception& error) {
    reason = message_of(error);
  }
  fail<RankError>(
      kRanks, ": the store of rank 0 must answer at ", place_of(options), " within ", options.timeout.count(),
      " ms (got ", reason, ")");
}

/// @param address at which this process has to do with rank 0
std::string own_address(CallThread& calls, const RanksOptions& options, const std::string& address, Deadline end) {
  if (!options.own_address.empty()) {
    try {
      return bound_socket(resolve(calls, options.own_address, end), 0).own_address();
    } catch (const std::exception& error) {
      fail(
          kRanks, ": own_address must be one of this machine (got ", options.own_address, ": ", message_of(error), ")");
    }
  }
  const char* interfaces = std::getenv(kInterface);
  if (!interfaces || !*interfaces) return address;
  const std::string all = interfaces;
  try {
    return address_of_interface(all.substr(0, all.find(',')), address);
  } catch (const std::exception& error) {
    fail(kRanks, ": ", kInterface, " must name a network interface (got ", all, ": ", message_of(error), ")");
  }
}

}  // namespace

Socket place_of_store(const RanksOptions& options, Deadline end) {
  CallThread calls;
  std::optional<Socket> socket;
  try {
    socket.emplace(bound_socket(resolve(calls, options.address, end), options.port));
  } catch (const std::exception& error) {
    fail<RankError>(kRanks, ": rank 0 must be able to listen at ", place_of(options), " (got ", message_of(error), ")");
  }
  const std::string address = socket->own_address();
  RETORT_CHECK(
      address != "0.0.0.0" && address != "::", kRanks, ": address must be that of one machine (got ", options.address,
      ")");
  return std::move(*socket);
}

std::string goodbye_of(int64_t rank) {
  return c10::str("goodbye/", rank);
}

Meeting go_to_meeting(const RanksOptions& options, bool keeps_store, std::optional<Socket> place, Deadline end) {
  CallThread calls;
  Meeting meeting;
  std::string of_first;
  if (keeps_store) {
    if (!place) place.emplace(place_of_store(options, end));
    of_first = place->own_address();
    meeting.own_address = own_address(calls, options, of_first, end);
  } else {
    meeting.to_first = connection(calls, options, end);
    of_first = meeting.to_first->other_address();
    meeting.own_address = own_address(calls, options, meeting.to_first->own_address(), end);
  }
  meeting.store = c10::make_intrusive<c10d::PrefixStore>(
      "retort/" + options.job, tcp_store(calls, options, of_first, std::move(place), end));
  return meeting;
}

bool take_seat(Store& store, const Seat& seat) {
  if (store.find(goodbye_of(seat.rank))) return false;
  const std::string refusal = "seats/refused", size = "seats/size";
  const auto refuse = [&](const std::string& reason) {
    store.set(refusal, reason);
    fail<RankError>(reason);
  };
  const auto seat_of = [](int64_t rank) { return c10::str("seats/", rank); };
  const auto refused = [&] { return store.find(refusal); };
  if (store.count(seat_of(seat.rank) + "/processes") > 1) {
    refuse(c10::str(kRanks, ": rank must be that of one process (got several with ", seat.rank, ")"));
  }
  if (seat.rank == 0) store.set(size, std::to_string(seat.size));
  store.wait_for({size}, refused);
  const std::string size_of_first = *store.find(size);
  if (size_of_first != std::to_string(seat.size)) {
    refuse(c10::str(
        kRanks, ": size must be the same on all ranks (got ", size_of_first, " on rank 0 and ", seat.size, " on rank ",
        seat.rank, ")"));
  }
  store.set(seat_of(seat.rank), "taken");
  std::vector<std::string> seats;
  for (int64_t rank = 0; rank < seat.size; ++rank) seats.push_back(seat_of(rank));
  const std::optional<size_t> missing = store.find_missing(seats, refused);
  RETORT_CHECK_AS(
      RankError, !missing, kRanks, ": all ", seat.size, " ranks must join within ", seat.timeout.count(),
      " ms (got no rank ", *missing, ")");
  return true;
}

}  // namespace retort
