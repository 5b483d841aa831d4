// Compiled once for each instruction set, into the namespace RETORT_ISA.
#include "kernels/cpu/fsp.simd.h"

#include "kernels/cpu/pooling.simd.h"
#include "kernels/math/smaller.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// Two maps of one network, at the size of the smaller.
template <typename T>
struct MapPair {
  MapPair(const FeatureMap<T>& first_map, const FeatureMap<T>& second_map)
      : first(
            first_map, math::smaller(first_map.height, second_map.height),
            math::smaller(first_map.width, second_map.width)),
        second(
            second_map, math::smaller(first_map.height, second_map.height),
            math::smaller(first_map.width, second_map.width)),
        scale(T(1) / T(first.positions())) {}

  /// Writes the gradients of both maps, given that of the FSP matrix. The first map may have got one already, as the
  /// second of the pair before.
  void set_gradients(const Matrix<T>& of_matrix, T factor, bool add_to_first) const {
    if (!first.wants_gradient()) return;
    first.set_gradient((factor * scale) * of_matrix * second.matrix(), add_to_first);
    second.set_gradient((factor * scale) * of_matrix.transpose() * first.matrix(), false);
  }

  PooledMap<T> first;
  PooledMap<T> second;
  T scale;
};

template <typename T>
double mean_squared_difference(const FspSample<T>& sample, int64_t pair) {
  const MapPair<T> student(sample.student[pair], sample.student[pair + 1]);
  const MapPair<T> teacher(sample.teacher[pair], sample.teacher[pair + 1]);
  Matrix<T> difference(student.first.channels(), student.second.channels());
  difference.noalias() = student.scale * student.first.matrix() * student.second.matrix().transpose();
  difference.noalias() -= teacher.scale * teacher.first.matrix() * teacher.second.matrix().transpose();
  const T factor = 2 * sample.gradient_scale / static_cast<T>(difference.size());
  student.set_gradients(difference, factor, pair > 0);
  teacher.set_gradients(difference, -factor, pair > 0);
  return difference.rowwise().squaredNorm().template cast<double>().sum() / static_cast<double>(difference.size());
}

template <typename T>
double sum_of_pairs(const FspSample<T>& sample) {
  double sum = 0;
  for (int64_t pair = 0; pair + 1 < sample.maps; ++pair) sum += mean_squared_difference(sample, pair);
  return sum;
}

}  // namespace

double fsp_sample(const FspSample<float>& sample) {
  return sum_of_pairs(sample);
}
double fsp_sample(const FspSample<double>& sample) {
  return sum_of_pairs(sample);
}

}  // namespace retort::kernels::RETORT_ISA
