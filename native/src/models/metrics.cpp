#include <ATen/Dispatch.h>
#include <retort/models/metrics.h>

#include <cmath>

#include "tensor/check.h"
#include "tensor/cpu.h"
#include "tensor/labels.h"
#include "tensor/precision.h"
#include "tensor/predicted.h"

namespace retort {
namespace {

constexpr const char* kFunction = "count_predictions";

void check_logits(const at::Tensor& logits) {
  RETORT_CHECK_AS(ShapeError, logits.defined(), kFunction, ": logits must be given (got an undefined tensor)");
  RETORT_CHECK_AS(
      ShapeError, logits.dim() == 2 && logits.is_floating_point(), kFunction,
      ": logits must be floating point of shape [batch, classes] (got ", logits.scalar_type(), " ", logits.sizes(),
      ")");
}

void check_confusion(const at::Tensor& confusion, int64_t classes) {
  RETORT_CHECK_AS(ShapeError, confusion.defined(), kFunction, ": confusion must be given (got an undefined tensor)");
  const bool fits = confusion.dim() == 2 && confusion.size(0) == classes && confusion.size(1) == classes;
  RETORT_CHECK_AS(
      ShapeError, fits && confusion.scalar_type() == at::kLong && confusion.is_cpu() && confusion.is_contiguous(),
      kFunction, ": confusion must be contiguous int64 of shape [", classes, ", ", classes, "] on the CPU (got ",
      confusion.scalar_type(), " ", confusion.sizes(), " on ", confusion.device(), ")");
}

/// Whether a label is among the largest logits: the predicted class comes first, then the others by their logits, the
/// first of equal ones before the next, and those with NaN last.
template <typename T>
bool is_in_top(const T* logits, int64_t classes, int64_t label, int64_t first, int64_t top) {
  if (label == first) return true;
  const T own = logits[label];
  int64_t before = 1;
  for (int64_t other = 0; other < classes && before < top; ++other) {
    if (other == first || other == label) continue;
    const T logit = logits[other];
    const bool is_equal = logit == own || (std::isnan(logit) && std::isnan(own));
    before += is_equal ? other < label : logit > own || (std::isnan(own) && !std::isnan(logit));
  }
  return before < top;
}

}  // namespace

int64_t count_predictions(
    const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& confusion, int64_t top) {
  check_logits(logits);
  const int64_t classes = logits.size(1);
  check_confusion(confusion, classes);
  RETORT_CHECK(top >= 1, kFunction, ": top must be at least 1 (got ", top, ")");
  check_labels(kFunction, labels, logits.size(0), classes);
  const at::Tensor rows = contiguous_on_cpu(logits, compute_dtype(logits));
  const at::Tensor labels_on_cpu = contiguous_on_cpu(labels);
  const int64_t* label = labels_on_cpu.const_data_ptr<int64_t>();
  auto* count = confusion.mutable_data_ptr<int64_t>();
  int64_t in_top = 0;
  AT_DISPATCH_FLOATING_TYPES(rows.scalar_type(), kFunction, [&] {
    const scalar_t* row = rows.const_data_ptr<scalar_t>();
    for (int64_t b = 0; b < rows.size(0); ++b, row += classes) {
      if (label[b] < 0) continue;
      const int64_t first = predicted(row, classes);
      ++count[label[b] * classes + first];
      in_top += is_in_top(row, classes, label[b], first, top);
    }
  });
  return in_top;
}

}  // namespace retort
