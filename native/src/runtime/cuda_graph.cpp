#include "runtime/cuda_graph.h"

#include "tensor/check.h"

#ifdef RETORT_CUDA

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <atomic>
#include <exception>
#include <utility>

namespace retort {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

/// A number that no other pool has: LibTorch counts its own from 1 in the first place, and leaves the second 0.
c10::MempoolId_t next_pool() {
  static std::atomic<uint64_t> last{uint64_t{1} << 63};
  return {++last, 0};
}

/// Memory that belongs to one graph.
class Pool {
 public:
  explicit Pool(c10::DeviceIndex device) : device_(device), id_(next_pool()) {}

  ~Pool() {
    if (is_used_) allocator::releasePool(device_, id_);
  }

  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Takes from here what is allocated in a stream.
  void begin(cudaStream_t stream) {
    allocator::beginAllocateToPool(device_, id_, [stream](cudaStream_t other) { return other == stream; });
    is_used_ = true;
  }
  void end() { allocator::endAllocateToPool(device_, id_); }

 private:
  c10::DeviceIndex device_;
  c10::MempoolId_t id_;
  bool is_used_ = false;
};

}  // namespace

struct CudaGraph::Recorded {
  explicit Recorded(c10::Device on) : device(on), pool(on.index()) {}

  ~Recorded() {
    if (graph) C10_CUDA_CHECK_WARN(cudaGraphDestroy(graph));
    if (executable) C10_CUDA_CHECK_WARN(cudaGraphExecDestroy(executable));
  }

  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;

  void record(const c10::cuda::CUDAStream& stream, const std::function<void()>& work) {
    const c10::cuda::CUDAStreamGuard in_stream(stream);
    // While it records, the allocator can't give back what it has in its cache to make room.
    allocator::emptyCache();
    pool.begin(stream);
    std::exception_ptr failure;
    try {
      C10_CUDA_CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
      work();
    } catch (...) {
      failure = std::current_exception();
    }
    const cudaError_t ended = cudaStreamEndCapture(stream, &graph);
    pool.end();
    const cudaError_t made =
        failure || ended != cudaSuccess
            ? ended
            : cudaGraphInstantiateWithFlags(&executable, graph, cudaGraphInstantiateFlagAutoFreeOnLaunch);
    // So that the next kernel does not find the error of what has failed here.
    cudaGetLastError();
    if (failure) std::rethrow_exception(failure);
    C10_CUDA_CHECK(made);
    C10_CUDA_CHECK(cudaGraphDestroy(std::exchange(graph, nullptr)));
  }

  c10::Device device;
  Pool pool;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
};

CudaGraph::CudaGraph(const c10::Stream& stream, const std::function<void()>& work)
    : recorded_(std::make_unique<Recorded>(stream.device())) {
  recorded_->record(c10::cuda::CUDAStream(stream), work);
}

void CudaGraph::launch() const {
  const c10::cuda::CUDAGuard on_device(recorded_->device);
  C10_CUDA_CHECK(cudaGraphLaunch(recorded_->executable, c10::cuda::getCurrentCUDAStream()));
}

}  // namespace retort

#else

namespace retort {

struct CudaGraph::Recorded {};

CudaGraph::CudaGraph(const c10::Stream& stream, const std::function<void()>&) {
  fail("CudaGraph: device must be one of CUDA (got ", stream.device(), ", with natives that have no CUDA)");
}

void CudaGraph::launch() const {}

}  // namespace retort

#endif

namespace retort {

CudaGraph::~CudaGraph() = default;

}  // namespace retort
