// Compiled once for each instruction set, into the namespace RETORT_ISA.
#include "kernels/cpu/nst.simd.h"

#include <math.h>

#include "kernels/cpu/pooling.simd.h"
#include "kernels/math/nst.h"
#include "kernels/math/smaller.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// The divisor of shorter vectors, as in torch.nn.functional.normalize.
constexpr double kSmallestNorm = 1e-12;
/// Below this, all vectors of a sample are one, and so is the Gaussian kernel.
constexpr double kSmallestVariance = 1e-12;
/// Rows of the kernel matrix that are computed at once: as many as still leave room for the vectors in the cache.
constexpr int64_t kBlock = 64;

template <typename T>
double norm_of(const T* row, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(row[i]) * static_cast<double>(row[i]);
  return sqrt(sum);
}

/// One sample: the channels of both maps as unit vectors, the student's first.
template <typename T>
class Sample {
 public:
  explicit Sample(const NstLayer<T>& layer)
      : layer_(layer),
        student_(
            layer.student, math::smaller(layer.student.height, layer.teacher.height),
            math::smaller(layer.student.width, layer.teacher.width)),
        unit_(layer.student.channels + layer.teacher.channels, student_.positions()),
        norms_(layer.student.channels) {
    const PooledMap<T> teacher(layer.teacher, student_.height(), student_.width());
    for (int64_t c = 0; c < unit_.rows(); ++c) {
      const bool of_student = c < norms_.size();
      const auto row = of_student ? student_.matrix().row(c) : teacher.matrix().row(c - norms_.size());
      const double norm = norm_of(row.data(), row.size());
      if (of_student) norms_[c] = norm;
      // In double, since a norm may be too large for T.
      const double scale = 1 / (norm < kSmallestNorm ? kSmallestNorm : norm);
      unit_.row(c) = (row.template cast<double>() * scale).template cast<T>();
    }
  }

  bool wants_gradient() const { return student_.wants_gradient(); }
  const Matrix<T>& unit() const { return unit_; }
  int64_t student_channels() const { return norms_.size(); }
  int64_t teacher_channels() const { return unit_.rows() - norms_.size(); }
  auto student() const { return unit_.topRows(student_channels()); }
  auto teacher() const { return unit_.bottomRows(teacher_channels()); }

  /// Writes the gradient of the student's map, given that of its unit vectors.
  void set_gradient(Matrix<T>& gradient) const {
    for (int64_t c = 0; c < gradient.rows(); ++c) {
      auto row = gradient.row(c);
      if (norms_[c] < layer_.dead_channel_norm) {
        row.setZero();
      } else if (norms_[c] < kSmallestNorm) {
        row *= layer_.gradient_scale / static_cast<T>(kSmallestNorm);
      } else {
        row = (row - unit_.row(c).dot(row) * unit_.row(c)) * (layer_.gradient_scale / static_cast<T>(norms_[c]));
      }
    }
    student_.set_gradient(gradient, false);
  }

 private:
  const NstLayer<T>& layer_;
  PooledMap<T> student_;
  Matrix<T> unit_;
  Eigen::ArrayXd norms_;
};

/// |mean of the student's vectors - mean of the teacher's|^2
template <typename T>
double linear(const Sample<T>& sample) {
  const RowVector<T> difference = sample.student().colwise().mean() - sample.teacher().colwise().mean();
  if (sample.wants_gradient()) {
    Matrix<T> gradient(sample.student_channels(), difference.size());
    gradient.rowwise() = difference * (T(2) / T(sample.student_channels()));
    sample.set_gradient(gradient);
  }
  return difference.template cast<double>().squaredNorm();
}

/// |S^T S / Cs - T^T T / Ct|^2, which is the discrepancy of the squared inner product and can't be negative.
template <typename T>
double polynomial_by_positions(const Sample<T>& sample) {
  const int64_t positions = sample.unit().cols();
  Matrix<T> difference(positions, positions);
  auto lower = difference.template triangularView<Eigen::Lower>();
  lower.setZero();
  auto symmetric = difference.template selfadjointView<Eigen::Lower>();
  symmetric.rankUpdate(sample.student().transpose(), T(1) / T(sample.student_channels()));
  symmetric.rankUpdate(sample.teacher().transpose(), T(-1) / T(sample.teacher_channels()));
  difference.template triangularView<Eigen::StrictlyUpper>() = difference.transpose();
  if (sample.wants_gradient()) {
    Matrix<T> gradient(sample.student_channels(), positions);
    gradient.noalias() = (T(4) / T(sample.student_channels())) * sample.student() * difference;
    sample.set_gradient(gradient);
  }
  return difference.rowwise().squaredNorm().template cast<double>().sum();
}

