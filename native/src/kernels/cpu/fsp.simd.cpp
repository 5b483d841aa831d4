// Compiled once for each instruction set, into the namespace RETORT_ISA. Nothing here may use templates or inline
// functions with external linkage of others: the linker would keep a single one of the variants for all.
#include "kernels/cpu/fsp.simd.h"

#include <math.h>
#include <new>

#include "kernels/cpu/pooled_map.simd.h"
#include "kernels/cpu/sums.simd.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// The maps of one network.
template <typename T>
class Network {
 public:
  Network(const FeatureMap* maps, int64_t count, Scratch& scratch)
      : maps_(take<SampleMap<T>>(scratch, count)), has_gradient_(take<bool>(scratch, count)), count_(count) {
    for (int64_t i = 0; i < count; ++i) {
      new (maps_ + i) SampleMap<T>(maps[i], scratch);
      has_gradient_[i] = false;
    }
  }

  const SampleMap<T>& map(int64_t i) const { return maps_[i]; }

  /// Whether a gradient of the map is to be added to what is there. From the second time on, it is.
  bool adds(int64_t i) {
    const bool adds = has_gradient_[i];
    has_gradient_[i] = true;
    return adds;
  }

  /// Writes zeros for maps of no pair.
  void finish_gradients() {
    for (int64_t i = 0; i < count_; ++i) {
      const SampleMap<T>& map = maps_[i];
      if (!map.wants_gradient()) continue;
      if (!has_gradient_[i]) {
        for (int64_t j = 0; j < map.count(); ++j) map.gradient()[j] = 0;
      }
      map.store_gradient();
    }
  }

 private:
  SampleMap<T>* maps_;
  bool* has_gradient_;
  int64_t count_;
};

/// Two maps of one network, at the size of the smaller.
template <typename T>
class MapPair {
 public:
  MapPair(Network<T>& network, const FspPair& pair, Pooling pooling, Scratch& scratch)
      : network_(network),
        pair_(pair),
        first_(network.map(pair.first), height(), width(), pooling, scratch),
        second_(network.map(pair.second), height(), width(), pooling, scratch) {}

  int64_t rows() const { return first_.channels(); }
  int64_t columns() const { return second_.channels(); }
  T scale() const { return T(1) / T(first_.positions()); }

  /// Writes the FSP matrix.
  void set_matrix(T* matrix) const {
    multiply<T>(
        {rows(), columns(), first_.positions()}, first_.matrix(), second_.matrix().transposed(),
        {matrix, columns(), scale(), false});
  }

  /// Writes the gradients of both maps, given that of the FSP matrix.
  void set_gradients(T sign, const T* of_matrix) {
    if (!first_.wants_gradient()) return;
    const Strided<const T> matrix = {of_matrix, columns(), 1};
    set_gradient(pair_.first, first_, matrix, second_, sign * scale());
    set_gradient(pair_.second, second_, matrix.transposed(), first_, sign * scale());
  }

 private:
  const SampleMap<T>& first() const { return network_.map(pair_.first); }
  const SampleMap<T>& second() const { return network_.map(pair_.second); }
  int64_t height() const { return math::smaller(first().height(), second().height()); }
  int64_t width() const { return math::smaller(first().width(), second().width()); }

  /// The gradient of one map, `matrix` times the other.
  void set_gradient(
      int64_t index, const PooledMap<T>& map, Strided<const T> matrix, const PooledMap<T>& other, T factor) {
    const bool adds = network_.adds(index);
    multiply_into(
        map.gradient(), map.channels(), map.positions(), other.channels(), matrix, other.matrix(), factor,
        adds && map.shares_gradient());
    map.spread_gradient(adds);
  }

  Network<T>& network_;
  FspPair pair_;
  PooledMap<T> first_;
  PooledMap<T> second_;
};

/// Replaces the matrix by the derivative of its reduction, and returns that.
template <typename T>
double reduce_squares(T* matrix, int64_t count, double weight, double gradient_scale) {
  const double sum = sum_of_squares(matrix, count);
  const T factor = static_cast<T>(2 * weight * gradient_scale);
  for (int64_t i = 0; i < count; ++i) matrix[i] *= factor;
  return sum * weight;
}

template <typename T>
double reduce_column_norms(T* matrix, int64_t rows, int64_t columns, double gradient_scale) {
  double total = 0;
  for (int64_t j = 0; j < columns; ++j) {
    double sum = 0;
    for (int64_t i = 0; i < rows; ++i) {
      const double value = static_cast<double>(matrix[i * columns + j]);
      sum += value * value;
    }
    const double norm = sqrt(sum);
    total += norm;
    // A column of zeros has no slope in any direction.
    const T factor = static_cast<T>(norm > 0 ? gradient_scale / norm : 0);
    for (int64_t i = 0; i < rows; ++i) matrix[i * columns + j] *= factor;
  }
  return total;
}

template <typename T>
double reduce(const FspSample& sample, T* matrix, int64_t rows, int64_t columns) {
  const int64_t count = rows * columns;
  switch (sample.reduction) {
    case FspReduction::kMean:
      return reduce_squares(matrix, count, 1.0 / static_cast<double>(count), sample.gradient_scale);
    case FspReduction::kPaper:
      return reduce_squares(matrix, count, 1.0, sample.gradient_scale);
    default:
      return reduce_column_norms(matrix, rows, columns, sample.gradient_scale);
  }
}

template <typename T>
double sum_of_pairs(const FspSample& sample) {
  Scratch& scratch = *sample.scratch;
  Network<T> student(sample.student, sample.maps, scratch);
  Network<T> teacher(sample.teacher, sample.maps, scratch);
  double sum = 0;
  for (int64_t i = 0; i < sample.pair_count; ++i) {
    MapPair<T> students(student, sample.pairs[i], sample.pooling, scratch);
    MapPair<T> teachers(teacher, sample.pairs[i], sample.pooling, scratch);
    const int64_t count = students.rows() * students.columns();
    T* difference = take<T>(scratch, count);
    T* of_teacher = take<T>(scratch, count);
    // The teacher's first, so that the student's maps are still in the cache for their gradients.
    teachers.set_matrix(of_teacher);
    students.set_matrix(difference);
    // Not added up in one: equal matrices are to leave nothing, and a column's direction is lost in what rounding does.
#pragma omp simd
    for (int64_t j = 0; j < count; ++j) difference[j] -= of_teacher[j];
    sum += reduce(sample, difference, students.rows(), students.columns());
    students.set_gradients(1, difference);
    teachers.set_gradients(-1, difference);
  }
  student.finish_gradients();
  teacher.finish_gradients();
  return sum;
}

}  // namespace

RETORT_DEFINE_KERNELS(FspKernels, fsp_kernels, &sum_of_pairs<T>)

}  // namespace retort::kernels::RETORT_ISA
