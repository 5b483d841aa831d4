// Compiled once for each instruction set, into the namespace RETORT_ISA. Nothing here may use templates or inline
// functions with external linkage of others: the linker would keep a single one of the variants for all.
#include "kernels/cpu/ofd.simd.h"

#include <type_traits>

#include "kernels/cpu/sample_map.simd.h"
#include "kernels/cpu/sums.simd.h"
#include "kernels/math/ofd.h"

namespace retort::kernels::RETORT_ISA {
namespace {

/// Positions of channels-last maps that are gone through twice while they are in the first-level cache.
constexpr int64_t kPositions = 64;

/// Neighbours in memory: of one channel, whose margin is the same, or of all channels at one position.
template <typename T>
struct Run {
  const T* student;
  const T* teacher;
  /// Null where none is asked for.
  T* student_gradient;
  T* teacher_gradient;
  const T* margin;
  int64_t count;
};

template <bool has_one_margin, typename T>
T distance(const Run<T>& run, T scale) {
  const auto margin = [&](int64_t i) { return has_one_margin ? run.margin[0] : run.margin[i]; };
  T sum = 0;
  if (run.student_gradient) {
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < run.count; ++i) {
      const T difference = math::ofd_difference(run.student[i], run.teacher[i], margin(i));
      sum += difference * difference;
      run.student_gradient[i] = scale * difference;
    }
  } else {
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < run.count; ++i) {
      const T difference = math::ofd_difference(run.student[i], run.teacher[i], margin(i));
      sum += difference * difference;
    }
  }
  if (run.teacher_gradient) {
#pragma omp simd
    for (int64_t i = 0; i < run.count; ++i) {
      const T difference = math::ofd_difference(run.student[i], run.teacher[i], margin(i));
      run.teacher_gradient[i] = run.teacher[i] < margin(i) ? T(0) : -scale * difference;
    }
  }
  return sum;
}

template <typename T>
double total_distance(const OfdSample& sample) {
  const int64_t channels = sample.student.channels;
  const int64_t most = math::larger(kSumBlock, channels);
  const MapParts<T> student(sample.student, most, *sample.scratch);
  const MapParts<T> teacher(sample.teacher, most, *sample.scratch);
  const T* margin = static_cast<const T*>(sample.margin);
  const T scale = static_cast<T>(2 * sample.gradient_scale);
  double sum = 0;
  const auto add = [&](auto has_one_margin, int64_t begin, const T* margins, int64_t count) {
    const Run<T> run = {
        student.values(begin, count),
        teacher.values(begin, count),
        student.gradient(begin),
        teacher.gradient(begin),
        margins,
        count};
    sum += static_cast<double>(distance<has_one_margin>(run, scale));
    student.store_gradient(begin, count);
    teacher.store_gradient(begin, count);
  };
  if (student.channels_last()) {
    // Several positions at once, with as many copies of the margins.
    const int64_t at_once = math::smaller(math::larger(kSumBlock / channels, 1), student.positions());
    T* margins = take<T>(*sample.scratch, at_once * channels);
    for (int64_t p = 0; p < at_once; ++p) {
      for (int64_t c = 0; c < channels; ++c) margins[p * channels + c] = margin[c];
    }
    for (int64_t p = 0; p < student.positions(); p += at_once) {
      const int64_t count = math::smaller(at_once, student.positions() - p) * channels;
      add(std::false_type(), p * channels, margins, count);
    }
  } else {
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t p = 0; p < student.positions(); p += kSumBlock) {
        const int64_t count = math::smaller(kSumBlock, student.positions() - p);
        add(std::true_type(), c * student.positions() + p, margin + c, count);
      }
    }
  }
  return sum;
}

/// A response if it is negative, or else 0. NaN does not vanish.
template <typename T>
T negative_part(T response) {
  return response >= T(0) ? T(0) : response;
}

template <typename T>
void sum_negatives(const FeatureMap& map, double* sums, double* counts, Scratch& scratch) {
  const MapParts<T> sample(map, math::larger(kSumBlock, kPositions * map.channels), scratch);
  const int64_t channels = sample.channels();
  if (sample.channels_last()) {
    T* sum = take<T>(scratch, channels);
    T* count = take<T>(scratch, channels);
    for (int64_t c = 0; c < channels; ++c) sums[c] = counts[c] = 0;
    for (int64_t begin = 0; begin < sample.positions(); begin += kPositions) {
      const int64_t positions = math::smaller(kPositions, sample.positions() - begin);
      const T* responses = sample.values(begin * channels, positions * channels);
      for (int64_t c = 0; c < channels; ++c) sum[c] = count[c] = 0;
      add_over_positions(
          positions, channels, sum, [&](int64_t, int64_t i, int64_t) { return negative_part(responses[i]); });
      add_over_positions(
          positions, channels, count, [&](int64_t, int64_t i, int64_t) { return responses[i] >= T(0) ? T(0) : T(1); });
      for (int64_t c = 0; c < channels; ++c) {
        sums[c] += static_cast<double>(sum[c]);
        counts[c] += static_cast<double>(count[c]);
      }
    }
    return;
  }
  for (int64_t c = 0; c < channels; ++c) {
    sums[c] = counts[c] = 0;
    for (int64_t begin = 0; begin < sample.positions(); begin += kSumBlock) {
      const int64_t n = math::smaller(kSumBlock, sample.positions() - begin);
      const T* responses = sample.values(c * sample.positions() + begin, n);
      T sum = 0;
      T count = 0;
#pragma omp simd reduction(+ : sum, count)
      for (int64_t i = 0; i < n; ++i) {
        sum += negative_part(responses[i]);
        count += responses[i] >= T(0) ? T(0) : T(1);
      }
      sums[c] += static_cast<double>(sum);
      counts[c] += static_cast<double>(count);
    }
  }
}

}  // namespace

RETORT_DEFINE_KERNELS(OfdKernels, ofd_kernels, &total_distance<T>, &sum_negatives<T>)

}  // namespace retort::kernels::RETORT_ISA
