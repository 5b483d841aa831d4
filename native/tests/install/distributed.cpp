// Distils over several processes, each of which has a part of every batch:
//
//   RANK=0 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500 ./distributed &
//   RANK=1 WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 MASTER_PORT=29500 ./distributed
#include <retort/retort.h>

#include <iostream>

int main() {
  const std::shared_ptr<retort::Ranks> ranks = retort::Ranks::from_environment();  // null for one process
  const int64_t rank = ranks ? ranks->rank() : 0, size = ranks ? ranks->size() : 1;

  retort::manual_seed(1);  // the teacher must be the same on all ranks; the student becomes that of rank 0
  const auto teacher = retort::make_resnet({14, 4}), student = retort::make_resnet({8, 4});
  retort::TrainingStepOptions options;
  options.student = student;
  options.teachers = {teacher};
  options.input_shape = {3, 16, 16};
  options.terms = {{0.9, std::make_shared<retort::KdOptions>()}};
  options.ranks = ranks;
  retort::TrainingStep step(options);

  const at::Tensor images = at::randn({12, 3, 16, 16}), labels = at::arange(12, at::kLong) % 4;
  retort::StepResult result;
  double first = 0;
  for (int i = 0; i < 20; ++i) {
    retort::Batch batch;
    batch.images = images.tensor_split(size)[static_cast<size_t>(rank)];
    batch.labels = labels.tensor_split(size)[static_cast<size_t>(rank)];
    step.run(batch, result);  // the numbers are those of all 12 images
    if (i == 0) first = result.total;
  }
  if (rank == 0)
    std::cout << "loss of " << result.samples << " images from " << first << " to " << result.total << '\n';
  return result.total < first ? 0 : 1;
}
