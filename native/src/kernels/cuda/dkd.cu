#include "kernels/cuda/logits_rows.cuh"
#include "kernels/math/dkd.h"
#include "kernels/math/kd.h"
#include "kernels/math/log_softmax.h"

namespace retort::kernels::cuda {
namespace {

/// Over all classes but the label.
template <typename T>
__device__ math::LogSoftmax<T> log_softmax_of_others(const T* x, int64_t n, int64_t label, T scale) {
  T largest = x[label == 0 ? 1 : 0];
  for (int64_t i = threadIdx.x; i < n; i += kThreads) largest = i != label && x[i] > largest ? x[i] : largest;
  const T max = block_max(largest);
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) {
    if (i != label) sum += static_cast<double>(math::exp_nonpositive((x[i] - max) * scale));
  }
  return {x, scale, max, static_cast<T>(log(block_sum(sum)))};
}

/// A block a row.
template <typename T>
__global__ void __launch_bounds__(kThreads) dkd_kernel(LogitsRows<T> rows, const int64_t* labels, T alpha, T beta) {
  const LogitsRows<T> row = one_of(rows, blockIdx.x);
  const double share = *row.shares;
  if (share == 0) return skip(row);
  const int64_t label = labels[blockIdx.x];
  const auto student = log_softmax_of_others(row.student, row.classes, label, row.inverse_temperature);
  const auto teacher = log_softmax_of_others(row.teacher, row.classes, label, row.inverse_temperature);
  const math::DkdTarget<T> student_target(student[label]);
  const math::DkdTarget<T> teacher_target(teacher[label]);
  double sum = 0;
  for (int64_t i = threadIdx.x; i < row.classes; i += kThreads) {
    if (i != label) sum += static_cast<double>(math::kd_term(student[i], teacher[i]));
  }
  const double of_others = block_sum(sum);

  const T scale = static_cast<T>(share) * row.inverse_temperature;
  // The log-odds fall by a class's share in the others when its logit rises.
  if (row.student_gradient) {
    const T by_odds = alpha * math::dkd_by_student(student_target, teacher_target);
    for (int64_t i = threadIdx.x; i < row.classes; i += kThreads) {
      const T by_other = beta * math::kd_student_gradient(student[i], teacher[i]);
      row.student_gradient[i] = scale * (i == label ? by_odds : by_other - by_odds * math::exp_nonpositive(student[i]));
    }
  }
  if (row.teacher_gradient) {
    const T by_odds = alpha * math::dkd_by_teacher(student_target, teacher_target);
    for (int64_t i = threadIdx.x; i < row.classes; i += kThreads) {
      const T by_other = beta * math::kd_teacher_gradient(student[i], teacher[i], static_cast<T>(of_others));
      row.teacher_gradient[i] = scale * (i == label ? by_odds : by_other - by_odds * math::exp_nonpositive(teacher[i]));
    }
  }
  if (threadIdx.x == 0) {
    const double of_target = static_cast<double>(math::dkd_target_divergence(student_target, teacher_target));
    *row.terms =
        share * (static_cast<double>(alpha) * of_target + static_cast<double>(beta) * math::not_negative(of_others));
  }
}

template <typename T>
void run(Stream stream, const LogitsRows<T>& rows, const int64_t* labels, T alpha, T beta) {
  launch(stream, dim3(static_cast<unsigned>(rows.rows)), &dkd_kernel<T>, LogitsRows<T>(rows), labels, alpha, beta);
}

}  // namespace

void dkd_rows(Stream stream, const LogitsRows<float>& rows, const int64_t* labels, float alpha, float beta) {
  run(stream, rows, labels, alpha, beta);
}
void dkd_rows(Stream stream, const LogitsRows<double>& rows, const int64_t* labels, double alpha, double beta) {
  run(stream, rows, labels, alpha, beta);
}

}  // namespace retort::kernels::cuda
