#include "kernels/math/exp.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace retort {
namespace {

/// The distance between two positive numbers in units in the last place.
template <typename T, typename Bits>
int64_t distance(T a, T b) {
  Bits bits_of_a, bits_of_b;
  std::memcpy(&bits_of_a, &a, sizeof a);
  std::memcpy(&bits_of_b, &b, sizeof b);
  return std::abs(static_cast<int64_t>(bits_of_a) - static_cast<int64_t>(bits_of_b));
}

TEST(ExpTest, Float32WithinTwoUnits) {
  int64_t worst = 0;
  for (float x = 0; x >= -87.3f; x -= 1.0f / 16384) {
    const auto expected = static_cast<float>(std::exp(static_cast<double>(x)));
    worst = std::max(worst, distance<float, uint32_t>(math::exp_nonpositive(x), expected));
  }
  EXPECT_LE(worst, 2);
}

TEST(ExpTest, Float64WithinTwoUnits) {
  int64_t worst = 0;
  for (double x = 0; x >= -708; x -= 1.0 / 2048 + 1e-7) {
    const auto expected = static_cast<double>(std::exp(static_cast<long double>(x)));
    worst = std::max(worst, distance<double, uint64_t>(math::exp_nonpositive(x), expected));
  }
  EXPECT_LE(worst, 2);
}

template <typename T>
class ExpEdgeTest : public ::testing::Test {};

using Types = ::testing::Types<float, double>;
// With the comma, since C++17 does not let a macro's dots be left out.
TYPED_TEST_SUITE(ExpEdgeTest, Types, );

TYPED_TEST(ExpEdgeTest, Edges) {
  using Limits = std::numeric_limits<TypeParam>;
  const TypeParam zero = 0;
  EXPECT_EQ(math::exp_nonpositive(zero), 1);
  EXPECT_EQ(math::exp_nonpositive(-zero), 1);
  EXPECT_EQ(math::exp_nonpositive(-Limits::denorm_min()), 1);
  EXPECT_EQ(math::exp_nonpositive(-Limits::epsilon() / 8), 1);
  EXPECT_EQ(math::exp_nonpositive(-Limits::infinity()), 0);
  EXPECT_EQ(math::exp_nonpositive(Limits::lowest()), 0);
  EXPECT_TRUE(std::isnan(math::exp_nonpositive(Limits::quiet_NaN())));
  EXPECT_TRUE(std::isnan(math::exp_nonpositive(-Limits::quiet_NaN())));

  // Around the smallest normal number: exact enough or 0, and never more than there.
  const TypeParam edge = std::log(Limits::min());
  for (int i = -1000; i <= 1000; ++i) {
    const TypeParam x = edge + static_cast<TypeParam>(i) / 500;
    const TypeParam result = math::exp_nonpositive(x);
    EXPECT_GE(result, 0);
    EXPECT_LE(result, std::exp(x) * (1 + 4 * Limits::epsilon()));
    if (i < 0) {
      EXPECT_EQ(result, 0);
    } else if (i > 250) {
      EXPECT_GT(result, Limits::min());
    }
  }
}

}  // namespace
}  // namespace retort
