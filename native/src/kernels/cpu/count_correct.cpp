#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <torch/library.h>

#include "tensor/cpu.h"
#include "tensor/precision.h"
#include "tensor/predicted.h"

namespace retort::kernels {
namespace {

void write_correct(const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& count) {
  const at::Tensor rows = contiguous_on_cpu(logits, compute_dtype(logits));
  const at::Tensor labels_on_cpu = contiguous_on_cpu(labels);
  const int64_t* label = labels_on_cpu.const_data_ptr<int64_t>();
  const int64_t classes = rows.size(1);
  int64_t correct = 0;
  AT_DISPATCH_FLOATING_TYPES(rows.scalar_type(), "count_correct", [&] {
    const scalar_t* row = rows.const_data_ptr<scalar_t>();
    for (int64_t b = 0; b < rows.size(0); ++b, row += classes) {
      correct += predicted(row, classes) == label[b];
    }
  });
  *count.mutable_data_ptr<double>() = static_cast<double>(correct);
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_write_correct", &write_correct);
}

}  // namespace retort::kernels
