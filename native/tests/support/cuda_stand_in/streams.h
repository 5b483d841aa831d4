#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "runtime.h"

namespace retort::stand_in {

struct Capture;
class Queue;

/// A place in a stream's order of work.
struct Mark {
  std::shared_ptr<Queue> queue;
  uint64_t position = 0;

  bool is_reached() const;
  /// Does the work up to here, and what it depends on.
  void reach() const;
};

/// The work of a stream that nobody has waited for yet.
class Queue : public std::enable_shared_from_this<Queue> {
 public:
  /// @param after what must be done before
  void push(std::function<void()> work, std::vector<Mark> after);
  Mark end();

 private:
  friend Mark;
  struct Item {
    std::function<void()> work;
    std::vector<Mark> after;
  };

  std::deque<Item> pending_;
  uint64_t done_ = 0;
};

/// The stream of a handle; null if there is none such.
cudaStream_t stream_of(cudaStream_t handle);
cudaStream_t legacy_stream();

/// Does all work of all streams.
void finish_all();

/// Puts work into a stream, be it captured or not.
cudaError_t submit(cudaStream_t handle, cudaGraphNodeType type, std::function<void()> work);

/// The same for work that the host waits for: not in a stream that is captured.
cudaError_t submit_and_wait(cudaStream_t handle, std::function<void()> work);

/// A kernel, which does nothing.
cudaError_t submit_kernel(cudaStream_t handle);

}  // namespace retort::stand_in

struct CUstream_st {
  std::shared_ptr<retort::stand_in::Queue> queue = std::make_shared<retort::stand_in::Queue>();
  /// Whether the legacy default stream and this one wait for each other.
  bool is_blocking = true;
  int priority = 0;
  /// The capture that it takes part in, and what the next node depends on.
  std::shared_ptr<retort::stand_in::Capture> capture;
  std::vector<cudaGraphNode_t> tail;
};
