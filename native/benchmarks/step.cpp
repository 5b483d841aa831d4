// The whole training step, for compare_with_pytorch.py: `retort_step_benchmark FOLDER TEACHER METHOD VARIANT STEPS`
// makes the teacher and its student, writes them into FOLDER, trains on FOLDER/images.bin and FOLDER/contrast.bin, and
// prints each step's losses and milliseconds as JSON.
#include <ATen/Functions.h>
#include <retort/retort.h>

#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>

#include "repdistiller_step.h"

namespace {

using namespace retort;
using benchmarks::kNegatives;
using benchmarks::kSamples;
using benchmarks::Pair;

const Pair& pair_of(const std::string& teacher) {
  for (const Pair* pair : {&benchmarks::kCifar, &benchmarks::kSmallCifar, &benchmarks::kImageNet}) {
    if (teacher == pair->teacher) return *pair;
  }
  throw std::invalid_argument("unknown teacher " + teacher);
}

void set_variant(const std::string& variant, TrainingStepOptions& options) {
  const bool is_contiguous = variant == "contiguous";
  options.student_format = is_contiguous ? MemoryFormat::kContiguous : MemoryFormat::kChannelsLast;
  options.teachers[0].format = options.student_format;
  if (is_contiguous) return;
  if (variant == "direct") {
    options.student->set_convolution(Convolution::kDirect);
    options.teachers[0].network->set_convolution(Convolution::kDirect);
  } else if (variant == "bfloat16_teacher") {
    options.teachers[0].precision = Precision::kBFloat16;
  } else if (variant == "cached_teacher") {
    options.teachers[0].cache.samples = kSamples;
  } else if (variant == "bfloat16") {
    options.teachers[0].precision = Precision::kBFloat16;
    options.student_precision = Precision::kBFloat16;
  } else if (variant != "channels_last") {
    throw std::invalid_argument("unknown variant " + variant);
  }
}

at::Tensor read(const std::string& path, at::IntArrayRef shape, at::ScalarType dtype) {
  return at::from_file(path, /*shared=*/false, c10::multiply_integers(shape), at::TensorOptions(dtype)).view(shape);
}

void run(
    const std::string& folder, const Pair& pair, const std::string& method, const std::string& variant, int steps) {
  manual_seed(1);
  TrainingStepOptions options = benchmarks::step_options(method, pair);
  set_variant(variant, options);
  TrainingStep step(options);
  options.teachers[0].network->save_state_dict(folder + "/teacher.pt");
  step.save(folder + "/step.retort");

  Batch batch;
  batch.images = read(folder + "/images.bin", {pair.batch, 3, pair.size, pair.size}, at::kFloat);
  batch.labels = at::arange(pair.batch, at::kLong).remainder(pair.classes);
  batch.indices = at::arange(pair.batch, at::kLong) * 7;
  if (method == "crd") batch.contrast = read(folder + "/contrast.bin", {pair.batch, kNegatives + 1}, at::kLong);
  StepResult result;
  std::cout << '[';
  std::cout.precision(9);
  for (int i = 0; i < steps; ++i) {
    step.run(batch, result);
    std::cout << (i ? ", " : "") << R"({"milliseconds": )" << static_cast<double>(result.nanoseconds) / 1e6
              << R"(, "cross_entropy": )" << result.cross_entropy << R"(, "term": )"
              << (result.terms.empty() ? 0.0 : result.terms[0]) << '}';
  }
  std::cout << "]\n";
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 6) throw std::invalid_argument("arguments must be FOLDER TEACHER METHOD VARIANT STEPS");
    if (const char* threads = std::getenv("RETORT_THREADS")) set_threads(std::atoi(threads));
    run(argv[1], pair_of(argv[2]), argv[3], argv[4], std::atoi(argv[5]));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
