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

double product_rate() {
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
  const double seconds = fastest([&] {
    at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t j = 0; j < kProducts; ++j) at::mm_out(products[i], factors[i], factors[i]);
      }
    });
  });
  return 2.0 * static_cast<double>(threads * kProducts) * kSize * kSize * kSize / seconds;
}

double copy_rate(int64_t footprint) {
  const at::Tensor from = at::zeros({footprint / 2}, at::kByte);
  at::Tensor to = at::zeros_like(from);
  return static_cast<double>(footprint) / fastest([&] { to.copy_(from); });
}

}  // namespace retort::benchmarks
