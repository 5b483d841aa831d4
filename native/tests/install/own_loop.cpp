// Retort's losses in a training loop of your own, with LibTorch's modules and optimizer.
#include <retort/retort.h>
#include <torch/nn/modules/conv.h>
#include <torch/optim/sgd.h>

#include <iostream>

int main() {
  retort::manual_seed(1);
  torch::nn::Conv2d student(torch::nn::Conv2dOptions(3, 8, 3).padding(1));
  const at::Tensor images = at::randn({4, 3, 16, 16});
  const at::Tensor teacher = at::randn({4, 32, 8, 8});  // the output of the teacher's layer for the images

  torch::optim::SGD optimizer(student->parameters(), 0.05);
  double first = 0, last = 0;
  for (int i = 0; i < 20; ++i) {
    const at::Tensor loss = retort::nst_loss({student(images)}, {teacher}, {})[0];
    optimizer.zero_grad();
    loss.backward();
    optimizer.step();
    last = loss.item<double>();
    if (i == 0) first = last;
  }
  std::cout << "NST from " << first << " to " << last << '\n';
  return last < first ? 0 : 1;
}