// A kernel's `apply` replaces the inner products of vector `row` with `count` vectors from `begin` on by its
// derivatives, and returns the sum of its values.

struct Polynomial {
  static constexpr bool kDependsOnNorms = false;

  template <typename T>
  double apply(T* products, int64_t /*row*/, int64_t /*begin*/, int64_t count) const {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < count; ++j) {
      sum += static_cast<double>(math::nst_polynomial(products[j]));
      products[j] = math::nst_polynomial_slope(products[j]);
    }
    return sum;
  }
};

template <typename T>
struct Gaussian {
  static constexpr bool kDependsOnNorms = true;

  /// The variance is the mean squared distance between the student's and the teacher's vectors, a constant.
  explicit Gaussian(const Sample<T>& sample) : squares(sample.unit().rowwise().squaredNorm()) {
    const double inner = sample.student().colwise().mean().dot(sample.teacher().colwise().mean());
    const double mean = squares.head(sample.student_channels()).mean() + squares.tail(sample.teacher_channels()).mean();
    const double variance = mean - 2 * inner;
    inverse_variance = static_cast<T>(1 / (variance < kSmallestVariance ? kSmallestVariance : variance));
  }

  double apply(T* products, int64_t row, int64_t begin, int64_t count) const {
    const T square = squares[row];
    const T* other_squares = squares.data() + begin;
    const T inverse = inverse_variance;
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < count; ++j) {
      const T value = math::nst_gaussian(products[j], square + other_squares[j], inverse / 2);
      sum += static_cast<double>(value);
      products[j] = value * inverse;
    }
    return sum;
  }

  ColumnVector<T> squares;
  T inverse_variance;
};

/// mean k(s, s') + mean k(t, t') - 2 mean k(s, t), by blocks of rows of the kernel's matrix.
template <typename T, typename Kernel>
double by_channels(const Sample<T>& sample, const Kernel& kernel) {
  const Matrix<T>& unit = sample.unit();
  const int64_t students = sample.student_channels();
  const int64_t teachers = sample.teacher_channels();
  const double within = 1.0 / static_cast<double>(students * students);
  const double across = -2.0 / static_cast<double>(students * teachers);
  Matrix<T> gradient;
  if (sample.wants_gradient()) gradient.resize(students, unit.cols());
  Matrix<T> products;
  double discrepancy = 0;
  for (int64_t begin = 0; begin < students; begin += kBlock) {
    const int64_t count = math::smaller(kBlock, students - begin);
    const auto block = unit.middleRows(begin, count);
    products.noalias() = block * unit.transpose();
    for (int64_t i = 0; i < count; ++i) {
      T* row = products.row(i).data();
      discrepancy += within * kernel.apply(row, begin + i, 0, students);
      discrepancy += across * kernel.apply(row + students, begin + i, students, teachers);
    }
    if (!sample.wants_gradient()) continue;
    // Twice within: a vector of the student takes part as the first and as the second.
    products.leftCols(students) *= static_cast<T>(2 * within);
    products.rightCols(teachers) *= static_cast<T>(across);
    auto gradient_block = gradient.middleRows(begin, count);
    gradient_block.noalias() = products * unit;
    if (Kernel::kDependsOnNorms) gradient_block -= products.rowwise().sum().asDiagonal() * block;
  }
  for (int64_t begin = 0; begin < teachers; begin += kBlock) {
    const int64_t count = math::smaller(kBlock, teachers - begin);
    const auto teacher = sample.teacher();
    products.noalias() = teacher.middleRows(begin, count) * teacher.topRows(begin + count).transpose();
    for (int64_t i = 0; i < count; ++i) {
      T* row = products.row(i).data();
      const double before = kernel.apply(row, students + begin + i, students, begin);
      const double inside = kernel.apply(row + begin, students + begin + i, students + begin, count);
      discrepancy += (2 * before + inside) / static_cast<double>(teachers * teachers);
    }
  }
  if (sample.wants_gradient()) sample.set_gradient(gradient);
  // Rounding may leave the difference of nearly equal means below zero.
  return discrepancy < 0 ? 0 : discrepancy;
}

template <typename T>
double discrepancy(const NstLayer<T>& layer) {
  const Sample<T> sample(layer);
  switch (layer.kernel) {
    case NstKernel::kLinear:
      return linear(sample);
    case NstKernel::kPolynomial:
      return sample.unit().cols() <= sample.unit().rows() ? polynomial_by_positions(sample)
                                                          : by_channels(sample, Polynomial());
    default:
      return by_channels(sample, Gaussian<T>(sample));
  }
}

}  // namespace

double nst_layer(const NstLayer<float>& layer) {
  return discrepancy(layer);
}
double nst_layer(const NstLayer<double>& layer) {
  return discrepancy(layer);
}

}  // namespace retort::kernels::RETORT_ISA
