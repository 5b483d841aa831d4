#include "kernels/math/crd.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace retort {
namespace {

template <typename T>
class CrdMathTest : public ::testing::Test {
 protected:
  /// The error of a positive result in units of the dtype's relative precision.
  static double error(T actual, long double expected) {
    const long double difference = std::fabs(static_cast<long double>(actual) - expected);
    return static_cast<double>(difference / expected / std::numeric_limits<T>::epsilon());
  }

  /// Numbers from 0 to 1, among them very small ones.
  static std::vector<T> unit_numbers() {
    std::vector<T> numbers;
    for (int i = 1; i <= 100000; ++i) numbers.push_back(static_cast<T>(i) / 100000);
    for (T x = 1; x > std::numeric_limits<T>::min() * 4; x *= T(0.77)) numbers.push_back(x);
    return numbers;
  }

  /// Numbers of both signs whose exponentials the dtype has.
  static std::vector<T> logits() {
    const T largest = -std::log(std::numeric_limits<T>::min()) - 1;
    std::vector<T> numbers;
    for (int i = -20000; i <= 20000; ++i) numbers.push_back(largest * static_cast<T>(i) / 20000);
    for (int i = -20000; i <= 20000; ++i) numbers.push_back(static_cast<T>(i) / 1000);
    return numbers;
  }

  static T decay_of(T x) { return static_cast<T>(std::exp(-std::fabs(static_cast<long double>(x)))); }
};

using Types = ::testing::Types<float, double>;
// With the comma, since C++17 does not let a macro's dots be left out.
TYPED_TEST_SUITE(CrdMathTest, Types, );

TYPED_TEST(CrdMathTest, Log1pUnitWithinTwoUnits) {
  double worst = 0;
  for (TypeParam x : this->unit_numbers()) {
    worst = std::max(worst, this->error(math::log1p_unit(x), std::log1p(static_cast<long double>(x))));
  }
  EXPECT_LE(worst, 2);
  EXPECT_EQ(math::log1p_unit(TypeParam(0)), 0);
  EXPECT_TRUE(std::isnan(math::log1p_unit(std::numeric_limits<TypeParam>::quiet_NaN())));
}

TYPED_TEST(CrdMathTest, SoftplusWithinThreeUnits) {
  double worst = 0;
  for (TypeParam x : this->logits()) {
    const auto wide = static_cast<long double>(x);
    const long double expected = std::max(wide, 0.0L) + std::log1p(std::exp(-std::fabs(wide)));
    worst = std::max(worst, this->error(math::softplus(x, this->decay_of(x)), expected));
  }
  EXPECT_LE(worst, 3);
}

TYPED_TEST(CrdMathTest, SigmoidWithinTwoUnits) {
  double worst = 0;
  for (TypeParam x : this->logits()) {
    const long double expected = 1 / (1 + std::exp(-static_cast<long double>(x)));
    worst = std::max(worst, this->error(math::sigmoid(x, this->decay_of(x)), expected));
  }
  EXPECT_LE(worst, 2);
}

TYPED_TEST(CrdMathTest, Edges) {
  using Limits = std::numeric_limits<TypeParam>;
  const TypeParam zero = 0;
  const TypeParam one = 1;
  const TypeParam large = Limits::max();
  const TypeParam infinity = Limits::infinity();
  const TypeParam nan = Limits::quiet_NaN();
  EXPECT_EQ(math::softplus(large, zero), large);
  EXPECT_EQ(math::softplus(-large, zero), 0);
  EXPECT_EQ(math::softplus(infinity, zero), infinity);
  EXPECT_EQ(math::softplus(-infinity, zero), 0);
  EXPECT_TRUE(std::isnan(math::softplus(nan, nan)));
  EXPECT_EQ(math::sigmoid(zero, one), TypeParam(0.5));
  EXPECT_EQ(math::sigmoid(-zero, one), TypeParam(0.5));
  EXPECT_EQ(math::sigmoid(infinity, zero), 1);
  EXPECT_EQ(math::sigmoid(-infinity, zero), 0);
  EXPECT_TRUE(std::isnan(math::sigmoid(nan, nan)));
}

TYPED_TEST(CrdMathTest, SigmoidsOfOppositesAddUpToOne) {
  for (TypeParam x : this->logits()) {
    const TypeParam decay = this->decay_of(x);
    const TypeParam sum = math::sigmoid(x, decay) + math::sigmoid(-x, decay);
    ASSERT_NEAR(static_cast<double>(sum), 1.0, 2 * std::numeric_limits<TypeParam>::epsilon()) << x;
  }
}

}  // namespace
}  // namespace retort
