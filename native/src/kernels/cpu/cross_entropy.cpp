#include <ATen/Dispatch.h>
#include <ATen/TensorIterator.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/util/SmallVector.h>
#include <torch/library.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "kernels/cpu/cross_entropy.simd.h"
#include "kernels/cpu/per_sample.h"
#include "runtime/threads.h"
#include "tensor/cpu.h"
#include "tensor/operators.h"
#include "tensor/precision.h"

namespace retort::kernels {
namespace {

/// One for each sample; of small batches without an allocation.
using Numbers = c10::SmallVector<double, 64>;

/// What each sample counts in the loss, its label's class apart: nothing without a label, and nothing at all if no
/// labelled sample counts.
Numbers shares_of(const int64_t* labels, int64_t batch, const double* weights, const double* class_weights) {
  Numbers shares(static_cast<size_t>(batch));
  double norm = 0;
  for (int64_t b = 0; b < batch; ++b) {
    if (labels[b] < 0) continue;
    const double weight = weights ? weights[b] : 1.0;
    shares[static_cast<size_t>(b)] = weight;
    norm += weight * (class_weights ? class_weights[labels[b]] : 1.0);
  }
  for (double& share : shares) share = norm > 0 ? share / norm : 0;
  return shares;
}

LossWithGradients cross_entropy_forward(
    const at::Tensor& logits, const at::Tensor& labels, const std::optional<at::Tensor>& weight,
    const std::optional<at::Tensor>& class_weight, double label_smoothing, std::array<bool, 1> gradients) {
  const int64_t batch = logits.size(0);
  const int64_t classes = logits.size(1);
  const auto doubles = [](const std::optional<at::Tensor>& given) {
    return given ? contiguous_on_cpu(*given, at::kDouble) : at::Tensor();
  };
  const auto data = [](const at::Tensor& numbers) {
    return numbers.defined() ? numbers.const_data_ptr<double>() : nullptr;
  };
  const at::Tensor labels_side_by_side = contiguous_on_cpu(labels);
  const at::Tensor weights = doubles(weight);
  const at::Tensor class_weights = doubles(class_weight);
  const int64_t* label = labels_side_by_side.const_data_ptr<int64_t>();
  const Numbers shares = shares_of(label, batch, data(weights), data(class_weights));

  const at::ScalarType dtype = compute_dtype(logits);
  const at::Tensor rows = contiguous_on_cpu(logits, dtype);
  const at::Tensor gradient = gradients[0] ? at::empty(rows.sizes(), rows.options()) : at::Tensor();
  Numbers parts(static_cast<size_t>(batch));
  AT_DISPATCH_FLOATING_TYPES(dtype, "cross_entropy", [&] {
    const auto row_loss = cross_entropy_kernels<scalar_t>().loss;
    const scalar_t* from = rows.const_data_ptr<scalar_t>();
    scalar_t* to = gradients[0] ? gradient.mutable_data_ptr<scalar_t>() : nullptr;
    const int64_t grain = std::max<int64_t>(1, at::internal::GRAIN_SIZE / classes);
    parallel_for(0, batch, grain, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        scalar_t* own = to ? to + b * classes : nullptr;
        const double share = shares[static_cast<size_t>(b)];
        if (share > 0) {
          parts[static_cast<size_t>(b)] =
              row_loss({from + b * classes, own, classes, label[b], data(class_weights), label_smoothing, share});
        } else if (own) {
          // A sample that does not count may hold anything.
          std::fill_n(own, classes, scalar_t(0));
        }
      }
    });
  });
  const double loss = std::accumulate(parts.begin(), parts.end(), 0.0);
  return with_gradients(scalar_on_cpu(loss, dtype), {gradient});
}

}  // namespace

TORCH_LIBRARY_IMPL(retort, CPU, m) {
  m.impl("_cross_entropy_forward", &cross_entropy_forward);
}

}  // namespace retort::kernels
