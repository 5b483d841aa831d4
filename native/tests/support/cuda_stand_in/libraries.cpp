// cuBLAS and cuBLASLt, whose products are kernels like others. Their headers need not be there: functions get what they
// use, and leave other arguments where they are.
#include <algorithm>
#include <cstdint>

#include "capture.h"
#include "runtime.h"
#include "streams.h"

namespace {

using namespace retort::stand_in;

constexpr int kSuccess = 0;
constexpr int kExecutionFailed = 13;

struct Blas {
  cudaStream_t stream = nullptr;
  int math_mode = 0;
  int pointer_mode = 0;
};

/// cublasLtMatmulHeuristicResult_t
struct Heuristic {
  uint64_t algorithm[8];
  size_t workspace_bytes;
  int state;
  float waves;
  int reserved[4];
};

int multiply(cudaStream_t stream) {
  return call([&] { return submit_kernel(stream); }) == cudaSuccess ? kSuccess : kExecutionFailed;
}

int make_description(void** made) {
  *made = new char;
  return kSuccess;
}

int destroy_description(void* made) {
  delete static_cast<char*>(made);
  return kSuccess;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

int cublasCreate_v2(Blas** made) {
  // It allocates.
  if (call([] { return check_safe(); }) != cudaSuccess) return kExecutionFailed;
  *made = new Blas;
  return kSuccess;
}

int cublasDestroy_v2(Blas* blas) {
  delete blas;
  return kSuccess;
}

int cublasSetStream_v2(Blas* blas, cudaStream_t stream) {
  blas->stream = stream;
  return kSuccess;
}

int cublasSetWorkspace_v2(Blas* /*blas*/, void* /*memory*/, size_t /*bytes*/) {
  return kSuccess;
}

int cublasSetMathMode(Blas* blas, int mode) {
  blas->math_mode = mode;
  return kSuccess;
}

int cublasGetMathMode(Blas* blas, int* mode) {
  *mode = blas->math_mode;
  return kSuccess;
}

int cublasSetPointerMode_v2(Blas* blas, int mode) {
  blas->pointer_mode = mode;
  return kSuccess;
}

int cublasGetPointerMode_v2(Blas* blas, int* mode) {
  *mode = blas->pointer_mode;
  return kSuccess;
}

#define RETORT_PRODUCT(name)       \
  int name(Blas* blas) {           \
    return multiply(blas->stream); \
  }
RETORT_PRODUCT(cublasSgemm_v2)
RETORT_PRODUCT(cublasDgemm_v2)
RETORT_PRODUCT(cublasSgemmEx)
RETORT_PRODUCT(cublasGemmEx)
RETORT_PRODUCT(cublasSgemmStridedBatched)
RETORT_PRODUCT(cublasDgemmStridedBatched)
RETORT_PRODUCT(cublasGemmStridedBatchedEx)
RETORT_PRODUCT(cublasSgemv_v2)
RETORT_PRODUCT(cublasDgemv_v2)
RETORT_PRODUCT(cublasSdot_v2)
RETORT_PRODUCT(cublasDdot_v2)
RETORT_PRODUCT(cublasDotEx)
#undef RETORT_PRODUCT

size_t cublasLtGetVersion() {
  return 130100;
}

int cublasLtMatmulDescCreate(void** made, int /*compute_type*/, int /*scale_type*/) {
  return make_description(made);
}

int cublasLtMatrixLayoutCreate(void** made, int /*type*/, uint64_t /*rows*/, uint64_t /*columns*/, int64_t /*stride*/) {
  return make_description(made);
}

int cublasLtMatmulPreferenceCreate(void** made) {
  return make_description(made);
}

int cublasLtMatmulDescDestroy(void* made) {
  return destroy_description(made);
}

int cublasLtMatrixLayoutDestroy(void* made) {
  return destroy_description(made);
}

int cublasLtMatmulPreferenceDestroy(void* made) {
  return destroy_description(made);
}

int cublasLtMatmulDescSetAttribute(void*, int, const void*, size_t) {
  return kSuccess;
}

int cublasLtMatrixLayoutSetAttribute(void*, int, const void*, size_t) {
  return kSuccess;
}

int cublasLtMatmulPreferenceSetAttribute(void*, int, const void*, size_t) {
  return kSuccess;
}

int cublasLtMatmulAlgoGetHeuristic(
    void* /*blas*/, void* /*operation*/, void* /*a*/, void* /*b*/, void* /*c*/, void* /*d*/, void* /*preference*/,
    int asked, Heuristic* results, int* returned) {
  *returned = std::min(asked, 1);
  std::fill_n(results, *returned, Heuristic{});
  return kSuccess;
}

int cublasLtMatmul(
    void* /*blas*/, void* /*operation*/, const void* /*alpha*/, const void* /*a*/, void* /*layout_of_a*/,
    const void* /*b*/, void* /*layout_of_b*/, const void* /*beta*/, const void* /*c*/, void* /*layout_of_c*/,
    void* /*d*/, void* /*layout_of_d*/, const void* /*algorithm*/, void* /*workspace*/, size_t /*workspace_bytes*/,
    cudaStream_t stream) {
  return multiply(stream);
}

}  // extern "C"
#pragma GCC visibility pop
