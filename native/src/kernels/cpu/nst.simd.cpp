// Longer than most files: what its kernels share is inlined, which must not happen across files here, as follows.
//
// Compiled once for each instruction set, into the namespace RETORT_ISA. Nothing here may use templates or inline
// functions with external linkage of others: the linker would keep a single one of the variants for all.
#include "kernels/cpu/nst.simd.h"

#include "kernels/cpu/nst_sample.simd.h"
#include "kernels/math/nst.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// Elements of the kernel's matrix that are computed at once: they stay in the second-level cache.
constexpr int64_t kBlockElements = 1 << 17;

/// Writes the gradient of a loss whose derivative by every unit channel is the same vector.
template <typename T>
void set_uniform_gradient(const Sample<T>& sample, const T* by_unit) {
  const PooledMap<T>& map = sample.student;
  const Strided<const T> values = map.matrix();
  const Strided<T> gradient = map.gradient();
  const int64_t channels = map.channels();
  const int64_t positions = map.positions();
  T* along = zeros<T>(sample.scratch, channels);
  if (map.channels_last()) {
    const T* x = values.values;
    add_over_positions(positions, channels, along, [&](int64_t p, int64_t i, int64_t) { return x[i] * by_unit[p]; });
  } else {
    for (int64_t c = 0; c < channels; ++c)
      along[c] = static_cast<T>(inner_product(values.at(c, 0), by_unit, positions));
  }
  T* factors = take<T>(sample.scratch, channels);
  for (int64_t c = 0; c < channels; ++c) {
    const double norm = sample.student_norms.norm(c);
    factors[c] =
        static_cast<T>(math::nst_gradient_factor(norm, sample.layer.gradient_scale, sample.layer.dead_channel_norm));
    // Not the square of the norm, which may be too large for T.
    const T inverse = static_cast<T>(1 / norm);
    const bool is_projected = factors[c] != T(0) && !sample.student_norms.is_short(c);
    along[c] = is_projected ? along[c] * inverse * (factors[c] * inverse) : T(0);
  }
  if (map.channels_last()) {
    for (int64_t p = 0; p < positions; ++p) {
      const T* x = values.at(0, p);
      T* g = gradient.at(0, p);
#pragma omp simd
      for (int64_t c = 0; c < channels; ++c) g[c] = factors[c] * by_unit[p] - along[c] * x[c];
    }
  } else {
    for (int64_t c = 0; c < channels; ++c) {
      const T* x = values.at(c, 0);
      T* g = gradient.at(c, 0);
#pragma omp simd
      for (int64_t p = 0; p < positions; ++p) g[p] = factors[c] * by_unit[p] - along[c] * x[p];
    }
  }
  sample.finish_gradient();
}

/// |mean of the student's vectors - mean of the teacher's|^2
template <typename T>
double linear(const Sample<T>& sample) {
  const int64_t positions = sample.positions();
  T* teacher = zeros<T>(sample.scratch, positions);
  add_mean(sample.teacher, sample.teacher_norms, T(-1), teacher);
  T* difference = take<T>(sample.scratch, positions);
  for (int64_t p = 0; p < positions; ++p) difference[p] = teacher[p];
  if (sample.layer.student_term) add_mean(sample.student, sample.student_norms, T(1), difference);
  double value = sum_of_squares(difference, positions);
  if (!sample.layer.teacher_term) value -= sum_of_squares(teacher, positions);
  if (sample.wants_gradient()) {
    for (int64_t p = 0; p < positions; ++p) difference[p] *= T(2) / T(sample.student.channels());
    set_uniform_gradient(sample, difference);
  }
  return value;
}

/// Sums the squares of a symmetric matrix, padded, of which only the diagonal and what is below are known.
template <typename T>
double sum_of_symmetric_squares(const T* matrix, int64_t size) {
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) {
    const T* row = matrix + i * size;
    sum += 2 * sum_of_padded_squares(row, i) + static_cast<double>(row[i]) * static_cast<double>(row[i]);
  }
  return sum;
}

/// |S^T S / Cs - T^T T / Ct|^2, which is the discrepancy of the squared inner product and can't be negative.
template <typename T>
double polynomial_by_positions(const Sample<T>& sample, const UnitChannels<T>& unit) {
  const int64_t positions = sample.positions();
  T* difference = take_padded<T>(sample.scratch, positions * positions);
  multiply<T>(
      {positions, positions, unit.teachers()}, unit.teacher().transposed(), unit.teacher(),
      {difference, positions, T(-1) / T(unit.teachers()), false}, Part::kLower);
  const double of_teacher = sample.layer.teacher_term ? 0 : sum_of_symmetric_squares(difference, positions);
  if (sample.layer.student_term) {
    multiply<T>(
        {positions, positions, unit.students()}, unit.all().transposed(), unit.all(),
        {difference, positions, T(1) / T(unit.students()), true}, Part::kLower);
  }
  const double value = sum_of_symmetric_squares(difference, positions) - of_teacher;
  if (sample.wants_gradient()) {
    mirror(difference, positions, positions);
    const Strided<const T> matrix = {difference, positions, 1};
    multiply_into(
        sample.student.gradient(), unit.students(), positions, positions, unit.all(), matrix, T(4) / T(unit.students()),
        false);
    project_gradient(
        sample.student, sample.student_norms, sample.layer.gradient_scale, sample.layer.dead_channel_norm,
        sample.scratch);
    sample.finish_gradient();
  }
  return value;
}

