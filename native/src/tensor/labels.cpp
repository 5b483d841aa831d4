#include "tensor/labels.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <torch/library.h>

#include <cmath>

#include "tensor/check.h"
#include "tensor/cpu.h"
#include "tensor/operators.h"
#include "tensor/plain.h"

namespace retort {

namespace {

void check_shape_of_labels(const char* function, const at::Tensor& labels, const c10::SymInt& batch) {
  RETORT_CHECK_AS(ShapeError, labels.defined(), function, ": labels must be given (got an undefined tensor)");
  RETORT_CHECK_AS(
      ShapeError, labels.scalar_type() == at::kLong, function, ": labels must be int64 (got ", labels.scalar_type(),
      ")");
  RETORT_CHECK_AS(
      ShapeError, labels.dim() == 1 && labels.sym_size(0) == batch, function, ": labels must be of shape [", batch,
      "] (got ", labels.sym_sizes(), ")");
}

}  // namespace

int64_t check_labels(const char* function, const at::Tensor& labels, int64_t batch, int64_t classes) {
  check_shape_of_labels(function, labels, batch);
  const at::Tensor on_cpu = contiguous_on_cpu(labels);
  const int64_t* label = on_cpu.const_data_ptr<int64_t>();
  int64_t labeled = 0;
  for (int64_t i = 0; i < batch; ++i) {
    RETORT_CHECK(
        label[i] >= -1 && label[i] < classes, function, ": labels must be between -1 and ", classes - 1, " (got ",
        label[i], " at ", i, ")");
    labeled += label[i] >= 0;
  }
  return labeled;
}

void check_labels_of(const char* function, const at::Tensor& labels, const at::Tensor& logits) {
  check_shape_of_labels(function, labels, logits.sym_size(0));
  RETORT_CHECK_AS(
      ShapeError, labels.device() == logits.device(), function, ": student and labels must be on the same device (got ",
      logits.device(), " and ", labels.device(), ")");
  if (has_values(labels)) check_labels(function, labels, logits.size(0), logits.size(1));
}

double check_weights(const char* function, const at::Tensor& weights, int64_t batch) {
  RETORT_CHECK_AS(
      ShapeError, weights.dim() == 1 && weights.size(0) == batch && weights.is_floating_point(), function,
      ": weights must be floating point of shape [", batch, "] (got ", weights.scalar_type(), " ", weights.sizes(),
      ")");
  const at::Tensor on_cpu = contiguous_on_cpu(weights, at::kDouble);
  const double* weight = on_cpu.const_data_ptr<double>();
  double sum = 0;
  for (int64_t i = 0; i < batch; ++i) {
    RETORT_CHECK(
        weight[i] >= 0 && std::isfinite(weight[i]), function, ": weights must be at least 0 and finite (got ",
        weight[i], " at ", i, ")");
    sum += weight[i];
  }
  return sum;
}

void write_correct(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& count) {
  using Write = void(const at::Tensor&, const at::Tensor&, const at::Tensor&);
  static const auto write = find_operator<Write>("retort::_write_correct");
  const at::AutoDispatchBelowAutograd no_autograd;
  write.call(logits, labels, count);
}

TORCH_LIBRARY_FRAGMENT(retort, m) {
  m.def("_write_correct(Tensor logits, Tensor labels, Tensor(a!) count) -> ()");
}

}  // namespace retort
