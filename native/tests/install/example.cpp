// Distils a ResNet-20 into a ResNet-8: from the labels and from the teacher's outputs for each image.
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
  const auto nst = std::make_shared<retort::NstOptions>();
  const auto crd = std::make_shared<retort::CrdOptions>();
  crd->samples = 50000;
  crd->negatives = 4096;

  retort::TrainingStepOptions options;
  options.student = student;
  options.teachers = {teacher};
  options.input_shape = {3, 32, 32};
  options.cross_entropy.weight = 0.1;
  options.terms = {
      {0.9, kd, {}, {}},
      {50, nst, {"layer2", "layer3"}, {"layer2", "layer3"}},
      {0.8, crd, {"embedding"}, {"embedding"}}};
  const auto sgd = std::make_shared<retort::SgdOptions>();
  sgd->learning_rate = 0.05;
  sgd->momentum = 0.9;
  sgd->weight_decay = 5e-4;
  options.optimizer = sgd;
  retort::TrainingStep step(options);

  retort::Batch batch;  // your data here
  batch.images = at::randn({16, 3, 32, 32});
  batch.labels = at::randint(network.classes, {16}, at::kLong);
  batch.indices = at::randint(crd->samples, {16}, at::kLong);  // which of the data set's images they are

  retort::StepResult result;
  for (int i = 0; i < 5; ++i) {
    step.run(batch, result);
    std::cout << "step " << i << ": total " << result.total << ", " << result.correct << " of " << result.labeled
              << " correct\n";
  }
  student->save_state_dict("student.pt");
}