// A kernel's `apply` replaces the inner products of vector `row` with `count` vectors from `begin` on by its
// derivatives, and returns the sum of its values. Whole vectors may be read and written behind them, if that changes
// nothing.

template <typename T>
struct Square {
  static constexpr bool kDependsOnNorms = false;

  double apply(T* products, int64_t /*row*/, int64_t /*begin*/, int64_t count) const {
    const double sum = sum_of_squares(products, count);
#pragma omp simd
    for (int64_t j = 0; j < count; ++j) products[j] *= 2;
    return sum;
  }
};

template <typename T>
struct Polynomial {
  static constexpr bool kDependsOnNorms = false;

  explicit Polynomial(const NstLayer& layer) : degree(layer.degree), offset(static_cast<T>(layer.offset)) {}

  double apply(T* products, int64_t /*row*/, int64_t /*begin*/, int64_t count) const {
    double sum = 0;
    for (int64_t j = 0; j < count; ++j) {
      const T power = math::power(products[j] + offset, degree - 1);
      sum += static_cast<double>(power * (products[j] + offset));
      products[j] = T(degree) * power;
    }
    return sum;
  }

  int64_t degree;
  T offset;
};

template <typename T>
struct Gaussian {
  static constexpr bool kDependsOnNorms = true;

  /// Moves the vectors so that their mean is zero: distances stay, and are exact even where all vectors are nearly one.
  Gaussian(const Sample<T>& sample, UnitChannels<T>& unit) : squares(unit.centre(sample.scratch)) {
    double variance = sample.layer.variance;
    if (variance == 0) variance = mean_squared_distance(sample, unit);
    inverse_variance = static_cast<T>(1 / variance);
  }

  /// Between the student's and the teacher's vectors; infinite if there is none.
  double mean_squared_distance(const Sample<T>& sample, const UnitChannels<T>& unit) const {
    double of_students = 0;
    double of_teachers = 0;
    for (int64_t c = 0; c < unit.students(); ++c) of_students += static_cast<double>(squares[c]);
    for (int64_t c = unit.students(); c < unit.count(); ++c) of_teachers += static_cast<double>(squares[c]);
    const T* student = unit.mean(0, unit.students(), sample.scratch);
    const T* teacher = unit.mean(unit.students(), unit.teachers(), sample.scratch);
    const double result = of_students / static_cast<double>(unit.students()) +
                          of_teachers / static_cast<double>(unit.teachers()) -
                          2 * inner_product(student, teacher, sample.positions());
    return result < math::kSmallestVariance ? HUGE_VAL : result;
  }

  double apply(T* products, int64_t row, int64_t begin, int64_t count) const {
    constexpr int lanes = kLanes<T>;
    const T square = squares[row];
    const T* other_squares = squares + begin;
    const T inverse = inverse_variance;
    T sum = 0;
    const int64_t whole = count / lanes * lanes;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < whole; ++j) {
      const T value = math::nst_gaussian(products[j], square + other_squares[j], inverse / 2);
      sum += value;
      products[j] = value * inverse;
    }
    // One by one, what does not fill a vector would take as long as all before it.
    const int rest = static_cast<int>(count - whole);
    products += whole;
    other_squares += whole;
    if (rest > 0) {
#pragma omp simd reduction(+ : sum)
      for (int j = 0; j < lanes; ++j) {
        const T before = products[j];
        const T value = math::nst_gaussian(before, square + other_squares[j], inverse / 2);
        sum += j < rest ? value : T(0);
        products[j] = j < rest ? value * inverse : before;
      }
    }
    return static_cast<double>(sum);
  }

  T* squares;
  T inverse_variance;
};

/// mean k(s, s') + mean k(t, t') - 2 mean k(s, t), by blocks of rows of the kernel's matrix.
template <typename T, typename Kernel>
class ByChannels {
 public:
  ByChannels(const Sample<T>& sample, const UnitChannels<T>& unit, const Kernel& kernel)
      : sample_(sample),
        kernel_(kernel),
        unit_(unit),
        block_(math::smaller(math::larger(kBlockElements / unit_.count(), 1), unit_.count())),
        products_(take_padded<T>(sample.scratch, block_ * unit_.count())) {}

  double discrepancy() {
    const double students = static_cast<double>(unit_.students());
    const double teachers = static_cast<double>(unit_.teachers());
    double within = 0;
    double across = 0;
    for (int64_t begin = 0; begin < unit_.students(); begin += block_) {
      const int64_t count = math::smaller(block_, unit_.students() - begin);
      add_student_rows(begin, count, within, across);
      if (sample_.wants_gradient()) set_gradient(begin, count);
    }
    double result = within / (students * students) - 2 * across / (students * teachers);
    if (sample_.layer.teacher_term) {
      result += teacher_sum() / (teachers * teachers);
      // Rounding may leave the difference of nearly equal means below zero.
      if (result < 0) result = 0;
    }
    if (sample_.wants_gradient()) {
      project_gradient(
          sample_.student, sample_.student_norms, sample_.layer.gradient_scale, sample_.layer.dead_channel_norm,
          sample_.scratch);
      sample_.finish_gradient();
    }
    return result;
  }

