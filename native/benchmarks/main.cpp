// Compares each loss, forward and backward, with the form of the published code and with what the machine can do:
//
//   retort_benchmarks --benchmark_filter='fsp.*batch 64'
//
// Every case checks its result against the naive form first.
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <retort/runtime.h>

#include <iostream>

#include "losses.h"
#include "machine_limits.h"
#include "report.h"

int main(int argc, char** argv) {
  using namespace retort;
  using namespace retort::benchmarks;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  manual_seed(0);
  add_kd();
  add_fsp();
  add_nst();
  add_crd();
  add_ofd();
  add_small();
  const Limits before = measure_limits();
  Report report;
  benchmark::RunSpecifiedBenchmarks(&report);
  const Limits after = measure_limits();
  // The machine may be shared: what it could do when it could do the most.
  const Limits limits = {std::max(before.flops, after.flops), std::max(before.bytes, after.bytes)};
  std::cout << "\n"
            << at::get_num_threads() << " threads, " << cpu_kernels() << " kernels; products of matrices "
            << static_cast<int>(limits.flops / 1e9) << " GFLOP/s, copies " << static_cast<int>(limits.bytes / 1e9)
            << " GB/s read and written\n\n";
  report.print_table(std::cout, limits);
  return report.has_failed() ? 1 : 0;
}
