// Compiled once for each instruction set, into the namespace RETORT_ISA. Nothing here may use templates or inline
// functions with external linkage of others: the linker would keep a single one of the variants for all.
#include "kernels/cpu/ofd.simd.h"

#include "kernels/math/ofd.h"
#include "kernels/math/smaller.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// Elements that are summed in T before the sum goes on in double.
constexpr int64_t kBlock = 1024;

template <typename T>
T block_distance(const OfdPlane<T>& plane, int64_t begin, int64_t end) {
  const T* student = plane.student;
  const T* teacher = plane.teacher;
  const T margin = plane.margin;
  const T scale = 2 * plane.gradient_scale;
  T sum = 0;
  if (T* gradient = plane.student_gradient) {
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) {
      const T difference = math::ofd_difference(student[i], teacher[i], margin);
      sum += difference * difference;
      gradient[i] = scale * difference;
    }
  } else {
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) {
      const T difference = math::ofd_difference(student[i], teacher[i], margin);
      sum += difference * difference;
    }
  }
  if (T* gradient = plane.teacher_gradient) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      gradient[i] = teacher[i] < margin ? T(0) : -scale * math::ofd_difference(student[i], teacher[i], margin);
    }
  }
  return sum;
}

template <typename T>
double distance(const OfdPlane<T>& plane) {
  double sum = 0;
  for (int64_t begin = 0; begin < plane.count; begin += kBlock) {
    const int64_t end = math::smaller(plane.count, begin + kBlock);
    sum += static_cast<double>(block_distance(plane, begin, end));
  }
  return sum;
}

template <typename T>
NegativeResponses negatives(const T* responses, int64_t count) {
  NegativeResponses found = {0, 0};
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = math::smaller(count, begin + kBlock);
    T sum = 0;
    T negative = 0;
#pragma omp simd reduction(+ : sum, negative)
    for (int64_t i = begin; i < end; ++i) {
      // NaN must not vanish.
      sum += responses[i] >= T(0) ? T(0) : responses[i];
      negative += responses[i] >= T(0) ? T(0) : T(1);
    }
    found.sum += static_cast<double>(sum);
    found.count += static_cast<int64_t>(negative);
  }
  return found;
}

}  // namespace

double ofd_plane(const OfdPlane<float>& plane) {
  return distance(plane);
}
double ofd_plane(const OfdPlane<double>& plane) {
  return distance(plane);
}
NegativeResponses negative_responses(const float* responses, int64_t count) {
  return negatives(responses, count);
}
NegativeResponses negative_responses(const double* responses, int64_t count) {
  return negatives(responses, count);
}

}  // namespace retort::kernels::RETORT_ISA
