// The stand-in for CUDA's runtime against what CUDA documents, above all about the capture of streams.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cuda_stand_in/stand_in.h"

namespace {

constexpr size_t kBytes = 64;

class StandIn : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!stand_in) GTEST_SKIP() << "the stand-in for CUDA's runtime is not loaded";
    for (cudaStream_t* stream : {&stream_, &other_}) {
      ASSERT_EQ(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), cudaSuccess);
    }
    ASSERT_EQ(cudaStreamCreate(&blocking_), cudaSuccess);
    for (cudaEvent_t* event : {&event_, &second_}) {
      ASSERT_EQ(cudaEventCreateWithFlags(event, cudaEventDisableTiming), cudaSuccess);
    }
    ASSERT_EQ(cudaMalloc(reinterpret_cast<void**>(&device_), kBytes), cudaSuccess);
    ASSERT_EQ(cudaHostAlloc(reinterpret_cast<void**>(&locked_), kBytes, cudaHostAllocDefault), cudaSuccess);
  }

  void TearDown() override {
    if (!stand_in) return;
    stand_in->fail_allocation(0, false);
    for (cudaStream_t stream : {stream_, other_, blocking_}) EXPECT_EQ(cudaStreamDestroy(stream), cudaSuccess);
    for (cudaEvent_t event : {event_, second_}) EXPECT_EQ(cudaEventDestroy(event), cudaSuccess);
    EXPECT_EQ(cudaFree(device_), cudaSuccess);
    EXPECT_EQ(cudaFreeHost(locked_), cudaSuccess);
    cudaGetLastError();
  }

  void begin(cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal) {
    ASSERT_EQ(cudaStreamBeginCapture(stream_, mode), cudaSuccess);
  }
  cudaError_t end(cudaGraph_t* graph = nullptr) {
    cudaGraph_t ended = nullptr;
    const cudaError_t error = cudaStreamEndCapture(stream_, &ended);
    EXPECT_EQ(ended != nullptr, error == cudaSuccess);
    if (graph) {
      *graph = ended;
    } else if (ended) {
      cudaGraphDestroy(ended);
    }
    return error;
  }
  static cudaError_t launch(cudaStream_t stream) {
    return cudaLaunchKernel(nullptr, dim3(1), dim3(32), nullptr, 0, stream);
  }
  /// What lies on the device.
  std::string content() const {
    std::string text(kBytes, '?');
    EXPECT_EQ(cudaMemcpy(text.data(), device_, kBytes, cudaMemcpyDeviceToHost), cudaSuccess);
    return text.c_str();
  }
  void write(const char* text) const { std::strncpy(locked_, text, kBytes); }

  static inline const RetortCudaStandIn* const stand_in = retort::test::cuda_stand_in();
  cudaStream_t stream_ = nullptr, other_ = nullptr, blocking_ = nullptr;
  cudaEvent_t event_ = nullptr, second_ = nullptr;
  char* device_ = nullptr;
  char* locked_ = nullptr;
};

// ---- memory ---------------------------------------------------------------------------------------------------------

TEST_F(StandIn, DeviceMemoryIsOutOfTheHostsReach) {
  EXPECT_EXIT(*static_cast<volatile char*>(device_) = 1, ::testing::KilledBySignal(SIGSEGV), "");
  EXPECT_EXIT(std::exit(*static_cast<volatile char*>(device_)), ::testing::KilledBySignal(SIGSEGV), "");
}

TEST_F(StandIn, DeviceMemoryIsZeroAgainAfterItWasFreed) {
  void* memory = nullptr;
  ASSERT_EQ(cudaMalloc(&memory, kBytes), cudaSuccess);
  ASSERT_EQ(cudaMemset(memory, 7, kBytes), cudaSuccess);
  ASSERT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_EQ(cudaFree(memory), cudaErrorInvalidValue);
  void* again = nullptr;
  ASSERT_EQ(cudaMalloc(&again, kBytes), cudaSuccess);
  EXPECT_EQ(again, memory);
  std::vector<char> bytes(kBytes, 1);
  ASSERT_EQ(cudaMemcpy(bytes.data(), again, kBytes, cudaMemcpyDefault), cudaSuccess);
  EXPECT_EQ(bytes, std::vector<char>(kBytes, 0));
  EXPECT_EQ(cudaFree(again), cudaSuccess);
}

