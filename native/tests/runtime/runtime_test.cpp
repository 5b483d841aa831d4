#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <retort/losses/kd.h>
#include <retort/runtime.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <regex>
#include <thread>

#include "expect.h"

namespace retort {
namespace {

using test::error_of;

TEST(RuntimeTest, VersionIsThreeNumbers) {
  EXPECT_TRUE(std::regex_match(version(), std::regex(R"(\d+\.\d+\.\d+)"))) << version();
}

TEST(RuntimeTest, ThreadsAreThoseOfLibTorch) {
  const int64_t before = threads();
  EXPECT_EQ(before, at::get_num_threads());
  for (int64_t count : {1, 2}) {
    set_threads(count);
    EXPECT_EQ(threads(), count);
    EXPECT_EQ(at::get_num_threads(), count);
  }
  set_threads(before);
}

TEST(RuntimeTest, ThreadsHoldForOtherThreadsNextCall) {
  const int64_t before = threads();
  const at::Tensor logits = at::randn({64, 10});
  std::thread([&] {
    kd_loss(logits, logits, 1);
    for (int64_t count : {3, 2}) {
      std::thread([count] { set_threads(count); }).join();
      EXPECT_EQ(threads(), count);
    }
    std::thread([] { set_threads(3); }).join();
    kd_loss(logits, logits, 1);
    EXPECT_EQ(at::get_num_threads(), 3);
    // A thread's own choice stays until the number changes.
    at::set_num_threads(1);
    kd_loss(logits, logits, 1);
    EXPECT_EQ(at::get_num_threads(), 1);
  }).join();
  EXPECT_EQ(threads(), 3);
  set_threads(before);
}

TEST(RuntimeTest, RejectsThreads) {
  const int64_t before = threads();
  EXPECT_EQ(error_of([] { set_threads(0); }), "set_threads: threads must be between 1 and 4096 (got 0)");
  EXPECT_EQ(error_of([] { set_threads(-2); }), "set_threads: threads must be between 1 and 4096 (got -2)");
  EXPECT_EQ(error_of([] { set_threads(5000); }), "set_threads: threads must be between 1 and 4096 (got 5000)");
  EXPECT_EQ(threads(), before);
}

TEST(RuntimeTest, OpenblasKeepsToItsLimit) {
  if (openblas_threads() == 0) GTEST_SKIP() << "LibTorch does not use OpenBLAS";
  const int64_t before = threads();
  const at::Tensor logits = at::randn({4, 10});
  kd_loss(logits, logits, 1);
  EXPECT_EQ(openblas_threads(), 1);

  set_openblas_threads(2);
  EXPECT_EQ(openblas_threads(), 2);
  set_threads(3);
  EXPECT_EQ(openblas_threads(), 2);

  set_openblas_threads(1);
  EXPECT_EQ(openblas_threads(), 1);
  set_openblas_threads(0);  // from now on it is left alone
  const auto set_otherwise = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  set_otherwise(2);
  set_threads(before);
  EXPECT_EQ(openblas_threads(), 2);
  set_openblas_threads(1);
}

TEST(RuntimeTest, RejectsThreadsOfOpenblas) {
  const char* rule = "set_openblas_threads: threads must be between 0 and 4096 (got ";
  EXPECT_EQ(error_of([] { set_openblas_threads(-1); }), std::string(rule) + "-1)");
  EXPECT_EQ(error_of([] { set_openblas_threads(4097); }), std::string(rule) + "4097)");
}

TEST(RuntimeTest, SeedDecidesTheRandomNumbers) {
  manual_seed(11);
  const at::Tensor first = at::rand({5});
  const at::Tensor next = at::rand({5});
  manual_seed(11);
  EXPECT_TRUE(test::same_bits(at::rand({5}), first));
  EXPECT_FALSE(test::same_bits(next, first));
}

// ctest runs this with every value of RETORT_CPU.
TEST(RuntimeTest, KernelsAreThoseAskedForOrTheBest) {
  const std::array<std::string, 3> names = {"baseline", "avx2", "avx512"};
  size_t best = 0;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) best = 1;
  if (best == 1 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    best = 2;
  }
  const char* variable = std::getenv("RETORT_CPU");
  const std::string wanted = variable ? variable : "";
  const auto found = std::find(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(best), wanted);
  EXPECT_EQ(cpu_kernels(), *found);
}

}  // namespace
}  // namespace retort
