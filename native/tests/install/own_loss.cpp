// A loss of your own, as a program and from a library, in a training step.
#include <ATen/Functions.h>
#include <retort/retort.h>

#include <cmath>
#include <iostream>

int main(int /*count*/, char** files) {
  retort::load_criteria(files[2]);  // libattention_transfer.so

  retort::TrainingStepOptions options;
  options.student = retort::make_resnet({});
  options.teachers = {retort::make_resnet({})};
  options.input_shape = {3, 32, 32};
  options.terms = {
      {1000, retort::load_program_loss(files[1]), {"layer2"}, {"layer2"}},  // attention_transfer.ts
      {1000, retort::make_criterion("attention_transfer", {{"power", "2"}}), {"layer2"}, {"layer2"}}};
  retort::TrainingStep step(options);

  retort::StepResult result;
  step.run({at::randn({8, 3, 32, 32}), at::zeros({8}, at::kLong)}, result);
  std::cout << "program " << result.terms[0] << ", library " << result.terms[1] << '\n';
  return std::abs(result.terms[0] - result.terms[1]) < 1e-4 * result.terms[0] ? 0 : 1;
}
