// Compiled once for each instruction set, into the namespace RETORT_ISA. Nothing here may use templates or inline
// functions with external linkage of others: the linker would keep a single one of the variants for all.
#include "kernels/cpu/dkd.simd.h"

#include <math.h>

#include "kernels/math/dkd.h"
#include "kernels/math/kd.h"
#include "kernels/math/log_softmax.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// Over all classes but the label.
template <typename T>
math::LogSoftmax<T> log_softmax_of_others(const T* x, int64_t n, int64_t label, T scale) {
  T max = x[label == 0 ? 1 : 0];
  for (int64_t i = 0; i < n; ++i) max = i != label && x[i] > max ? x[i] : max;
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) {
    sum += i == label ? T(0) : math::exp_nonpositive((x[i] - max) * scale);
  }
  return {x, scale, max, static_cast<T>(log(static_cast<double>(sum)))};
}

template <typename T>
T loss_of(const LogitsRow<T>& row, int64_t label, T alpha, T beta) {
  const auto student = log_softmax_of_others(row.student, row.classes, label, row.inverse_temperature);
  const auto teacher = log_softmax_of_others(row.teacher, row.classes, label, row.inverse_temperature);
  const math::DkdTarget<T> student_target(student[label]);
  const math::DkdTarget<T> teacher_target(teacher[label]);
  T of_others = 0;
#pragma omp simd reduction(+ : of_others)
  for (int64_t i = 0; i < row.classes; ++i) {
    of_others += i == label ? T(0) : math::kd_term(student[i], teacher[i]);
  }
  const T scale = row.gradient_scale * row.inverse_temperature;
  // The log-odds fall by a class's share in the others when its logit rises.
  if (row.student_gradient) {
    const T by_odds = alpha * math::dkd_by_student(student_target, teacher_target);
#pragma omp simd
    for (int64_t i = 0; i < row.classes; ++i) {
      const T by_other = beta * math::kd_student_gradient(student[i], teacher[i]);
      row.student_gradient[i] = scale * (by_other - by_odds * math::exp_nonpositive(student[i]));
    }
    row.student_gradient[label] = scale * by_odds;
  }
  if (row.teacher_gradient) {
    const T by_odds = alpha * math::dkd_by_teacher(student_target, teacher_target);
#pragma omp simd
    for (int64_t i = 0; i < row.classes; ++i) {
      const T by_other = beta * math::kd_teacher_gradient(student[i], teacher[i], of_others);
      row.teacher_gradient[i] = scale * (by_other - by_odds * math::exp_nonpositive(teacher[i]));
    }
    row.teacher_gradient[label] = scale * by_odds;
  }
  return alpha * math::dkd_target_divergence(student_target, teacher_target) + beta * math::not_negative(of_others);
}

}  // namespace

RETORT_DEFINE_KERNELS(DkdKernels, dkd_kernels, &loss_of<T>)

}  // namespace retort::kernels::RETORT_ISA
