// What a training step costs beside its arithmetic: `retort_small_step_benchmark linear STEPS` trains a linear layer of
// 64 inputs and 10 classes with batches of 32, by Retort's step and by a bare loop on LibTorch;
// `retort_small_step_benchmark resnet STEPS` distils a ResNet-20 into a ResNet-8 with batches of 16, by Retort's step
// alone. Both begin with a fifth more steps to warm up and print quantiles of a step's nanoseconds as JSON.
#include <ATen/Functions.h>
#include <retort/retort.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/sgd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace retort;

constexpr int64_t kInputs = 64;
constexpr int64_t kClasses = 10;
constexpr double kLearningRate = 0.05;

using Step = std::function<void()>;

Batch batch_of(const std::vector<int64_t>& shape) {
  Batch batch;
  batch.images = at::randn(shape);
  batch.labels = at::randint(kClasses, {shape[0]}, at::kLong);
  return batch;
}

std::shared_ptr<SgdOptions> sgd() {
  auto options = std::make_shared<SgdOptions>();
  options->learning_rate = kLearningRate;
  return options;
}

std::shared_ptr<Network> linear() {
  manual_seed(1);
  return make_mlp({{kInputs, kClasses}});
}

Step retort_step(const TrainingStepOptions& options, Batch batch) {
  const auto step = std::make_shared<TrainingStep>(options);
  return [step, batch = std::move(batch), result = StepResult()]() mutable { step->run(batch, result); };
}

Step retort_step_on(const std::shared_ptr<Network>& student, Batch batch) {
  TrainingStepOptions options;
  options.student = student;
  options.input_shape = {kInputs};
  options.optimizer = sgd();
  return retort_step(options, std::move(batch));
}

/// The same without any of the step's guarantees.
Step bare_step_on(const std::shared_ptr<Network>& student, const Batch& batch) {
  const std::vector<at::Tensor> parameters = student->parameters();
  const auto optimizer = std::make_shared<torch::optim::SGD>(parameters, kLearningRate);
  return [=] {
    optimizer->zero_grad();
    const at::Tensor logits = at::linear(batch.images, parameters[0], parameters[1]);
    at::cross_entropy_loss(logits, batch.labels).backward();
    optimizer->step();
  };
}

void check_same_weights(const Batch& batch) {
  const auto ours = linear();
  const auto bare = linear();
  const Step retort = retort_step_on(ours, batch);
  const Step libtorch = bare_step_on(bare, batch);
  for (int i = 0; i < 100; ++i) {
    retort();
    libtorch();
  }
  for (const auto& entry : ours->state_dict()) {
    if (!entry.value().allclose(bare->state_dict()[entry.key()], 1e-4, 1e-6)) {
      throw std::runtime_error("Retort's step and the bare loop must compute the same " + entry.key());
    }
  }
}

Step resnet_step() {
  manual_seed(1);
  TrainingStepOptions options;
  ResNetOptions network;
  options.teachers = {make_resnet(network)};
  network.depth = 8;
  options.student = make_resnet(network);
  options.input_shape = {3, 32, 32};
  options.cross_entropy.weight = 0.1;
  options.terms = {{0.9, std::make_shared<KdOptions>(), {}, {}}};
  options.optimizer = sgd();
  return retort_step(options, batch_of({16, 3, 32, 32}));
}

std::vector<int64_t> nanoseconds_of(const Step& step, int count) {
  for (int i = 0; i < count / 5; ++i) step();
  std::vector<int64_t> samples(static_cast<size_t>(count));
  for (int64_t& sample : samples) {
    const auto start = std::chrono::steady_clock::now();
    step();
    sample = std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
  }
  return samples;
}

void print(const char* name, std::vector<int64_t> samples) {
  std::sort(samples.begin(), samples.end());
  std::cout << '"' << name << R"(": {)";
  const char* separator = "";
  for (const auto& [quantile, fraction] : {std::pair{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}}) {
    const auto place = static_cast<size_t>(fraction * static_cast<double>(samples.size()));
    std::cout << separator << '"' << quantile << R"(": )" << samples[std::min(place, samples.size() - 1)];
    separator = ", ";
  }
  std::cout << '}';
}

void run(const std::string& network, int steps) {
  std::cout << '{';
  if (network == "linear") {
    const Batch batch = batch_of({32, kInputs});
    check_same_weights(batch);
    print("retort", nanoseconds_of(retort_step_on(linear(), batch), steps));
    std::cout << ", ";
    print("libtorch", nanoseconds_of(bare_step_on(linear(), batch), steps));
  } else if (network == "resnet") {
    print("retort", nanoseconds_of(resnet_step(), steps));
  } else {
    throw std::invalid_argument("network must be linear or resnet (got " + network + ")");
  }
  std::cout << "}\n";
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 3) throw std::invalid_argument("arguments must be linear|resnet STEPS");
    run(argv[1], std::stoi(argv[2]));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
