// What a training step requires of a batch.
#include "tensor/check.h"
#include "tensor/labels.h"
#include "train/step.h"

namespace retort {
namespace {

constexpr const char* kName = "TrainingStep";

/// Requires rows of a data set for each sample of the batch.
void check_rows_of_batch(const char* argument, const at::Tensor& rows, int64_t rank, int64_t batch) {
  RETORT_CHECK_AS(
      ShapeError, rows.scalar_type() == at::kLong, kName, ": ", argument, " must be int64 (got ", rows.scalar_type(),
      ")");
  RETORT_CHECK_AS(
      ShapeError, rows.dim() == rank && rows.size(0) == batch, kName, ": ", argument, " must be of rank ", rank,
      " with the batch of ", batch, " first (got ", rows.sizes(), ")");
}

}  // namespace

int64_t TrainingStep::Impl::check(const Batch& batch) const {
  const BoundStage& now = stage();
  images.check(batch.images, student_tensors);
  const int64_t size = batch.images.size(0);
  RETORT_CHECK(
      !sample_of_student.defined() || sample_of_student.dtype() == student_tensors.dtype(), kName,
      ": student must keep the dtype it had when the step was built, ", student_tensors.dtype().toScalarType(),
      " (got ", sample_of_student.scalar_type(), ")");
  if (batch.indices.defined()) check_rows_of_batch("indices", batch.indices, 1, size);
  if (batch.contrast.defined()) check_rows_of_batch("contrast", batch.contrast, 2, size);
  if (batch.weights.defined()) check_weights(kName, batch.weights, size);
  const bool has_labels = batch.labels.defined() || now.has_cross_entropy;
  const int64_t labeled = has_labels ? check_labels(kName, batch.labels, size, classes) : 0;
  teachers.check(batch, now.teachers);
  const CriterionBatch of_criteria = criterion_batch(batch);
  for (const BoundLoss& loss : now.losses) loss.criterion->check_batch(of_criteria);
  return labeled;
}

}  // namespace retort
