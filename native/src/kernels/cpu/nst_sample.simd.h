#pragma once

#include "kernels/cpu/nst.simd.h"
#include "kernels/cpu/unit_channels.simd.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// One sample: both maps at the smaller size, and the lengths of their channels.
template <typename T>
struct Sample {
  explicit Sample(const NstLayer& of)
      : layer(of),
        scratch(*of.scratch),
        student_map(of.student, scratch),
        teacher_map(without_gradient(of.teacher), scratch),
        student(student_map, height(), width(), Pooling::kAverage, scratch),
        teacher(teacher_map, height(), width(), Pooling::kAverage, scratch),
        student_norms(student, scratch),
        teacher_norms(teacher, scratch) {}

  int64_t positions() const { return student.positions(); }
  bool wants_gradient() const { return student.wants_gradient(); }

  void finish_gradient() const {
    student.spread_gradient(false);
    student_map.store_gradient();
  }

  const NstLayer& layer;
  Scratch& scratch;
  SampleMap<T> student_map;
  SampleMap<T> teacher_map;
  PooledMap<T> student;
  PooledMap<T> teacher;
  ChannelNorms<T> student_norms;
  ChannelNorms<T> teacher_norms;

 private:
  static FeatureMap without_gradient(FeatureMap map) {
    map.gradient = nullptr;
    return map;
  }

  int64_t height() const { return math::smaller(layer.student.height, layer.teacher.height); }
  int64_t width() const { return math::smaller(layer.student.width, layer.teacher.width); }
};

/// Adds the mean of a map's unit channels, times `sign`, to `sum`.
template <typename T>
void add_mean(const PooledMap<T>& map, const ChannelNorms<T>& norms, T sign, T* sum) {
  const Strided<const T> matrix = map.matrix();
  const T* inverses = norms.inverses();
  const T weight = sign / T(map.channels());
  if (map.channels_last()) {
    int64_t p = 0;
    for (; p + kLanes<T> <= map.positions(); p += kLanes<T>) {
      const T* rows[kLanes<T>];
      for (int i = 0; i < kLanes<T>; ++i) rows[i] = matrix.at(0, p + i);
      store<T>(sum + p, load(sum + p) + weight * inner_products(inverses, rows, map.channels()));
    }
    for (; p < map.positions(); ++p) {
      sum[p] += weight * static_cast<T>(inner_product(matrix.at(0, p), inverses, map.channels()));
    }
    return;
  }
  for (int64_t c = 0; c < map.channels(); ++c) {
    const T* channel = matrix.at(c, 0);
    const T factor = weight * inverses[c];
#pragma omp simd
    for (int64_t p = 0; p < map.positions(); ++p) sum[p] += factor * channel[p];
  }
}

/// The channels of both maps as unit vectors, the student's first, in memory as the student's map is.
template <typename T>
class UnitChannels {
 public:
  explicit UnitChannels(const Sample<T>& sample)
      : students_(sample.student.channels()), teachers_(sample.teacher.channels()), positions_(sample.positions()) {
    const int64_t channels = students_ + teachers_;
    T* values = take<T>(sample.scratch, channels * sample.positions());
    all_ = sample.student.channels_last() ? Strided<T>{values, 1, channels} : Strided<T>{values, sample.positions(), 1};
    write_unit_channels(sample.student, sample.student_norms, all_);
    write_unit_channels(sample.teacher, sample.teacher_norms, all_.from(students_, 0));
  }

  /// Subtracts the mean of all vectors from each, and returns the squares of what is left, padded.
  T* centre(Scratch& scratch) {
    const int64_t positions = positions_;
    T* squares = zeros<T>(scratch, count() + kLanes<T>);
    if (all_.row_stride == 1) {
      for (int64_t p = 0; p < positions; ++p) {
        T* vector = all_.at(0, p);
        T sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t c = 0; c < count(); ++c) sum += vector[c];
        const T of_all = sum / T(count());
#pragma omp simd
        for (int64_t c = 0; c < count(); ++c) {
          vector[c] -= of_all;
          squares[c] += vector[c] * vector[c];
        }
      }
      return squares;
    }
    const T* of_all = mean(0, count(), scratch);
    for (int64_t c = 0; c < count(); ++c) {
      T* vector = all_.at(c, 0);
#pragma omp simd
      for (int64_t p = 0; p < positions; ++p) vector[p] -= of_all[p];
      squares[c] = static_cast<T>(sum_of_squares(vector, positions));
    }
    return squares;
  }

  /// The mean of some vectors.
  const T* mean(int64_t begin, int64_t vectors, Scratch& scratch) const {
    T* sum = zeros<T>(scratch, positions_);
    if (all_.row_stride == 1) {
      for (int64_t p = 0; p < positions_; ++p) {
        const T* vector = all_.at(begin, p);
        T total = 0;
#pragma omp simd reduction(+ : total)
        for (int64_t c = 0; c < vectors; ++c) total += vector[c];
        sum[p] = total;
      }
    } else {
      for (int64_t c = begin; c < begin + vectors; ++c) {
        const T* vector = all_.at(c, 0);
#pragma omp simd
        for (int64_t p = 0; p < positions_; ++p) sum[p] += vector[p];
      }
    }
    for (int64_t p = 0; p < positions_; ++p) sum[p] /= T(vectors);
    return sum;
  }

  int64_t students() const {
    return students_;
  }
  int64_t teachers() const {
    return teachers_;
  }
  int64_t count() const {
    return students_ + teachers_;
  }
  /// (channel, position)
  Strided<const T> all() const {
    return all_.as_const();
  }
  Strided<const T> teacher() const {
    return all().from(students_, 0);
  }

 private:
  int64_t students_;
  int64_t teachers_;
  int64_t positions_;
  Strided<T> all_;
};

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
