// Distils a ResNet-20 into a ResNet-8: what the labels say and what the teacher thinks of every class.
#include <ATen/Functions.h>
#include <retort/retort.h>

#include <iostream>

int main() {
  retort::manual_seed(1);
  retort::ResNetOptions network;
  network.depth = 20;
  const auto teacher = retort::make_resnet(network);  // teacher->load_state_dict("teacher.pt")
  network.depth = 8;
  const auto student = retort::make_resnet(network);

  const auto kd = std::make_shared<retort::KdOptions>();
  kd->temperature = 4;

  retort::TrainingStepOptions options;
  options.student = student;
  options.teacher = teacher;
  options.input_shape = {3, 32, 32};
  options.cross_entropy = 0.1;
  options.terms = {{0.9, kd, {}, {}}};
  options.optimizer.learning_rate = 0.05;
  options.optimizer.momentum = 0.9;
  options.optimizer.weight_decay = 5e-4;
  retort::TrainingStep step(options);

  retort::Batch batch;  // your data here
  batch.images = at::randn({16, 3, 32, 32});
  batch.labels = at::randint(network.classes, {16}, at::kLong);

  retort::StepResult result;
  for (int i = 0; i < 5; ++i) {
    step.run(batch, result);
    std::cout << "step " << i << ": total " << result.total << ", " << result.correct << " of " << result.labeled
              << " correct\n";
  }
  student->save_state_dict("student.pt");
}
