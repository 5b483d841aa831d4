#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace retort {

/// What a process is among the others, and how it reaches them.
struct Seat {
  int64_t rank;
  int64_t size;
  /// At which the others reach it.
  std::string own_address;
  std::chrono::milliseconds timeout;
};

using NewBackend = c10::intrusive_ptr<c10d::Backend>(const c10::intrusive_ptr<c10d::Store>& store, const Seat& seat);

/// Connects a rank with the others, whom it finds through the store. Waits for them.
/// @throws std::exception of c10d's own kinds
NewBackend new_gloo_backend;
#ifdef RETORT_CUDA
NewBackend new_nccl_backend;
#endif

}  // namespace retort