TEST_F(StandIn, CopiesThatGoTooFarAreRefused) {
  std::vector<char> bytes(2 * kBytes);
  EXPECT_EQ(cudaMemcpy(device_, bytes.data(), kBytes + 1, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(bytes.data(), device_ + 1, kBytes, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemcpy(device_, bytes.data(), kBytes, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemset(device_, 0, kBytes + 1), cudaErrorInvalidValue);
}

TEST_F(StandIn, AllocationsFailOnDemand) {
  void* memory = nullptr;
  stand_in->fail_allocation(2, /*and_later=*/false);
  EXPECT_EQ(cudaMalloc(&memory, 1), cudaSuccess);
  cudaFree(memory);
  EXPECT_EQ(cudaMalloc(&memory, 1), cudaErrorMemoryAllocation);
  EXPECT_EQ(memory, nullptr);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  EXPECT_EQ(cudaMalloc(&memory, 1), cudaSuccess);
  cudaFree(memory);
  stand_in->fail_allocation(1, /*and_later=*/true);
  EXPECT_EQ(cudaMalloc(&memory, 1), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaHostAlloc(&memory, 1, 0), cudaErrorMemoryAllocation);
}

TEST_F(StandIn, CountsBytes) {
  const RetortCudaCounts before = stand_in->counts();
  void* memory = nullptr;
  ASSERT_EQ(cudaMalloc(&memory, 1000), cudaSuccess);
  EXPECT_EQ(stand_in->counts().device_bytes, before.device_bytes + 1000);
  EXPECT_EQ(stand_in->counts().allocations, before.allocations + 1);
  size_t free = 0, total = 0;
  ASSERT_EQ(cudaMemGetInfo(&free, &total), cudaSuccess);
  EXPECT_EQ(total - free, static_cast<size_t>(before.device_bytes) + 1000);
  ASSERT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_EQ(stand_in->counts().device_bytes, before.device_bytes);
}

TEST_F(StandIn, TellsWhereMemoryLies) {
  cudaPointerAttributes attributes;
  ASSERT_EQ(cudaPointerGetAttributes(&attributes, device_ + 1), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
  ASSERT_EQ(cudaPointerGetAttributes(&attributes, locked_), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeHost);
  ASSERT_EQ(cudaPointerGetAttributes(&attributes, &attributes), cudaSuccess);
  EXPECT_EQ(attributes.type, cudaMemoryTypeUnregistered);
}

// ---- streams --------------------------------------------------------------------------------------------------------

TEST_F(StandIn, CopiesFromLockedMemoryHappenLater) {
  write("early");
  ASSERT_EQ(cudaMemcpyAsync(device_, locked_, kBytes, cudaMemcpyHostToDevice, stream_), cudaSuccess);
  write("late");
  EXPECT_EQ(cudaStreamQuery(stream_), cudaErrorNotReady);
  EXPECT_EQ(cudaStreamQuery(stream_), cudaSuccess);
  EXPECT_EQ(content(), "late") << "who writes before the copy is done spoils it";
}

TEST_F(StandIn, CopiesToLockedMemoryMustBeWaitedFor) {
  write("before");
  ASSERT_EQ(cudaMemcpyAsync(locked_, device_, kBytes, cudaMemcpyDeviceToHost, stream_), cudaSuccess);
  EXPECT_STREQ(locked_, "before");
  const int64_t waits = stand_in->counts().host_waits;
  ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  EXPECT_STREQ(locked_, "");
  EXPECT_EQ(stand_in->counts().host_waits, waits + 1);
}

TEST_F(StandIn, CopiesOfOtherMemoryWait) {
  char text[kBytes] = "text";
  const int64_t waits = stand_in->counts().host_waits;
  ASSERT_EQ(cudaMemcpyAsync(device_, text, kBytes, cudaMemcpyHostToDevice, stream_), cudaSuccess);
  EXPECT_EQ(stand_in->counts().host_waits, waits + 1);
  text[0] = 'n';
  EXPECT_EQ(content(), "text");
}

TEST_F(StandIn, StreamsWaitForEachOtherByEventsOnly) {
  write("text");
  ASSERT_EQ(cudaMemcpyAsync(device_, locked_, kBytes, cudaMemcpyHostToDevice, other_), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  EXPECT_EQ(content(), "") << "the legacy default stream doesn't wait for streams that are not blocking";
  ASSERT_EQ(cudaEventRecord(event_, other_), cudaSuccess);
  EXPECT_EQ(cudaEventQuery(second_), cudaSuccess) << "never recorded";
  ASSERT_EQ(cudaStreamWaitEvent(stream_, event_, 0), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
  EXPECT_EQ(content(), "text");
  EXPECT_EQ(cudaEventQuery(event_), cudaSuccess);
}

TEST_F(StandIn, TheLegacyStreamAndBlockingStreamsWaitForEachOther) {
  write("text");
  ASSERT_EQ(cudaMemcpyAsync(device_, locked_, kBytes, cudaMemcpyHostToDevice, blocking_), cudaSuccess);
  EXPECT_EQ(content(), "text");
  ASSERT_EQ(cudaMemsetAsync(device_, 0, kBytes, cudaStreamLegacy), cudaSuccess);
  ASSERT_EQ(cudaMemcpyAsync(locked_, device_, kBytes, cudaMemcpyDeviceToHost, blocking_), cudaSuccess);
  ASSERT_EQ(cudaStreamSynchronize(blocking_), cudaSuccess);
  EXPECT_STREQ(locked_, "");
}

TEST_F(StandIn, RefusesLaunchesThatNoDeviceTakes) {
  EXPECT_EQ(cudaLaunchKernel(nullptr, dim3(1), dim3(2048), nullptr, 0, stream_), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaLaunchKernel(nullptr, dim3(0), dim3(32), nullptr, 0, stream_), cudaErrorInvalidConfiguration);
  EXPECT_EQ(cudaLaunchKernel(nullptr, dim3(1, 1 << 16), dim3(32), nullptr, 0, stream_), cudaErrorInvalidConfiguration);
}

// ---- capture --------------------------------------------------------------------------------------------------------

TEST_F(StandIn, GraphsDoWhatWasCaptured) {
  write("first");
  const RetortCudaCounts before = stand_in->counts();
  begin();
  ASSERT_EQ(cudaMemcpyAsync(device_, locked_, kBytes, cudaMemcpyHostToDevice, stream_), cudaSuccess);
  ASSERT_EQ(launch(stream_), cudaSuccess);
  ASSERT_EQ(cudaMemsetAsync(device_, 'F', 1, stream_), cudaSuccess);
  cudaStreamCaptureStatus status;
  ASSERT_EQ(cudaStreamIsCapturing(stream_, &status), cudaSuccess);
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  cudaGraph_t graph = nullptr;
  ASSERT_EQ(end(&graph), cudaSuccess);
  ASSERT_EQ(cudaStreamIsCapturing(stream_, &status), cudaSuccess);
  EXPECT_EQ(status, cudaStreamCaptureStatusNone);
  size_t nodes = 0;
  ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
  EXPECT_EQ(nodes, 3u);
  cudaGraphExec_t executable = nullptr;
  ASSERT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  EXPECT_EQ(content(), "");
  for (const char* text : {"first", "again"}) {
    write(text);
    ASSERT_EQ(cudaGraphLaunch(executable, stream_), cudaSuccess);
    ASSERT_EQ(cudaStreamSynchronize(stream_), cudaSuccess);
    EXPECT_EQ(content(), std::string("F") + (text + 1));
  }
  ASSERT_EQ(cudaGraphExecDestroy(executable), cudaSuccess);
  const RetortCudaCounts after = stand_in->counts();
  EXPECT_EQ(after.launches, before.launches);
  EXPECT_EQ(after.recorded, before.recorded + 1);
  EXPECT_EQ(after.replayed, before.replayed + 2);
  EXPECT_EQ(after.graph_launches, before.graph_launches + 2);
}

TEST_F(StandIn, CaptureForksAndJoins) {
  begin();
  ASSERT_EQ(launch(stream_), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(other_, event_, 0), cudaSuccess);
  ASSERT_EQ(launch(other_), cudaSuccess);
  ASSERT_EQ(launch(stream_), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(second_, other_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(stream_, second_, 0), cudaSuccess);
  cudaStreamCaptureStatus status;
  size_t dependencies = 0;
  ASSERT_EQ(cudaStreamGetCaptureInfo(stream_, &status, nullptr, nullptr, nullptr, nullptr, &dependencies), cudaSuccess);
  EXPECT_EQ(dependencies, 2u);
  EXPECT_EQ(end(), cudaSuccess);
  EXPECT_EQ(launch(other_), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(other_, event_, 0), cudaErrorCapturedEvent);
}

TEST_F(StandIn, CaptureMustBeJoined) {
  begin();
  ASSERT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(other_, event_, 0), cudaSuccess);
  ASSERT_EQ(launch(other_), cudaSuccess);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(end(), cudaErrorStreamCaptureUnjoined);
  EXPECT_EQ(cudaStreamEndCapture(stream_, &graph), cudaErrorIllegalState) << "it has ended";
}

TEST_F(StandIn, CaptureEndsWhereItBegan) {
  begin();
  ASSERT_EQ(cudaEventRecord(event_, stream_), cudaSuccess);
  ASSERT_EQ(cudaStreamWaitEvent(other_, event_, 0), cudaSuccess);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(other_, &graph), cudaErrorStreamCaptureUnmatched);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  begin();
  std::thread([&] { EXPECT_EQ(end(), cudaErrorStreamCaptureWrongThread); }).join();
  EXPECT_EQ(end(), cudaSuccess);
  begin(cudaStreamCaptureModeRelaxed);
  std::thread([&] { EXPECT_EQ(end(), cudaSuccess); }).join();
}

TEST_F(StandIn, TheLegacyStreamIsNotCaptured) {
  EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
  begin();
  EXPECT_EQ(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeGlobal), cudaErrorIllegalState);
  EXPECT_EQ(end(), cudaSuccess);
}

TEST_F(StandIn, CapturesDoNotMerge) {
  begin();
  ASSERT_EQ(cudaStreamBeginCapture(other_, cudaStreamCaptureModeGlobal), cudaSuccess);
  ASSERT_EQ(cudaEventRecord(event_, other_), cudaSuccess);
  EXPECT_EQ(cudaStreamWaitEvent(stream_, event_, 0), cudaErrorStreamCaptureMerge);
  EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(other_, &graph), cudaErrorStreamCaptureInvalidated);
}

/// What no mode allows: the error, and that it invalidates the capture.
TEST_F(StandIn, CaptureForbids) {
  char pageable[kBytes] = {};
  const std::vector<std::pair<cudaError_t, std::function<cudaError_t()>>> forbidden = {
      {cudaErrorStreamCaptureUnsupported, [&] { return cudaStreamSynchronize(stream_); }},
      {cudaErrorStreamCaptureUnsupported, [&] { return cudaStreamQuery(stream_); }},
      {cudaErrorStreamCaptureUnsupported, [&] { return cudaDeviceSynchronize(); }},
      {cudaErrorStreamCaptureUnsupported,
       [&] { return cudaMemcpyAsync(device_, pageable, kBytes, cudaMemcpyHostToDevice, stream_); }},
      {cudaErrorStreamCaptureUnsupported,
       [&] { return cudaMemcpyAsync(pageable, device_, kBytes, cudaMemcpyDeviceToHost, stream_); }},
      {cudaErrorCapturedEvent,
       [&] { return cudaEventRecord(event_, stream_) == cudaSuccess ? cudaEventQuery(event_) : cudaSuccess; }},
      {cudaErrorCapturedEvent,
       [&] { return cudaEventRecord(event_, stream_) == cudaSuccess ? cudaEventSynchronize(event_) : cudaSuccess; }},
      {cudaErrorStreamCaptureIsolation,
       [&] {
         return cudaEventRecord(second_, other_) == cudaSuccess ? cudaStreamWaitEvent(stream_, second_, 0)
                                                                : cudaSuccess;
       }},
      {cudaErrorStreamCaptureImplicit, [&] {
         return cudaEventRecord(event_, stream_) == cudaSuccess ? cudaStreamWaitEvent(nullptr, event_, 0) : cudaSuccess;
       }}};
  for (auto mode : {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal, cudaStreamCaptureModeRelaxed}) {
    for (size_t i = 0; i < forbidden.size(); ++i) {
      SCOPED_TRACE(std::to_string(i) + " in mode " + std::to_string(mode));
      begin(mode);
      EXPECT_EQ(forbidden[i].second(), forbidden[i].first);
      EXPECT_EQ(launch(stream_), cudaErrorStreamCaptureInvalidated);
      cudaStreamCaptureStatus status;
      EXPECT_EQ(cudaStreamIsCapturing(stream_, &status), cudaSuccess);
      EXPECT_EQ(status, cudaStreamCaptureStatusInvalidated);
      EXPECT_EQ(end(), cudaErrorStreamCaptureInvalidated);
      EXPECT_EQ(launch(stream_), cudaSuccess);
    }
  }
}

/// What may wait, and so depends on the modes of the capture and of the thread.
TEST_F(StandIn, UnsafeCallsDependOnModes) {
  char pageable[kBytes] = {};
  const std::vector<std::function<cudaError_t()>> unsafe = {
      [] {
        void* memory = nullptr;
        const cudaError_t error = cudaMalloc(&memory, 1);
        if (memory) cudaFree(memory);
        return error;
      },
      [] {
        void* memory = nullptr;
        const cudaError_t error = cudaHostAlloc(&memory, 1, 0);
        if (error == cudaSuccess) cudaFreeHost(memory);
        return error;
      },
      [] { return cudaFree(nullptr); }, [&] { return cudaEventQuery(second_); },
      [&] { return cudaMemcpy(pageable, device_, kBytes, cudaMemcpyDeviceToHost); }};
  using Mode = cudaStreamCaptureMode;
  const Mode global = cudaStreamCaptureModeGlobal;
  const Mode local = cudaStreamCaptureModeThreadLocal;
  const Mode relaxed = cudaStreamCaptureModeRelaxed;
  struct Case {
    Mode capture, thread;
    bool is_own_thread, is_allowed;
  };
  const std::vector<Case> cases = {
      {global, global, true, false},  {global, local, true, false},  {global, relaxed, true, true},
      {local, global, true, false},   {local, local, true, false},   {local, relaxed, true, true},
      {relaxed, global, true, true},  {relaxed, local, true, true},  {relaxed, relaxed, true, true},
      {global, global, false, false}, {global, local, false, true},  {global, relaxed, false, true},
      {local, global, false, true},   {local, local, false, true},   {local, relaxed, false, true},
      {relaxed, global, false, true}, {relaxed, local, false, true}, {relaxed, relaxed, false, true}};
  for (const Case& one : cases) {
    for (size_t i = 0; i < unsafe.size(); ++i) {
      SCOPED_TRACE(
          "call " + std::to_string(i) + ", capture " + std::to_string(one.capture) + ", thread " +
          std::to_string(one.thread) + (one.is_own_thread ? "" : ", another thread"));
      begin(one.capture);
      const auto call = [&] {
        Mode mode = one.thread;
        ASSERT_EQ(cudaThreadExchangeStreamCaptureMode(&mode), cudaSuccess);
        EXPECT_EQ(unsafe[i](), one.is_allowed ? cudaSuccess : cudaErrorStreamCaptureUnsupported);
        ASSERT_EQ(cudaThreadExchangeStreamCaptureMode(&mode), cudaSuccess);
        EXPECT_EQ(mode, one.thread);
      };
      if (one.is_own_thread) {
        call();
      } else {
        std::thread(call).join();
      }
      EXPECT_EQ(end(), one.is_allowed ? cudaSuccess : cudaErrorStreamCaptureInvalidated);
    }
  }
}

TEST_F(StandIn, TheLegacyStreamMustRestWhileBlockingStreamsAreCaptured) {
  ASSERT_EQ(cudaStreamBeginCapture(blocking_, cudaStreamCaptureModeRelaxed), cudaSuccess);
  cudaStreamCaptureStatus status;
  EXPECT_EQ(cudaStreamIsCapturing(nullptr, &status), cudaErrorStreamCaptureImplicit);
  EXPECT_EQ(launch(nullptr), cudaErrorStreamCaptureImplicit);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(blocking_, &graph), cudaErrorStreamCaptureInvalidated);
  begin();
  const int64_t launches = stand_in->counts().launches;
  EXPECT_EQ(launch(nullptr), cudaSuccess) << "beside other streams it is used, and not captured";
  EXPECT_EQ(stand_in->counts().launches, launches + 1);
  EXPECT_EQ(end(), cudaSuccess);
}

TEST_F(StandIn, GraphsThatUseFreedMemoryBreakTheDevice) {
  EXPECT_EXIT(
      {
        void* memory = nullptr;
        cudaMalloc(&memory, kBytes);
        begin();
        cudaMemsetAsync(memory, 1, kBytes, stream_);
        cudaGraph_t graph = nullptr;
        end(&graph);
        cudaGraphExec_t executable = nullptr;
        cudaGraphInstantiate(&executable, graph, 0);
        cudaFree(memory);
        cudaGraphLaunch(executable, stream_);
        const bool is_broken = cudaStreamSynchronize(stream_) == cudaErrorIllegalAddress &&
                               cudaMalloc(&memory, 1) == cudaErrorIllegalAddress;
        std::exit(is_broken ? 7 : 1);
      },
      ::testing::ExitedWithCode(7), "");
}

}  // namespace
