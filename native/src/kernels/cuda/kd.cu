#include "kernels/cuda/logits_rows.cuh"
#include "kernels/math/kd.h"
#include "kernels/math/log_softmax.h"

namespace retort::kernels::cuda {
namespace {

template <typename T>
__device__ math::LogSoftmax<T> log_softmax(const T* x, int64_t n, T scale) {
  T largest = x[0];
  for (int64_t i = threadIdx.x; i < n; i += kThreads) largest = x[i] > largest ? x[i] : largest;
  const T max = block_max(largest);
  double sum = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) {
    sum += static_cast<double>(math::exp_nonpositive((x[i] - max) * scale));
  }
  return {x, scale, max, static_cast<T>(log(block_sum(sum)))};
}

template <typename T>
__device__ double divergence_from_logits(const LogitsRows<T>& row, const math::LogSoftmax<T>& student) {
  const math::LogSoftmax<T> teacher = log_softmax(row.teacher, row.classes, row.inverse_temperature);
  const T scale = static_cast<T>(*row.shares) * row.inverse_temperature;
  double sum = 0;
  for (int64_t i = threadIdx.x; i < row.classes; i += kThreads) {
    sum += static_cast<double>(math::kd_term(student[i], teacher[i]));
    if (row.student_gradient) row.student_gradient[i] = scale * math::kd_student_gradient(student[i], teacher[i]);
  }
  const double divergence = block_sum(sum);
  if (row.teacher_gradient) {
    for (int64_t i = threadIdx.x; i < row.classes; i += kThreads) {
      row.teacher_gradient[i] = scale * math::kd_teacher_gradient(student[i], teacher[i], static_cast<T>(divergence));
    }
  }
  return math::not_negative(divergence);
}

template <typename T>
__device__ double divergence_from_probabilities(const LogitsRows<T>& row, const math::LogSoftmax<T>& student) {
  const T share = static_cast<T>(*row.shares);
  double sum = 0;
  double sum_of_probabilities = 0;
  for (int64_t i = threadIdx.x; i < row.classes; i += kThreads) {
    const T probability = row.teacher[i];
    sum_of_probabilities += static_cast<double>(probability);
    // Neither vanishes where a probability is NaN.
    const T difference = probability == T(0) ? T(0) : static_cast<T>(log(probability)) - student[i];
    sum += static_cast<double>(probability == T(0) ? T(0) : probability * difference);
    if (row.teacher_gradient) row.teacher_gradient[i] = probability == T(0) ? T(0) : share * (difference + T(1));
  }
  const T total = static_cast<T>(block_sum(sum_of_probabilities));
  if (row.student_gradient) {
    const T scale = share * row.inverse_temperature;
    for (int64_t i = threadIdx.x; i < row.classes; i += kThreads) {
      row.student_gradient[i] = scale * (total * math::exp_nonpositive(student[i]) - row.teacher[i]);
    }
  }
  return block_sum(sum);
}

/// A block a row.
template <typename T>
__global__ void __launch_bounds__(kThreads) kd_kernel(LogitsRows<T> rows, bool teacher_has_probabilities) {
  const LogitsRows<T> row = one_of(rows, blockIdx.x);
  const double share = *row.shares;
  if (share == 0) return skip(row);
  const math::LogSoftmax<T> student = log_softmax(row.student, row.classes, row.inverse_temperature);
  const double divergence =
      teacher_has_probabilities ? divergence_from_probabilities(row, student) : divergence_from_logits(row, student);
  if (threadIdx.x == 0) *row.terms = divergence * share;
}

template <typename T>
void run(Stream stream, const LogitsRows<T>& rows, bool teacher_has_probabilities) {
  launch(stream, dim3(static_cast<unsigned>(rows.rows)), &kd_kernel<T>, LogitsRows<T>(rows), teacher_has_probabilities);
}

}  // namespace

void kd_rows(Stream stream, const LogitsRows<float>& rows, bool teacher_has_probabilities) {
  run(stream, rows, teacher_has_probabilities);
}
void kd_rows(Stream stream, const LogitsRows<double>& rows, bool teacher_has_probabilities) {
  run(stream, rows, teacher_has_probabilities);
}

}  // namespace retort::kernels::cuda
