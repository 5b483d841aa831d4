// What the acts of a step work with: numbers for the device, what the student computes, and what losses are given.
#include <utility>

#include "train/autocast.h"
#include "train/step.h"

namespace retort {
namespace {

std::vector<at::Tensor> select(const std::vector<at::Tensor>& features, const std::vector<int64_t>& taps) {
  std::vector<at::Tensor> selected;
  selected.reserve(taps.size());
  for (int64_t tap : taps) selected.push_back(features[static_cast<size_t>(tap)]);
  return selected;
}

}  // namespace

void TrainingStep::Impl::send_numbers(const Attempt& attempt) {
  const BoundStage& now = stage();
  const auto scale = static_cast<double>(loss_scale.factor());
  double* number = given.begin();
  number[kLearningRate] = attempt.result.learning_rate;
  number[kInverseScale] = 1 / scale;
  for (size_t i = 0; i < now.losses.size(); ++i) {
    const double weight = now.losses[i].weight_at(progress.steps_of_stage);
    const auto place = static_cast<int64_t>(i);
    number[kWeights + place] = weight;
    const double share = ranks ? ranks->share_of(place) : 1.0;
    number[factor_place(place)] = share * weight * scale / static_cast<double>(options.accumulate);
  }
  given.send();
  found.begin(static_cast<int64_t>(now.losses.size()), static_cast<int64_t>(now.optimizer->names().size()));
}

CriterionInput TrainingStep::Impl::input_of(
    const BoundLoss& loss, const Batch& batch, const Taught& taught, const NetworkOutput& learned) const {
  CriterionInput input = {criterion_batch(batch), select(learned.features, loss.student_taps), {}, learned.logits, {}};
  if (loss.blend) input.logits_teacher = taught.blends[*loss.blend];
  if (loss.teacher) {
    const NetworkOutput& output = taught.outputs[*loss.teacher];
    input.teacher = select(output.features, loss.teacher_taps);
    input.logits_teacher = output.logits;
  }
  return input;
}

NetworkOutput TrainingStep::Impl::outputs_of_student(const at::Tensor& raw) {
  const ModuleMode mode(stage().modes);
  const Autocast autocast(device, options.student_precision);
  NetworkOutput learned =
      options.student->forward(images.prepare(raw, student_tensors, to_aten(student_format.next())));
  if (learned.logits.dtype() != student_tensors.dtype()) learned.logits = learned.logits.to(student_tensors);
  if (options.student_precision != Precision::kFull) {
    for (at::Tensor& feature : learned.features) {
      if (feature.is_floating_point()) feature = feature.to(student_tensors);
    }
  }
  return learned;
}

}  // namespace retort
