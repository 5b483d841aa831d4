// Convolutions with 3 x 3 weights by Winograd's F(4 x 4, 3 x 3) and by ATen's, which are oneDNN's, in turn:
// `retort_convolution_benchmark [--threads=N] [--rounds=N] [--format=last|contiguous] [--clock=wall|cpu]
// [--pass=PART_OF_NAME] [NETWORK | N,C,K,H[,W]]...`
// prints how long ATen's takes at least, and how many times as fast Retort's is, by the minima and, in brackets, by the
// median of the rounds' ratios, for each pass; `frozen` is the forward pass with packed weights. On a busy machine the
// CPU's time of all threads says more than the wall's; OMP_WAIT_POLICY=passive keeps them from spinning.
#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <retort/runtime.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace {

constexpr auto kLast = at::MemoryFormat::ChannelsLast;

struct Shape {
  int64_t batch;
  int64_t channels;
  int64_t filters;
  int64_t height;
  int64_t width;
};

const std::map<std::string, std::vector<Shape>> kNetworks = {
    {"resnet8x4",
     {{64, 32, 32, 32, 32}, {64, 32, 64, 32, 32}, {64, 64, 64, 32, 32}, {64, 128, 128, 16, 16}, {64, 256, 256, 8, 8}}},
    {"resnet20", {{64, 16, 16, 32, 32}, {64, 32, 32, 16, 16}, {64, 64, 64, 8, 8}}},
    {"resnet18", {{16, 64, 64, 56, 56}, {16, 128, 128, 28, 28}, {16, 256, 256, 14, 14}, {16, 512, 512, 7, 7}}},
    {"single",
     {{1, 64, 64, 56, 56},
      {1, 128, 128, 28, 28},
      {1, 256, 256, 14, 14},
      {1, 512, 512, 7, 7},
      {1, 64, 64, 32, 32},
      {1, 128, 128, 16, 16},
      {1, 256, 256, 8, 8},
      {1, 16, 16, 32, 32},
      {1, 32, 32, 16, 16},
      {1, 64, 64, 8, 8}}},
};

template <typename Signature>
c10::TypedOperatorHandle<Signature> operator_of(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

using Optional = const std::optional<at::Tensor>&;

at::Tensor pack(const at::Tensor& weight) {
  static const auto op = operator_of<at::Tensor(const at::Tensor&)>("retort::_conv3x3_pack");
  return op.call(weight);
}

at::Tensor frozen(const at::Tensor& input, const at::Tensor& packed) {
  static const auto op =
      operator_of<at::Tensor(const at::Tensor&, const at::Tensor&, Optional, Optional, Optional, bool)>(
          "retort::_conv3x3_frozen");
  return op.call(input, packed, {}, {}, {}, false);
}

at::Tensor convolve(const at::Tensor& input, const at::Tensor& weight, bool of_gradient) {
  static const auto op =
      operator_of<at::Tensor(const at::Tensor&, const at::Tensor&, Optional, Optional, Optional, bool, bool)>(
          "retort::_winograd_convolve");
  return op.call(input.contiguous(kLast), weight, {}, {}, {}, /*relu=*/false, of_gradient);
}

at::Tensor weight_gradient(const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight) {
  static const auto op = operator_of<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&)>(
      "retort::_winograd_weight_gradient");
  return op.call(gradient.contiguous(kLast), input.contiguous(kLast), weight);
}

clockid_t clock_id = CLOCK_MONOTONIC;

