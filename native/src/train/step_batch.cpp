// What a training step requires of a batch, and tells other ranks and criteria about it.
#include <algorithm>
#include <iterator>
#include <utility>

#include "io/checksum.h"
#include "tensor/check.h"
#include "tensor/labels.h"
#include "train/class_name.h"
#include "train/step.h"

namespace retort {
namespace {

constexpr int64_t kStepsBetweenChecksums = 100;

/// Requires rows of a data set for each sample of the batch.
void check_rows_of_batch(const char* argument, const at::Tensor& rows, int64_t rank, int64_t batch) {
  RETORT_CHECK_AS(
      ShapeError, rows.scalar_type() == at::kLong, kTrainingStep, ": ", argument, " must be int64 (got ",
      rows.scalar_type(), ")");
  RETORT_CHECK_AS(
      ShapeError, rows.dim() == rank && rows.size(0) == batch, kTrainingStep, ": ", argument, " must be of rank ", rank,
      " with the batch of ", batch, " first (got ", rows.sizes(), ")");
}

void add_floating_point(const std::vector<at::Tensor>& buffers, std::vector<at::Tensor>& all) {
  std::copy_if(buffers.begin(), buffers.end(), std::back_inserter(all), [](const at::Tensor& buffer) {
    return buffer.is_floating_point() && buffer.numel() > 0;
  });
}

/// Of the bytes of tensors.
uint64_t checksum_of(const std::vector<at::Tensor>& tensors) {
  uint64_t sum = 0;
  for (const at::Tensor& tensor : tensors) sum = checksum(tensor, sum);
  return sum;
}

}  // namespace

int64_t TrainingStep::Impl::check(const Batch& batch) const {
  const BoundStage& now = stage();
  images.check(batch.images, student_tensors);
  const int64_t size = batch.images.size(0);
  RETORT_CHECK(
      !sample_of_student.defined() || sample_of_student.dtype() == student_tensors.dtype(), kTrainingStep,
      ": student must keep the dtype it had when the step was built, ", student_tensors.dtype().toScalarType(),
      " (got ", sample_of_student.scalar_type(), ")");
  if (batch.indices.defined()) check_rows_of_batch("indices", batch.indices, 1, size);
  if (batch.contrast.defined()) check_rows_of_batch("contrast", batch.contrast, 2, size);
  if (batch.weights.defined()) {
    const double sum = check_weights(kTrainingStep, batch.weights, size);
    // The samples that count may be those of another rank.
    RETORT_CHECK(sum > 0 || ranks, kTrainingStep, ": weights must not all be 0 (got only 0)");
  }
  const bool has_labels = batch.labels.defined() || now.has_cross_entropy;
  const int64_t labeled = has_labels ? check_labels(kTrainingStep, batch.labels, size, classes) : 0;
  teachers.check(batch, now.teachers);
  const CriterionBatch of_criteria = criterion_batch(batch);
  for (const BoundLoss& loss : now.losses) loss.criterion->check_batch(of_criteria);
  return labeled;
}

CriterionBatch TrainingStep::Impl::criterion_batch(const Batch& batch) const {
  return {batch.labels,  batch.indices,        batch.contrast,
          batch.weights, batch.images.size(0), ranks && ranks->has_met() ? &ranks->batch() : nullptr};
}

void TrainingStep::Impl::meet(const CriterionBatch& own, Attempt& attempt) {
  StepRanks::Part part = {StepRanks::Call::kRun, progress.steps, progress.stage, accumulation.count()};
  part.samples = attempt.result.samples;
  part.labeled = attempt.result.labeled;
  const BoundStage& now = stage();
  for (size_t i = 0; i < now.losses.size(); ++i) {
    part.divisors.push_back(attempt.applies[i] ? now.losses[i].criterion->divisor(own) : 0.0);
  }
  if (progress.steps % kStepsBetweenChecksums == 0) part.checksum = checksum_of(stage().optimizer->parameters());
  ranks->meet(part);
  attempt.result.samples = ranks->batch().samples();
  attempt.result.labeled = ranks->labeled();
}

std::vector<at::Tensor> TrainingStep::Impl::own_buffers_of_networks() const {
  std::vector<at::Tensor> own;
  add_floating_point(options.student->buffers(), own);
  for (size_t place : stage().teachers) {
    const TeacherOptions& teacher = options.teachers[place];
    const bool moves = teacher.network && teacher.batch_norm == TeacherBatchNorm::kTraining;
    if (moves) add_floating_point(teacher.network->buffers(), own);
  }
  return own;
}

std::vector<at::Tensor> TrainingStep::Impl::own_buffers_of_criteria() const {
  std::vector<at::Tensor> own;
  for (const BoundLoss& loss : stage().losses) add_floating_point(loss.criterion->buffers_of_own_batch(), own);
  return own;
}

}  // namespace retort
