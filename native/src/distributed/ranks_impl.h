#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <retort/distributed/ranks.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "distributed/backend.h"
#include "distributed/store.h"

namespace retort {

class Group;

/// What the library needs of ranks.
struct Ranks::Impl : std::enable_shared_from_this<Ranks::Impl> {
  /// @param to_first see TimedStore
  Impl(
      Seat own_seat, c10::intrusive_ptr<c10d::Store> own_store, c10::Device own_device, NewBackend* backend,
      std::unique_ptr<Socket> to_first = nullptr);
  ~Impl();

  const Seat seat;
  Store store;
  /// Of the tensors that they exchange.
  const c10::Device device;
  NewBackend* const new_backend;
  /// Number of steps that were built with them; the same on all ranks.
  std::atomic<int64_t> steps{0};

  /// The calls of Ranks itself.
  enum class Call : int64_t { kAny, kOfFirst };
  /// Begins one on all ranks; returns their flags, on the CPU.
  at::Tensor meet(Call call, bool flag);

  /// Notes that a rank is gone or does not answer. No group of these ranks can go on.
  void lose(const std::string& reason);
  /// Why, if one is.
  std::optional<std::string> loss() const;

  std::mutex mutex;
  std::unique_ptr<Group> group;

 private:
  mutable std::mutex loss_mutex_;
  std::optional<std::string> loss_;
};

}  // namespace retort