double now_in_milliseconds() {
  timespec now{};
  clock_gettime(clock_id, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

double milliseconds(const std::function<void()>& run) {
  const double start = now_in_milliseconds();
  run();
  return now_in_milliseconds() - start;
}

/// Part of the names of the passes that are measured.
std::string wanted_passes;

/// ATen's minimum, and how many times as fast the other ways are.
void race(const std::string& pass, int64_t rounds, const std::vector<std::function<void()>>& ways) {
  if (pass.find(wanted_passes) == std::string::npos) return;
  constexpr int64_t warm_up = 2;
  std::vector<std::vector<double>> times(ways.size());
  std::vector<std::vector<double>> ratios(ways.size());
  for (int64_t round = -warm_up; round < rounds; ++round) {
    std::vector<double> now;
    for (const auto& way : ways) now.push_back(milliseconds(way));
    for (size_t i = 0; i < ways.size() && round >= 0; ++i) {
      times[i].push_back(now[i]);
      ratios[i].push_back(now[0] / now[i]);
    }
  }
  const auto least = [&](size_t i) { return *std::min_element(times[i].begin(), times[i].end()); };
  std::printf("  %s %8.3f ms", pass.c_str(), least(0));
  for (size_t i = 1; i < ways.size(); ++i) {
    std::nth_element(ratios[i].begin(), ratios[i].begin() + rounds / 2, ratios[i].end());
    std::printf(" %5.2f (%.2f)", least(0) / least(i), ratios[i][static_cast<size_t>(rounds / 2)]);
  }
}

void measure(const Shape& shape, at::MemoryFormat format, int64_t rounds) {
  const at::Tensor input = at::randn({shape.batch, shape.channels, shape.height, shape.width}).contiguous(format);
  const at::Tensor gradient = at::randn({shape.batch, shape.filters, shape.height, shape.width}).contiguous(format);
  const at::Tensor weight = at::randn({shape.filters, shape.channels, 3, 3}).contiguous(format);
  const at::Tensor packed = pack(weight);
  const auto aten_backward = [&](std::array<bool, 3> wanted) {
    at::convolution_backward(gradient, input, weight, c10::nullopt, {1, 1}, {1, 1}, {1, 1}, false, {0, 0}, 1, wanted);
  };
  std::printf(
      "%3ld x %3ld -> %3ld x %3ld x %3ld", shape.batch, shape.channels, shape.filters, shape.height, shape.width);
  race(
      "forward, frozen", rounds,
      {[&] { at::conv2d(input, weight, {}, 1, 1); }, [&] { convolve(input, weight, false).contiguous(format); },
       [&] { frozen(input, packed).contiguous(format); }});
  race(
      "to data", rounds,
      {[&] {
         aten_backward({true, false, false});
       },
       [&] { convolve(gradient, weight, true).contiguous(format); }});
  race(
      "to weights", rounds,
      {[&] {
         aten_backward({false, true, false});
       },
       [&] { weight_gradient(gradient, input, weight); }});
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  int64_t threads = 2;
  int64_t rounds = 20;
  at::MemoryFormat format = kLast;
  std::vector<std::string> names;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = [&](const std::string& option) {
      return argument.rfind(option, 0) == 0 ? std::optional(argument.substr(option.size())) : std::nullopt;
    };
    if (const auto number = value("--threads=")) {
      threads = std::stoll(*number);
    } else if (const auto count = value("--rounds=")) {
      rounds = std::stoll(*count);
    } else if (const auto name = value("--format=")) {
      format = *name == "last" ? kLast : at::MemoryFormat::Contiguous;
    } else if (const auto pass = value("--pass=")) {
      wanted_passes = *pass;
    } else if (const auto clock = value("--clock=")) {
      clock_id = *clock == "cpu" ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    } else {
      names.push_back(argument);
    }
  }
  if (names.empty()) {
    for (const auto& [name, shapes] : kNetworks) names.push_back(name);
  }
  const c10::InferenceMode mode;
  retort::set_threads(threads);
  retort::manual_seed(1);
  std::printf("%s, %ld threads\n", retort::cpu_kernels().c_str(), threads);
  for (const std::string& name : names) {
    if (const auto found = kNetworks.find(name); found != kNetworks.end()) {
      std::printf("%s\n", name.c_str());
      for (const Shape& shape : found->second) measure(shape, format, rounds);
      continue;
    }
    Shape shape{};
    const int read = std::sscanf(
        name.c_str(), "%ld,%ld,%ld,%ld,%ld", &shape.batch, &shape.channels, &shape.filters, &shape.height,
        &shape.width);
    if (read < 4) {
      std::cerr << "retort_convolution_benchmark: a shape must be N,C,K,H or N,C,K,H,W (got " << name << ")\n";
      return 2;
    }
    if (read == 4) shape.width = shape.height;
    measure(shape, format, rounds);
  }
  return 0;
}
