// What serving while training costs: `retort_publish_benchmark` prints the milliseconds, smallest and median, that
// TrainingStep::publish() holds up the thread that trains, beside a plain copy of the same weights and a whole step.
#include <ATen/Functions.h>
#include <retort/retort.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace retort;
using Clock = std::chrono::steady_clock;

std::shared_ptr<Network> resnet(int64_t depth, bool wide) {
  ResNetOptions options;
  options.depth = depth;
  options.classes = 100;
  if (wide) options.filters = {32, 64, 128, 256};
  return make_resnet(options);
}

void print(const std::string& name, int times, const std::function<void()>& action) {
  std::vector<double> milliseconds;
  for (int i = 0; i < times; ++i) {
    const auto start = Clock::now();
    action();
    milliseconds.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  std::cout << "  " << std::left << std::setw(36) << name << std::right << std::fixed << std::setprecision(3)
            << std::setw(9) << milliseconds.front() << std::setw(9) << milliseconds[milliseconds.size() / 2] << '\n';
}

void run(const std::string& name, int64_t depth, bool wide, int times) {
  TrainingStepOptions options;
  options.student = resnet(depth, wide);
  options.input_shape = {3, 32, 32};
  const auto sgd = std::make_shared<SgdOptions>();
  sgd->learning_rate = 0.05;
  sgd->momentum = 0.9;
  options.optimizer = sgd;
  TrainingStep step(options);
  const auto& student = options.student;
  Batch batch;
  batch.images = at::randn({8, 3, 32, 32});
  batch.labels = at::arange(8, at::kLong);
  StepResult result;
  const at::Tensor image = batch.images.slice(0, 0, 1);

  std::cout << name << ", " << student->parameter_count() << " parameters, ms (least, median)\n";
  const at::Tensor expected = student->predict(image);
  print("first publish", 1, [&] { step.publish(); });
  print("first prediction with it", 1, [&] {
    if (!student->predict(image).equal(expected)) throw std::logic_error("published another network");
  });
  print("step, batch 8", times / 10, [&] { step.run(batch, result); });
  const auto state = student->state_dict();
  std::vector<at::Tensor> copy;
  print("copy of the weights", times, [&] {
    std::vector<at::Tensor> fresh;
    for (const auto& entry : state) fresh.push_back(entry.value().clone());
    copy.swap(fresh);
  });
  print("publish", times, [&] { step.publish(); });
  std::atomic<bool> ends{false};
  std::thread reader([&] {
    while (!ends) student->predict(image);
  });
  print("publish, beside a reader", times, [&] { step.publish(); });
  ends = true;
  reader.join();
  print("prediction of an image, published", times, [&] { student->predict(image); });
  const auto unpublished = resnet(depth, wide);
  print("prediction of an image, unpublished", times, [&] { unpublished->predict(image); });
}

}  // namespace

int main() {
  try {
    set_threads(1);
    manual_seed(1);
    run("resnet20", 20, false, 300);
    run("resnet8x4", 8, true, 300);
    run("resnet32x4", 32, true, 100);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 1;
  }
}
