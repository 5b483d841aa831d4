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
  Report report;
  benchmark::RunSpecifiedBenchmarks(&report);
  std::cout << "\n"
            << at::get_num_threads() << " threads, " << cpu_kernels()
            << " kernels; LibTorch's products of matrices: " << static_cast<int>(product_rate() / 1e9)
            << " GFLOP/s, copies within 80 MB: " << static_cast<int>(copy_rate(80'000'000) / 1e9)
            << " GB/s read and written\n\n";
  report.print_table(std::cout);
  return report.has_failed() ? 1 : 0;
}
