#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "runtime.h"

struct CUgraphNode_st {
  cudaGraphNodeType type;
  std::function<void()> work;
  std::vector<cudaGraphNode_t> dependencies;
};

/// Nodes in an order in which they can run.
struct CUgraph_st {
  std::vector<std::unique_ptr<CUgraphNode_st>> nodes;
};

namespace retort::stand_in {

/// A capture from its begin to its end.
struct Capture {
  unsigned long long id = 0;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id thread = std::this_thread::get_id();
  cudaStream_t origin = nullptr;
  /// All that take part.
  std::vector<cudaStream_t> streams;
  std::unique_ptr<CUgraph_st> graph = std::make_unique<CUgraph_st>();
  bool is_invalidated = false;
  bool has_ended = false;
};

/// Adds a node to the capture of a stream.
cudaError_t record(CUstream_st& stream, cudaGraphNodeType type, std::function<void()> work);

/// Lets a stream take part in a capture from what other streams have recorded on.
cudaError_t join(
    CUstream_st& stream, const std::shared_ptr<Capture>& capture, const std::vector<cudaGraphNode_t>& after);
void end(const std::shared_ptr<Capture>& capture);

/// Makes a capture fail, as a forbidden call does. Returns the error.
cudaError_t invalidate(Capture& capture, cudaError_t error);

/// Of calls that are unsafe while streams are captured: whether the captures and the thread's mode allow them now. If
/// not, the captures in their way are invalid from now on.
cudaError_t check_safe();

/// Whether work in a stream is allowed: not in the legacy default stream while one that waits for it is captured.
cudaError_t check_legacy(cudaStream_t stream);

/// Of calls that are never allowed while a stream is captured.
cudaError_t check_no_capture();

}  // namespace retort::stand_in
