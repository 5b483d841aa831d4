// Compiled once for each instruction set, into the namespace RETORT_ISA. Nothing here may use templates or inline
// functions with external linkage of others: the linker would keep a single one of the variants for all.
#include "kernels/cpu/kd.simd.h"

#include <math.h>

#include "kernels/math/kd.h"
#include "kernels/math/log_softmax.h"

namespace retort::kernels::RETORT_ISA {
namespace {

float log_of(float x) {
  return logf(x);
}
double log_of(double x) {
  return log(x);
}

template <typename T>
math::LogSoftmax<T> log_softmax(const T* x, int64_t n, T scale) {
  T largest = x[0];
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += math::exp_nonpositive((x[i] - largest) * scale);
  return {x, scale, largest, log_of(sum)};
}

// Both take the log-softmax by value: through a reference, GCC does not vectorise the sum.

template <typename T>
T divergence_from_logits(const LogitsRow<T>& row, math::LogSoftmax<T> student) {
  const math::LogSoftmax<T> teacher = log_softmax(row.teacher, row.classes, row.inverse_temperature);
  const T scale = row.gradient_scale * row.inverse_temperature;
  T divergence = 0;
#pragma omp simd reduction(+ : divergence)
  for (int64_t i = 0; i < row.classes; ++i) divergence += math::kd_term(student[i], teacher[i]);
  if (row.student_gradient) {
#pragma omp simd
    for (int64_t i = 0; i < row.classes; ++i) {
      row.student_gradient[i] = scale * math::kd_student_gradient(student[i], teacher[i]);
    }
  }
  if (row.teacher_gradient) {
#pragma omp simd
    for (int64_t i = 0; i < row.classes; ++i) {
      row.teacher_gradient[i] = scale * math::kd_teacher_gradient(student[i], teacher[i], divergence);
    }
  }
  return math::not_negative(divergence);
}

template <typename T>
T divergence_from_probabilities(const LogitsRow<T>& row, math::LogSoftmax<T> student) {
  T divergence = 0;
  T total = 0;
  for (int64_t i = 0; i < row.classes; ++i) {
    const T probability = row.teacher[i];
    total += probability;
    // Neither vanishes where a probability is NaN.
    const T difference = probability == T(0) ? T(0) : log_of(probability) - student[i];
    divergence += probability == T(0) ? T(0) : probability * difference;
    if (row.teacher_gradient) {
      row.teacher_gradient[i] = probability == T(0) ? T(0) : row.gradient_scale * (difference + T(1));
    }
  }
  if (row.student_gradient) {
    const T scale = row.gradient_scale * row.inverse_temperature;
#pragma omp simd
    for (int64_t i = 0; i < row.classes; ++i) {
      row.student_gradient[i] = scale * (total * math::exp_nonpositive(student[i]) - row.teacher[i]);
    }
  }
  return divergence;
}

template <typename T>
T row_divergence(const LogitsRow<T>& row, bool teacher_has_probabilities) {
  const math::LogSoftmax<T> student = log_softmax(row.student, row.classes, row.inverse_temperature);
  return teacher_has_probabilities ? divergence_from_probabilities(row, student) : divergence_from_logits(row, student);
}

}  // namespace

RETORT_DEFINE_KERNELS(KdKernels, kd_kernels, &row_divergence<T>)

}  // namespace retort::kernels::RETORT_ISA
