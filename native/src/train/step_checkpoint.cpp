// What TrainingStep::save writes.
#include <ATen/Context.h>
#include <ATen/core/Generator.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <utility>

#include "io/checkpoint_file.h"
#include "tensor/check.h"
#include "train/step.h"
#include "train/step_entries.h"

namespace retort {
namespace {

using Tensors = torch::OrderedDict<std::string, at::Tensor>;

at::Tensor to_tensor(const std::string& bytes) {
  at::Tensor tensor = at::empty({static_cast<int64_t>(bytes.size())}, at::kByte);
  std::copy(bytes.begin(), bytes.end(), tensor.mutable_data_ptr<uint8_t>());
  return tensor;
}

}  // namespace

torch::OrderedDict<std::string, at::Tensor> changing(
    const TrainingStepOptions& options, torch::OrderedDict<std::string, at::Tensor> state) {
  for (const TeacherOptions& teacher : options.teachers) {
    if (!teacher.network || teacher.batch_norm != TeacherBatchNorm::kTraining) continue;
    NetworkState::of(*teacher.network).synchronise();
    const std::string prefix = key_of(teacher) + ".";
    for (const auto& entry : teacher.network->named_buffers()) state.insert(prefix + entry.key(), entry.value());
  }
  return state;
}

torch::OrderedDict<std::string, at::Tensor> TrainingStep::Impl::state(int64_t at_stage) const {
  torch::OrderedDict<std::string, at::Tensor> state;
  for (const auto& entry : NetworkState::of(*options.student).entries()) {
    state.insert(kStudentPrefix + entry.key(), entry.value());
  }
  for (size_t i = 0; i < criteria.size(); ++i) {
    const std::string prefix = "terms." + std::to_string(i) + ".";
    for (const auto& entry : criteria[i]->named_parameters()) {
      state.insert(prefix + entry.key(), entry.value().detach());
    }
    for (const auto& entry : criteria[i]->named_buffers()) state.insert(prefix + entry.key(), entry.value());
  }
  const Optimizer& optimizer = *stages[static_cast<size_t>(at_stage)].optimizer;
  for (const auto& entry : optimizer.state()) state.insert(entry.key(), entry.value());
  return state;
}

Checkpoint TrainingStep::Impl::copy_state(const char* function, const std::string& note) {
  Checkpoint checkpoint{configuration, Tensors()};
  const auto lock = lock_settled();
  together([&] {
    RETORT_CHECK(
        note.size() <= kMostNoteBytes, function, ": note must be of at most ", kMostNoteBytes, " bytes (got ",
        note.size(), ")");
    if (ranks) ranks->meet({StepRanks::Call::kSave, progress.steps, progress.stage, accumulation.count()});
    const auto add = [&](const std::string& name, const at::Tensor& value) {
      checkpoint.tensors.insert(name, value.detach().to(at::kCPU, /*non_blocking=*/false, /*copy=*/true));
    };
    for (const auto& entry : changing(options, state(progress.stage))) add(entry.key(), entry.value());
    for (size_t i = 0; i < accumulation.sum().size(); ++i) {
      const at::Tensor& sum = accumulation.sum()[i];
      if (sum.defined()) add(kAccumulatedPrefix + stage().optimizer->names()[i], sum);
    }
    for (const auto& [name, network] : networks()) {
      add(kAttributesPrefix + name, to_tensor(NetworkState::of(*network).packed_attributes()));
    }
    at::Tensor numbers = at::empty({count_numbers(options)}, at::kLong);
    auto* number = numbers.mutable_data_ptr<int64_t>();
    number[kSteps] = progress.steps;
    number[kStage] = progress.stage;
    number[kStepsOfStage] = progress.steps_of_stage;
    number[kAccumulated] = accumulation.count();
    number[kStudentFormat] = static_cast<int64_t>(student_format.chosen());
    for (size_t i = 0; i < teachers.size(); ++i) {
      number[kTeacherFormats + i] = static_cast<int64_t>(teachers[i].format().chosen());
    }
    checkpoint.tensors.insert(kNumbersName, numbers);
    if (loss_scale.is_used()) {
      checkpoint.tensors.insert(
          kLossScaleName, at::tensor({loss_scale.factor(), loss_scale.good_batches()}, at::kLong));
    }
    const at::Tensor random = random_state_of(device);
    checkpoint.tensors.insert(kRandomName, random);
    if (ranks) {
      const at::Tensor all = ranks->gather(random);
      checkpoint.tensors[kRandomName] = all[0].clone();
      for (int64_t rank = 1; rank < ranks->size(); ++rank) {
        checkpoint.tensors.insert(random_name(rank), all[rank].clone());
      }
    }
  });
  if (!note.empty()) checkpoint.tensors.insert(kNoteName, to_tensor(note));
  return checkpoint;
}

}  // namespace retort
