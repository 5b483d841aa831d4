#pragma once

#include <ATen/Context.h>
#include <retort/runtime.h>

#include "seeded_test.h"

namespace retort::test {

/// Why there is no GPU to test on; empty if there is one.
inline std::string missing_for_cuda() {
  try {
    require_cuda();
    return {};
  } catch (const c10::Error& error) {
    return error.what_without_backtrace();
  }
}

/// A test that is skipped where there is no GPU.
class CudaTest : public SeededTest {
 protected:
  void SetUp() override {
    SeededTest::SetUp();
    const std::string missing = missing_for_cuda();
    if (!missing.empty()) GTEST_SKIP() << missing;
    // LibTorch's default for convolutions, which rounds float32 to 10 bits.
    at::globalContext().setAllowTF32CuDNN(false);
    // Else convolutions may add up in another order each time.
    at::globalContext().setDeterministicCuDNN(true);
  }
};

}  // namespace retort::test
