#pragma once

#include <ATen/Dispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <array>

#include "kernels/cuda/logits_rows.h"
#include "kernels/cuda/tensors.h"
#include "kernels/math/standardise.h"
#include "tensor/logits_batch.h"
#include "tensor/operators.h"

namespace retort::kernels::cuda {

/// What each sample counts in the loss: its share of the weights times T^2.
inline at::Tensor shares_of(const LogitsBatch& of) {
  const auto options = of.student.options().dtype(at::kDouble);
  at::Tensor weights = of.weight ? of.weight->to(at::kDouble) : at::full({of.student.size(0)}, 1.0, options);
  if (of.labels.defined()) weights = at::where(of.labels.ge(0), weights, 0);
  // The sum of what is at most 1 is finite.
  const at::Tensor largest = weights.max();
  const at::Tensor shares = at::where(largest > 0, weights / largest, 0);
  const at::Tensor sum = shares.sum();
  return at::where(sum > 0, shares / sum * (of.temperature * of.temperature), 0).contiguous();
}

/// The logits of one network, standardised if they are to be.
class Logits {
 public:
  Logits(const at::Tensor& given, bool standardise, bool wants_gradient)
      : logits_(given.to(compute_dtype(given)).contiguous()) {
    if (wants_gradient) by_logits_ = at::empty_like(logits_);
    if (!standardise) return;
    const at::Tensor centred = logits_ - logits_.mean(1, /*keepdim=*/true);
    deviation_ = (centred.square().sum(1, /*keepdim=*/true) / degrees()).sqrt();
    logits_ = centred / (deviation_ + math::kStandardiseEpsilon);
  }

  const at::Tensor& logits() const { return logits_; }
  /// Where to write the gradient by what logits() returns.
  const at::Tensor& by_logits() const { return by_logits_; }

  /// The gradient by the given logits.
  at::Tensor gradient() const {
    if (!by_logits_.defined() || !deviation_.defined()) return by_logits_;
    const at::Tensor slope = at::where(deviation_ > 0, (deviation_ * degrees()).reciprocal(), 0);
    const at::Tensor weighted = (by_logits_ * logits_).sum(1, /*keepdim=*/true) * slope;
    return (by_logits_ - by_logits_.mean(1, /*keepdim=*/true)) / (deviation_ + math::kStandardiseEpsilon) -
           logits_ * weighted;
  }

 private:
  double degrees() const { return static_cast<double>(std::max<int64_t>(1, logits_.size(1) - 1)); }

  at::Tensor logits_;
  at::Tensor by_logits_;
  at::Tensor deviation_;
};

/// The sum over the samples of what launch(rows) writes for each of them.
/// @param launch for LogitsRows<float> or LogitsRows<double>
template <typename Launch>
LossWithGradients sum_over_rows(const LogitsBatch& of, std::array<bool, 2> gradients, const Launch& launch) {
  const Logits student(of.student, of.standardise, gradients[0]);
  const Logits teacher(of.teacher, of.standardise, gradients[1]);
  const at::Tensor shares = shares_of(of);
  const at::Tensor terms = at::empty_like(shares);
  const at::ScalarType dtype = student.logits().scalar_type();
  AT_DISPATCH_FLOATING_TYPES(dtype, "loss of logits", [&] {
    launch(LogitsRows<scalar_t>{
        data<scalar_t>(student.logits()), data<scalar_t>(teacher.logits()), mutable_data<scalar_t>(student.by_logits()),
        mutable_data<scalar_t>(teacher.by_logits()), data<double>(shares), mutable_data<double>(terms),
        of.student.size(0), of.student.size(1), static_cast<scalar_t>(1.0 / of.temperature)});
  });
  return with_gradients(scalar_loss(terms, 1, dtype), {student.gradient(), teacher.gradient()});
}

}  // namespace retort::kernels::cuda
