// The transforms of Winograd's F(4, 3), and those of squares, F(4 x 4, 3 x 3).
//
// With the polynomials whose coefficients are 4 outputs y, 3 weights g and 6 inputs d, everything follows from the
// points at which they are evaluated: 0, +-5/8, +-3/2 and infinity. Their errors are 2 to 5 times smaller than those of
// the usual 0, +-1, +-2 and infinity. In one dimension, y = A^T [(G g) * (B^T d)]; the gradients are of the transposed.
#pragma once

#include "kernels/cpu/vector.simd.h"
#include "kernels/cpu/winograd.simd.h"

#define RETORT_INLINE __attribute__((always_inline)) inline

namespace retort::kernels::RETORT_ISA {
namespace {

using Floats = Vector<float>;

/// The points, and their squares and cubes.
constexpr double kP = 0.625;
constexpr double kQ = 1.5;
constexpr double kP2 = kP * kP;
constexpr double kQ2 = kQ * kQ;
constexpr double kP3 = kP2 * kP;
constexpr double kQ3 = kQ2 * kQ;
/// The product of each point's distances from the other finite ones.
constexpr double kNorm0 = kP2 * kQ2;
constexpr double kNormP = 2 * kP2 * (kP2 - kQ2);
constexpr double kNormQ = 2 * kQ2 * (kQ2 - kP2);

RETORT_INLINE Floats times(double factor, Floats values) {
  return static_cast<float>(factor) * values;
}

RETORT_INLINE void set_sum_and_difference(Floats a, Floats b, Floats* to) {
  to[0] = a + b;
  to[1] = a - b;
}

/// B^T d: the polynomial (x^2 - p^2) (x^2 - q^2) and those without one of its factors, and x times the first.
struct InputTransform {
  static constexpr int kIn = 6;
  static constexpr int kOut = 6;

  static RETORT_INLINE void apply(const Floats* d, Floats* t) {
    t[0] = d[4] + times(kNorm0, d[0]) - times(kP2 + kQ2, d[2]);
    set_sum_and_difference(d[4] - times(kQ2, d[2]), times(kP, d[3]) - times(kP * kQ2, d[1]), t + 1);
    set_sum_and_difference(d[4] - times(kP2, d[2]), times(kQ, d[3]) - times(kQ * kP2, d[1]), t + 3);
    t[5] = d[5] + times(kNorm0, d[1]) - times(kP2 + kQ2, d[3]);
  }
};

/// A^T x: the powers of the points.
struct OutputTransform {
  static constexpr int kIn = 6;
  static constexpr int kOut = 4;

  static RETORT_INLINE void apply(const Floats* x, Floats* y) {
    const Floats sum_p = x[1] + x[2];
    const Floats sum_q = x[3] + x[4];
    const Floats difference_p = x[1] - x[2];
    const Floats difference_q = x[3] - x[4];
    y[0] = x[0] + sum_p + sum_q;
    y[1] = times(kP, difference_p) + times(kQ, difference_q);
    y[2] = times(kP2, sum_p) + times(kQ2, sum_q);
    y[3] = x[5] + times(kP3, difference_p) + times(kQ3, difference_q);
  }
};

/// A y
struct OutputGradientTransform {
  static constexpr int kIn = 4;
  static constexpr int kOut = 6;

  static RETORT_INLINE void apply(const Floats* y, Floats* z) {
    z[0] = y[0];
    set_sum_and_difference(y[0] + times(kP2, y[2]), times(kP, y[1]) + times(kP3, y[3]), z + 1);
    set_sum_and_difference(y[0] + times(kQ2, y[2]), times(kQ, y[1]) + times(kQ3, y[3]), z + 3);
    z[5] = y[3];
  }
};

/// G g: the polynomial of the weights at the points, divided by their norms.
struct WeightTransform {
  static constexpr int kIn = 3;
  static constexpr int kOut = 6;

  static RETORT_INLINE void apply(const Floats* g, Floats* u) {
    u[0] = times(1 / kNorm0, g[0]);
    set_sum_and_difference(times(1 / kNormP, g[0]) + times(kP2 / kNormP, g[2]), times(kP / kNormP, g[1]), u + 1);
    set_sum_and_difference(times(1 / kNormQ, g[0]) + times(kQ2 / kNormQ, g[2]), times(kQ / kNormQ, g[1]), u + 3);
    u[5] = g[2];
  }
};

/// G^T u
struct WeightGradientTransform {
  static constexpr int kIn = 6;
  static constexpr int kOut = 3;

  static RETORT_INLINE void apply(const Floats* u, Floats* g) {
    const Floats sum_p = u[1] + u[2];
    const Floats sum_q = u[3] + u[4];
    g[0] = times(1 / kNorm0, u[0]) + times(1 / kNormP, sum_p) + times(1 / kNormQ, sum_q);
    g[1] = times(kP / kNormP, u[1] - u[2]) + times(kQ / kNormQ, u[3] - u[4]);
    g[2] = u[5] + times(kP2 / kNormP, sum_p) + times(kQ2 / kNormQ, sum_q);
  }
};

/// Transforms a square of vectors along both dimensions: from get(row, column) to put(row, column, vector).
template <typename Transform, typename Get, typename Put>
RETORT_INLINE void transform_square(const Get& get, const Put& put) {
  constexpr int in = Transform::kIn;
  constexpr int out = Transform::kOut;
  Floats half[out][in];
#pragma GCC unroll 6
  for (int x = 0; x < in; ++x) {
    Floats column[in];
    Floats transformed[out];
#pragma GCC unroll 6
    for (int y = 0; y < in; ++y) column[y] = get(y, x);
    Transform::apply(column, transformed);
#pragma GCC unroll 6
    for (int y = 0; y < out; ++y) half[y][x] = transformed[y];
  }
#pragma GCC unroll 6
  for (int y = 0; y < out; ++y) {
    Floats transformed[out];
    Transform::apply(half[y], transformed);
#pragma GCC unroll 6
    for (int x = 0; x < out; ++x) put(y, x, transformed[x]);
  }
}

}  // namespace
}  // namespace retort::kernels::RETORT_ISA
