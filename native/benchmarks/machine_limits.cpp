#include "machine_limits.h"

#include <ATen/Functions.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <vector>

#include "device.h"

namespace retort::benchmarks {
namespace {

/// Seconds of the fastest of several runs.
double fastest(const std::function<void()>& action) {
  constexpr int kRuns = 20;
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kRuns; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    action();
    synchronize();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

/// A product a thread, since not every LibTorch spreads one over all of them.
double product_rate_of_cpu() {
  constexpr int64_t kSize = 512;
  constexpr int64_t kProducts = 8;
  const int64_t threads = at::get_num_threads();
  std::vector<at::Tensor> factors;
  std::vector<at::Tensor> products;
  for (int64_t i = 0; i < threads; ++i) {
    factors.push_back(at::randn({kSize, kSize}));
    products.push_back(at::empty({kSize, kSize}));
  }
  const double seconds = fastest([&] {
    at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t j = 0; j < kProducts; ++j) at::mm_out(products[i], factors[i], factors[i]);
      }
    });
  });
  return 2.0 * static_cast<double>(threads * kProducts) * kSize * kSize * kSize / seconds;
}

double product_rate_of_gpu() {
  constexpr int64_t kSize = 4096;
  constexpr int64_t kProducts = 4;
  const at::Tensor factor = at::randn({kSize, kSize}, device());
  at::Tensor product = at::empty_like(factor);
  const double seconds = fastest([&] {
    for (int64_t i = 0; i < kProducts; ++i) at::mm_out(product, factor, factor);
  });
  return 2.0 * static_cast<double>(kProducts) * kSize * kSize * kSize / seconds;
}

double rate_of_copies(int64_t footprint, int copies) {
  const at::Tensor from = at::zeros({footprint / 2}, at::TensorOptions(device()).dtype(at::kByte));
  at::Tensor to = at::zeros_like(from);
  const double seconds = fastest([&] {
    for (int i = 0; i < copies; ++i) to.copy_(from);
  });
  return static_cast<double>(footprint) * copies / seconds;
}

}  // namespace

double product_rate() {
  return is_on_gpu() ? product_rate_of_gpu() : product_rate_of_cpu();
}

double copy_rate(int64_t footprint) {
  if (!is_on_gpu()) return rate_of_copies(footprint, 1);
  constexpr int64_t kBeyondCaches = 1'000'000'000;
  static const double rate = rate_of_copies(kBeyondCaches, 8);
  return rate;
}

}  // namespace retort::benchmarks
