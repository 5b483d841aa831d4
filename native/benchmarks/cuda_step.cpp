// The whole training step on a GPU: `retort_cuda_step_benchmark [STEPS]` prints as a table in Markdown what a step of
// RepDistiller's takes, from batches in the CPU's memory, without and with late results and a CUDA graph.
#include <ATen/Functions.h>
#include <retort/retort.h>

#include <chrono>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "repdistiller_step.h"

namespace {

using namespace retort;

struct Mode {
  const char* name;
  bool late_results;
  bool cuda_graph;
};

constexpr Mode kModes[] = {
    {"plain", false, false}, {"late", true, false}, {"graph", false, true}, {"graph, late", true, true}};
constexpr int kStepsBefore = 10;

/// Milliseconds a step, over many of them.
double milliseconds(const std::string& method, const Mode& mode, int steps) {
  manual_seed(1);
  TrainingStepOptions options = benchmarks::step_options(method);
  options.late_results = mode.late_results;
  options.cuda_graph = mode.cuda_graph;
  options.student->move_to("cuda");
  options.teachers[0].network->move_to("cuda");
  TrainingStep step(options);
  Batch batch;
  batch.images = at::randn({benchmarks::kBatch, 3, 32, 32});
  batch.labels = at::arange(benchmarks::kBatch, at::kLong);
  batch.indices = at::arange(benchmarks::kBatch, at::kLong) * 7;
  StepResult result;
  for (int i = 0; i < kStepsBefore; ++i) step.run(batch, result);
  step.finish(result);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < steps; ++i) step.run(batch, result);
  step.finish(result);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
  if (mode.cuda_graph && !result.graph) throw std::runtime_error("no graph: " + step.graph_obstacle());
  return took.count() / steps;
}

void run(int steps) {
  require_cuda();
  std::printf("Milliseconds a step\n\n| method |");
  for (const Mode& mode : kModes) std::printf(" %s |", mode.name);
  std::printf(" plain / graph, late |\n| --- |");
  for (size_t i = 0; i <= std::size(kModes); ++i) std::printf(" --- |");
  for (const char* method : {"kd", "fsp", "nst", "crd", "ofd"}) {
    std::printf("\n| %s |", method);
    double first = 0;
    double last = 0;
    for (const Mode& mode : kModes) {
      last = milliseconds(method, mode, steps);
      if (first == 0) first = last;
      std::printf(" %.3f |", last);
    }
    std::printf(" %.2f |", first / last);
    std::fflush(stdout);
  }
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc > 1 ? std::stoi(argv[1]) : 200);
  } catch (const c10::Error& error) {
    std::cerr << error.what_without_backtrace() << '\n';
    return 1;
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
