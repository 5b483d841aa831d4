#include "machine_limits.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <vector>

namespace retort::benchmarks {
namespace {

/// Seconds of the fastest of several runs.
double fastest(const std::function<void()>& action) {
  constexpr int kRuns = 20;
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRuns; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    action();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

}  // namespace

Limits measure_limits() {
  constexpr int64_t kSize = 512;
  constexpr int64_t kProducts = 8;
  const int64_t threads = at::get_num_threads();
  std::vector<at::Tensor> factors;
  std::vector<at::Tensor> products;
  for (int64_t i = 0; i < threads; ++i) {
    factors.push_back(at::randn({kSize, kSize}));
    products.push_back(at::empty({kSize, kSize}));
  }
  // A product a thread, since not every LibTorch spreads one over all of them.
  const double product_seconds = fastest([&] {
    at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t j = 0; j < kProducts; ++j) at::mm_out(products[i], factors[i], factors[i]);
      }
    });
  });
  const at::Tensor from = at::randn({int64_t{1} << 22});
  at::Tensor to = at::empty_like(from);
  const double copy_seconds = fastest([&] { to.copy_(from); });
  return {
      2.0 * static_cast<double>(threads * kProducts) * kSize * kSize * kSize / product_seconds,
      2.0 * static_cast<double>(from.nbytes()) / copy_seconds};
}

}  // namespace retort::benchmarks
