// A network of your own in a training step, and predictions on another thread meanwhile.
#include <ATen/Functions.h>
#include <retort/retort.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <future>
#include <iostream>

class SmallNetwork final : public retort::Network {
 public:
  SmallNetwork() : Network({"layer1", "embedding"}) {}

 protected:
  retort::NetworkOutput compute(const at::Tensor& images) override {
    const at::Tensor map = conv_(images).relu();
    const at::Tensor embedding = map.mean({2, 3});
    return {classifier_(embedding), {map, embedding}};
  }

 private:
  torch::nn::Conv2d conv_ = register_module("conv", torch::nn::Conv2d(3, 16, 3));
  torch::nn::Linear classifier_ = register_module("classifier", torch::nn::Linear(16, 10));
};

int main() {
  retort::TrainingStepOptions options;
  options.student = std::make_shared<SmallNetwork>();
  options.teachers = {retort::make_resnet({})};
  options.input_shape = {3, 32, 32};
  options.terms = {{50, std::make_shared<retort::NstOptions>(), {"layer1"}, {"layer3"}}};
  retort::TrainingStep step(options);

  const at::Tensor images = at::randn({8, 3, 32, 32});
  std::future<at::Tensor> prediction = std::async(std::launch::async, [&] { return options.student->predict(images); });
  retort::StepResult result;
  try {
    step.run({images, at::zeros({8}, at::kLong)}, result);  // labels; others are in Batch, too
    std::cout << "total " << result.total << ", NST " << result.terms[0]
              << ", predicted meanwhile: " << prediction.get().sizes() << '\n';
    step.run({images, at::zeros({7}, at::kLong)}, result);
  } catch (const retort::ShapeError& error) {
    std::cout << error.what_without_backtrace() << '\n';  // and nothing has changed
  }
}
