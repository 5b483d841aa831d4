// What several ranks on one machine cost: `retort_ranks_benchmark [METHOD] [ROUNDS]` trains resnet8x4 with resnet32x4,
// 64 images a step, by one process of two threads and by two ranks of one thread in turns, and prints images per second
// and how long ranks wait for each other.
#include <ATen/Functions.h>
#include <retort/retort.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "repdistiller_step.h"

namespace {

using namespace retort;
using benchmarks::kBatch;
using benchmarks::kNegatives;
using benchmarks::kSamples;

constexpr int kWarmUp = 3;
constexpr int kSteps = 12;

/// What one rank measures.
struct Measured {
  double milliseconds;
  double waiting;
};

/// Trains with this rank's part of the batch.
Measured train(const std::string& method, const std::string& variant) {
  const std::shared_ptr<Ranks> ranks = Ranks::from_environment();
  const int64_t rank = ranks ? ranks->rank() : 0, size = ranks ? ranks->size() : 1;
  set_threads(2 / size);
  manual_seed(1);
  TrainingStepOptions options = benchmarks::step_options(method);
  options.ranks = ranks;
  // One bucket for all gradients is full when the backward pass has ended.
  if (variant == "no overlap") options.bucket_bytes = int64_t{1} << 40;
  if (variant == "all ranks") options.batch_norm = BatchNormOver::kAllRanks;
  TrainingStep step(options);
  const int64_t part = kBatch / size;
  Batch batch;
  batch.images = at::randn({kBatch, 3, 32, 32}).narrow(0, rank * part, part).contiguous();
  batch.labels = at::arange(kBatch, at::kLong).narrow(0, rank * part, part);
  batch.indices = at::arange(kBatch, at::kLong).mul(7).narrow(0, rank * part, part);
  std::vector<Measured> steps;
  StepResult result;
  for (int i = 0; i < kWarmUp + kSteps; ++i) {
    step.run(batch, result);
    if (i < kWarmUp) continue;
    steps.push_back(
        {static_cast<double>(result.nanoseconds) / 1e6, static_cast<double>(result.waiting_nanoseconds) / 1e6});
  }
  std::sort(steps.begin(), steps.end(), [](const Measured& one, const Measured& other) {
    return one.milliseconds < other.milliseconds;
  });
  return steps[steps.size() / 2];
}

/// Starts this program as some ranks; returns what the first one measures.
Measured measure(const char* program, const std::string& method, const std::string& variant, int size) {
  std::array<int, 2> pipe_ends;
  if (pipe(pipe_ends.data()) != 0) throw std::runtime_error("no pipe");
  const std::string port = std::to_string(20000 + getpid() % 20000);
  std::vector<pid_t> children;
  for (int rank = 0; rank < size; ++rank) {
    const pid_t child = fork();
    if (child == 0) {
      if (size > 1) {
        setenv("RANK", std::to_string(rank).c_str(), 1);
        setenv("WORLD_SIZE", std::to_string(size).c_str(), 1);
        setenv("MASTER_ADDR", "127.0.0.1", 1);
        setenv("MASTER_PORT", port.c_str(), 1);
      }
      setenv("OMP_NUM_THREADS", std::to_string(2 / size).c_str(), 1);
      const std::string output = "/dev/fd/" + std::to_string(pipe_ends[1]);
      execl(program, program, "rank", method.c_str(), variant.c_str(), output.c_str(), nullptr);
      _exit(127);
    }
    children.push_back(child);
  }
  close(pipe_ends[1]);
  std::string text;
  std::array<char, 256> buffer;
  for (ssize_t count; (count = read(pipe_ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<size_t>(count));
  }
  close(pipe_ends[0]);
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    if (status != 0) throw std::runtime_error("a rank has failed");
  }
  Measured measured{};
  if (std::sscanf(text.c_str(), "%lf %lf", &measured.milliseconds, &measured.waiting) != 2) {
    throw std::runtime_error("nothing was measured");
  }
  return measured;
}

void run_rank(const std::string& method, const std::string& variant, const std::string& output) {
  const Measured measured = train(method, variant);
  const char* rank = std::getenv("RANK");
  if (!rank || std::string(rank) == "0") {
    std::ofstream(output) << measured.milliseconds << ' ' << measured.waiting << '\n';
  }
}

void compare(const char* program, const std::string& method, int rounds) {
  std::printf("%-22s %10s %12s %10s\n", method.c_str(), "images/s", "waiting", "ratio");
  for (int round = 0; round < rounds; ++round) {
    const Measured alone = measure(program, method, "", 1);
    const auto print = [&](const char* name, const Measured& measured) {
      std::printf(
          "%-22s %10.1f %10.1f %% %10.3f\n", name, kBatch * 1e3 / measured.milliseconds,
          100 * measured.waiting / measured.milliseconds, alone.milliseconds / measured.milliseconds);
    };
    print("one process", alone);
    for (const char* variant : {"overlap", "no overlap", "all ranks"}) {
      print(variant, measure(program, method, variant, 2));
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 5 && std::string(argv[1]) == "rank") {
      run_rank(argv[2], argv[3], argv[4]);
    } else {
      compare(argv[0], argc > 1 ? argv[1] : "kd", argc > 2 ? std::atoi(argv[2]) : 3);
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
