// Compiled once for each instruction set, into the namespace RETORT_ISA.
#include "kernels/cpu/fsp.simd.h"

#include "kernels/cpu/pooling.simd.h"

namespace retort::kernels::RETORT_ISA {
namespace {

int64_t smaller(int64_t a, int64_t b) {
  return a < b ? a : b;
}

/// Two maps of one network, at the size of the smaller.
template <typename T>
struct MapPair {
  MapPair(const FeatureMap<T>& first_map, const FeatureMap<T>& second_map)
      : first(first_map, smaller(first_map.height, second_map.height), smaller(first_map.width, second_map.width)),
        second(second_map, smaller(first_map.height, second_map.height), smaller(first_map.width, second_map.width)),
        scale(T(1) / T(first.positions())) {}

  /// Writes the gradients of both maps, given that of the FSP matrix.
  void set_gradients(const Matrix<T>& of_matrix, T factor) const {
    if (first.wants_gradient()) first.set_gradient((factor * scale) * of_matrix * second.matrix());
    if (second.wants_gradient()) second.set_gradient((factor * scale) * of_matrix.transpose() * first.matrix());
  }

  PooledMap<T> first;
  PooledMap<T> second;
  T scale;
};

template <typename T>
double squared_distance(const FspPair<T>& pair) {
  const MapPair<T> student(pair.student_first, pair.student_second);
  const MapPair<T> teacher(pair.teacher_first, pair.teacher_second);
  Matrix<T> difference(student.first.channels(), student.second.channels());
  difference.noalias() = student.scale * student.first.matrix() * student.second.matrix().transpose();
  difference.noalias() -= teacher.scale * teacher.first.matrix() * teacher.second.matrix().transpose();
  student.set_gradients(difference, 2 * pair.gradient_scale);
  teacher.set_gradients(difference, -2 * pair.gradient_scale);
  return difference.rowwise().squaredNorm().template cast<double>().sum();
}

}  // namespace

double fsp_pair(const FspPair<float>& pair) {
  return squared_distance(pair);
}
double fsp_pair(const FspPair<double>& pair) {
  return squared_distance(pair);
}

}  // namespace retort::kernels::RETORT_ISA