 private:
  T* row(int64_t i) const { return products_ + i * unit_.count(); }

  /// The inner products of `rows` vectors from `begin` on with `columns` others from `first` on.
  void multiply_rows(int64_t begin, int64_t rows, int64_t first, int64_t columns, Part part = Part::kAll) {
    multiply<T>(
        {rows, columns, sample_.positions()}, unit_.all().from(begin, 0), unit_.all().from(first, 0).transposed(),
        {products_ + first, unit_.count(), T(1), false}, part);
  }

  /// Replaces the products of `count` vectors from `begin` on with each other, of which those below the diagonal are
  /// known, and returns the sum over all pairs.
  double apply_symmetric(int64_t begin, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) {
      T* products = row(i) + begin;
      sum += 2 * kernel_.apply(products, begin + i, begin, i);
      sum += kernel_.apply(products + i, begin + i, begin + i, 1);
    }
    return sum;
  }

  /// Leaves the kernel's derivatives in `count` rows for the student's vectors from `begin` on.
  void add_student_rows(int64_t begin, int64_t count, double& within, double& across) {
    const int64_t end = begin + count;
    multiply_rows(begin, count, 0, begin);
    multiply_rows(begin, count, begin, count, Part::kLower);
    multiply_rows(begin, count, end, unit_.count() - end);
    for (int64_t i = 0; i < count; ++i) {
      within += kernel_.apply(row(i), begin + i, 0, begin);
      within += kernel_.apply(row(i) + end, begin + i, end, unit_.students() - end);
      across += kernel_.apply(row(i) + unit_.students(), begin + i, unit_.students(), unit_.teachers());
    }
    within += apply_symmetric(begin, count);
    if (sample_.wants_gradient()) mirror(products_ + begin, count, unit_.count());
  }

  void set_gradient(int64_t begin, int64_t count) {
    // Twice within: a vector of the student takes part as the first and as the second.
    const T within = sample_.layer.student_term ? T(2) / (T(unit_.students()) * T(unit_.students())) : T(0);
    const T across = T(-2) / (T(unit_.students()) * T(unit_.teachers()));
    for (int64_t i = 0; i < count; ++i) {
#pragma omp simd
      for (int64_t j = 0; j < unit_.students(); ++j) row(i)[j] *= within;
#pragma omp simd
      for (int64_t j = unit_.students(); j < unit_.count(); ++j) row(i)[j] *= across;
      if (Kernel::kDependsOnNorms) row(i)[begin + i] -= row_sum(i);
    }
    const Strided<const T> slopes = {products_, unit_.count(), 1};
    multiply_into(
        sample_.student.gradient().from(begin, 0), count, sample_.positions(), unit_.count(), slopes, unit_.all(), T(1),
        false);
  }

  /// What a vector's own length adds to its gradient.
  T row_sum(int64_t i) const {
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < unit_.count(); ++j) sum += row(i)[j];
    return sum;
  }

  double teacher_sum() {
    double sum = 0;
    for (int64_t begin = unit_.students(); begin < unit_.count(); begin += block_) {
      const int64_t count = math::smaller(block_, unit_.count() - begin);
      const int64_t before = begin - unit_.students();
      multiply_rows(begin, count, unit_.students(), before);
      multiply_rows(begin, count, begin, count, Part::kLower);
      for (int64_t i = 0; i < count; ++i) {
        sum += 2 * kernel_.apply(row(i) + unit_.students(), begin + i, unit_.students(), before);
      }
      sum += apply_symmetric(begin, count);
    }
    return sum;
  }

  const Sample<T>& sample_;
  const Kernel& kernel_;
  const UnitChannels<T>& unit_;
  int64_t block_;
  T* products_;
};

template <typename T, typename Kernel>
double by_channels(const Sample<T>& sample, const UnitChannels<T>& unit, const Kernel& kernel) {
  return ByChannels<T, Kernel>(sample, unit, kernel).discrepancy();
}

template <typename T>
double discrepancy(const NstLayer& layer) {
  const Sample<T> sample(layer);
  if (layer.kernel == NstKernel::kLinear) return linear(sample);
  UnitChannels<T> unit(sample);
  if (layer.kernel == NstKernel::kGaussian) return by_channels(sample, unit, Gaussian<T>(sample, unit));
  if (layer.degree != 2 || layer.offset != 0) return by_channels(sample, unit, Polynomial<T>(layer));
  const bool by_positions =
      math::nst_prefers_positions(sample.positions(), sample.student.channels(), sample.teacher.channels());
  return by_positions ? polynomial_by_positions(sample, unit) : by_channels(sample, unit, Square<T>());
}

}  // namespace

RETORT_DEFINE_KERNELS(NstKernels, nst_kernels, &discrepancy<T>)

}  // namespace retort::kernels::RETORT_ISA
