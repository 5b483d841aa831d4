#include "loss_case.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "device.h"
#include "machine_limits.h"

namespace retort::benchmarks {
namespace {

bool has_checks = true;

/// The first difference of two outcomes, relative to the largest magnitude; empty if they agree.
std::string difference(const Outcome& actual, const Outcome& expected, double tolerance) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const double scale = expected[i].abs().max().item<double>();
    const double error = (actual[i] - expected[i]).abs().max().item<double>();
    if (!(error <= tolerance * scale)) {
      return (i == 0 ? "the loss" : "gradient " + std::to_string(i - 1)) + " differs by " +
             std::to_string(error / scale);
    }
  }
  return {};
}

void set_extra_memory(benchmark::State& state, const std::optional<int64_t>& bytes) {
  if (bytes) state.counters["extra_bytes"] = static_cast<double>(*bytes);
}

/// What the naive form gives; nothing if it does not fit into memory.
Outcome naive_outcome(const LossCase& loss) {
  if (!is_on_gpu() && !loss.naive_fits) return {};
  try {
    return loss.naive();
  } catch (const c10::OutOfMemoryError&) {
    return {};
  }
}

void time_calls(benchmark::State& state, const std::function<Outcome()>& form) {
  // A GPU is to be busy, so that what is measured is its time and not a call's.
  const int calls = is_on_gpu() ? 10 : 1;
  synchronize();
  while (state.KeepRunningBatch(calls)) {
    for (int i = 0; i < calls; ++i) benchmark::DoNotOptimize(form());
    synchronize();
  }
}

void run_naive(benchmark::State& state, const std::function<LossCase()>& prepare) {
  const LossCase loss = prepare();
  // On a CPU it may take long, hence no call but those that are timed.
  const bool fits = is_on_gpu() ? !naive_outcome(loss).empty() : loss.naive_fits;
  if (!fits) {
    state.SkipWithError("does not fit into memory");
  } else if (is_on_gpu()) {
    set_extra_memory(state, peak_device_memory([&] { loss.naive(); }));
    time_calls(state, loss.naive);
  } else {
    set_extra_memory(state, peak_device_memory([&] { time_calls(state, loss.naive); }));
  }
}

void run_ours(benchmark::State& state, const std::function<LossCase()>& prepare, bool& is_checked) {
  const LossCase loss = prepare();
  if (has_checks && !is_checked) {
    const Outcome expected = naive_outcome(loss);
    const std::string error = difference(loss.ours(), expected, loss.tolerance);
    if (!error.empty()) {
      state.SkipWithError(error.c_str());
      return;
    }
    is_checked = true;
  }
  set_extra_memory(state, peak_device_memory([&] { loss.ours(); }));
  time_calls(state, loss.ours);
  static const double products_a_second = product_rate();
  if (loss.flops > 0) state.counters["products_ms"] = 1e3 * loss.flops / products_a_second;
  state.counters["copies_ms"] = 1e3 * loss.bytes / copy_rate(loss.footprint);
}

}  // namespace

void skip_checks() {
  has_checks = false;
}

void add_loss(const std::string& name, const std::function<LossCase()>& prepare) {
  const auto is_checked = std::make_shared<bool>(false);
  benchmark::RegisterBenchmark(
      (name + "/ours").c_str(), [=](benchmark::State& state) { run_ours(state, prepare, *is_checked); })
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond)
      ->MinTime(0.3)
      ->Repetitions(5)
      ->ReportAggregatesOnly();
  benchmark::RegisterBenchmark((name + "/naive").c_str(), run_naive, prepare)
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond)
      ->MinTime(0.3);
}

int64_t bytes_of(const std::vector<at::Tensor>& maps) {
  int64_t bytes = 0;
  for (const at::Tensor& map : maps) bytes += static_cast<int64_t>(map.nbytes());
  return bytes;
}

Outcome differentiate(const at::Tensor& loss, const std::vector<at::Tensor>& inputs) {
  Outcome outcome = torch::autograd::grad({loss}, inputs);
  outcome.insert(outcome.begin(), loss.detach());
  return outcome;
}

std::vector<std::vector<int64_t>> cifar_shapes() {
  return {{32, 32, 32}, {64, 32, 32}, {128, 16, 16}, {256, 8, 8}};
}

std::vector<std::vector<int64_t>> imagenet_shapes() {
  return {{256, 56, 56}, {512, 28, 28}, {1024, 14, 14}, {2048, 7, 7}};
}

std::vector<at::Tensor> random_maps(
    int64_t batch, const std::vector<std::vector<int64_t>>& shapes, bool with_gradient, at::MemoryFormat format,
    at::ScalarType dtype) {
  std::vector<at::Tensor> maps;
  for (const std::vector<int64_t>& shape : shapes) {
    const at::Tensor map = at::randn({batch, shape[0], shape[1], shape[2]}, device()).contiguous(format);
    maps.push_back(map.to(dtype).requires_grad_(with_gradient));
  }
  return maps;
}

std::vector<std::pair<std::string, at::ScalarType>> half_dtypes() {
  return {{"bfloat16", at::kBFloat16}, {"float16", at::kHalf}};
}

std::vector<at::Tensor> widened(const std::vector<at::Tensor>& inputs) {
  std::vector<at::Tensor> wide;
  for (const at::Tensor& input : inputs) {
    const bool is_wide = input.scalar_type() == at::kFloat;
    wide.push_back(is_wide ? input : input.detach().to(at::kFloat).requires_grad_(input.requires_grad()));
  }
  return wide;
}

double tolerance_of(at::ScalarType dtype) {
  if (dtype == at::kBFloat16) return 1e-2;
  return dtype == at::kHalf ? 1e-3 : 2e-4;
}

}  // namespace retort::benchmarks
