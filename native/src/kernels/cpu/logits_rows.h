#pragma once

#include <ATen/Dispatch.h>
#include <ATen/TensorIterator.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "kernels/cpu/logits_row.h"
#include "kernels/cpu/standardise.simd.h"
#include "runtime/threads.h"
#include "tensor/logits_batch.h"
#include "tensor/operators.h"
#include "tensor/precision.h"
#include "tensor/scalar.h"

namespace retort::kernels {

/// What each sample counts in the loss: its share of the weights times T^2.
inline std::vector<double> shares_of(const LogitsBatch& of) {
  const auto batch = static_cast<size_t>(of.student.size(0));
  std::vector<double> shares(batch, 1.0);
  if (of.weight.has_value()) {
    const at::Tensor weights = of.weight->to(at::kDouble).contiguous();
    std::copy_n(weights.const_data_ptr<double>(), batch, shares.begin());
  }
  if (of.labels.defined()) {
    const int64_t* labels = of.labels.const_data_ptr<int64_t>();
    for (size_t b = 0; b < batch; ++b) shares[b] = labels[b] < 0 ? 0 : shares[b];
  }
  // The sum of what is at most 1 is finite.
  const double largest = *std::max_element(shares.begin(), shares.end());
  for (double& share : shares) share = largest > 0 ? share / largest : 0;
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share = sum > 0 ? share / sum * of.temperature * of.temperature : 0;
  return shares;
}

/// The rows of a batch as row_loss(row, b), a value that is added up by shares, is given them.
template <typename T>
class LogitsRows {
 public:
  LogitsRows(const LogitsBatch& of, const at::Tensor& student_gradient, const at::Tensor& teacher_gradient)
      : student_(of.student.to(c10::CppTypeToScalarType<T>::value).contiguous()),
        teacher_(of.teacher.to(c10::CppTypeToScalarType<T>::value).contiguous()),
        student_gradient_(student_gradient.defined() ? student_gradient.mutable_data_ptr<T>() : nullptr),
        teacher_gradient_(teacher_gradient.defined() ? teacher_gradient.mutable_data_ptr<T>() : nullptr),
        classes_(of.student.size(1)),
        inverse_temperature_(static_cast<T>(1.0 / of.temperature)) {}

  LogitsRow<T> row(int64_t b, double share) const {
    return {
        at(student_.template const_data_ptr<T>(), b),
        at(teacher_.template const_data_ptr<T>(), b),
        at(student_gradient_, b),
        at(teacher_gradient_, b),
        classes_,
        inverse_temperature_,
        static_cast<T>(share)};
  }

 private:
  template <typename Pointer>
  Pointer at(Pointer rows, int64_t b) const {
    return rows ? rows + b * classes_ : nullptr;
  }

  at::Tensor student_;
  at::Tensor teacher_;
  T* student_gradient_;
  T* teacher_gradient_;
  int64_t classes_;
  T inverse_temperature_;
};

/// The loss of a row whose logits are standardised before.
template <typename T, typename RowLoss>
T loss_of_standardised(const LogitsRow<T>& row, std::vector<T>& memory, const RowLoss& row_loss) {
  const StandardiseKernels<T>& kernels = standardise_kernels<T>();
  memory.resize(static_cast<size_t>(2 * row.classes));
  T* student = memory.data();
  T* teacher = student + row.classes;
  const Standardised<T> of_student = kernels.standardise(row.student, row.classes, student);
  const Standardised<T> of_teacher = kernels.standardise(row.teacher, row.classes, teacher);
  LogitsRow<T> inner = row;
  inner.student = student;
  inner.teacher = teacher;
  const T loss = row_loss(inner);
  if (row.student_gradient) kernels.project(of_student, student, row.classes, row.student_gradient);
  if (row.teacher_gradient) kernels.project(of_teacher, teacher, row.classes, row.teacher_gradient);
  return loss;
}

/// The sum over the samples of row_loss(row, b) times the sample's share.
/// @param row_loss for a LogitsRow<float> or LogitsRow<double>
template <typename RowLoss>
LossWithGradients sum_over_rows(const LogitsBatch& of, std::array<bool, 2> gradients, const RowLoss& row_loss) {
  const at::ScalarType dtype = compute_dtype(of.student);
  const int64_t batch = of.student.size(0);
  const int64_t classes = of.student.size(1);
  const auto room = [&](bool asked) {
    return asked ? at::empty(of.student.sizes(), of.student.options().dtype(dtype)) : at::Tensor();
  };
  const at::Tensor student_gradient = room(gradients[0]);
  const at::Tensor teacher_gradient = room(gradients[1]);
  const std::vector<double> shares = shares_of(of);
  std::vector<double> terms(static_cast<size_t>(batch));
  AT_DISPATCH_FLOATING_TYPES(dtype, "loss of logits", [&] {
    const LogitsRows<scalar_t> rows(of, student_gradient, teacher_gradient);
    const int64_t grain = std::max<int64_t>(1, at::internal::GRAIN_SIZE / (4 * classes));
    parallel_for(0, batch, grain, [&](int64_t begin, int64_t end) {
      std::vector<scalar_t> memory;
      for (int64_t b = begin; b < end; ++b) {
        const double share = shares[static_cast<size_t>(b)];
        const LogitsRow<scalar_t> row = rows.row(b, share);
        if (share == 0) {
          // A sample that does not count may hold anything.
          for (scalar_t* gradient : {row.student_gradient, row.teacher_gradient}) {
            if (gradient) std::fill_n(gradient, classes, scalar_t(0));
          }
          continue;
        }
        const auto own_loss = [&](const LogitsRow<scalar_t>& one) { return row_loss(one, b); };
        const scalar_t loss = of.standardise ? loss_of_standardised(row, memory, own_loss) : own_loss(row);
        terms[static_cast<size_t>(b)] = static_cast<double>(loss) * share;
      }
    });
  });
  const double loss = std::accumulate(terms.begin(), terms.end(), 0.0);
  return with_gradients(scalar_on_cpu(loss, dtype), {student_gradient, teacher_gradient});
}

}  // namespace retort::kernels
