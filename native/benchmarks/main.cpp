// Compares each loss, forward and backward, with the form of the published code and with what the machine can do:
//
//   retort_benchmarks [--device=cpu|cuda] [--unchecked] --benchmark_filter='fsp.*batch 64'
//
// Every case checks its result against the naive form first, unless it is told not to.
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <retort/runtime.h>

#include <algorithm>
#include <iostream>
#include <optional>
#include <string>

#include "device.h"
#include "loss_case.h"
#include "losses.h"
#include "machine_limits.h"
#include "report.h"

namespace {

using namespace retort;
using namespace retort::benchmarks;

/// Takes the options that start with a prefix out of the arguments. Returns what follows it in the last of them, if
/// there is one.
std::optional<std::string> take_option(const std::string& prefix, int& argc, char** argv) {
  const auto is_option = [&](const std::string& argument) { return argument.rfind(prefix, 0) == 0; };
  char** const end = std::stable_partition(argv + 1, argv + argc, [&](const char* it) { return !is_option(it); });
  const bool is_given = end != argv + argc;
  const std::string last = argv[argc - 1];
  argc = static_cast<int>(end - argv);
  return is_given ? std::optional(last.substr(prefix.size())) : std::nullopt;
}

void print_machine(std::ostream& out) {
  if (is_on_gpu()) {
    out << "GPU; cuBLAS's products of matrices in float32";
  } else {
    out << at::get_num_threads() << " threads, " << cpu_kernels() << " kernels; LibTorch's products of matrices";
  }
  out << ": " << static_cast<int>(product_rate() / 1e9) << " GFLOP/s, copies within "
      << (is_on_gpu() ? "its memory" : "80 MB") << ": " << static_cast<int>(copy_rate(80'000'000) / 1e9)
      << " GB/s read and written\n";
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  set_device(take_option("--device=", argc, argv).value_or("cpu"));
  if (take_option("--unchecked", argc, argv)) skip_checks();
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  manual_seed(0);
  add_losses_of_logits();
  add_fsp();
  add_nst();
  add_crd();
  add_ofd();
  add_small();
  Report report;
  benchmark::RunSpecifiedBenchmarks(&report);
  std::cout << '\n';
  print_machine(std::cout);
  std::cout << '\n';
  report.print_table(std::cout);
  return report.has_failed() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const c10::Error& error) {
    std::cerr << error.what_without_backtrace() << '\n';
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
  }
  return 1;
}
