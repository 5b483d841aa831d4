#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/ofd.h>

#include "expect.h"
#include "seeded_test.h"

namespace retort {
namespace {

class OfdLossTest : public test::SeededTest {};

TEST_F(OfdLossTest, EqualToTheTargetGivesZero) {
  const at::Tensor teacher = at::randn({2, 3, 4, 5}, at::kDouble).clamp_min(-0.5);
  const at::Tensor margin = at::full({3}, -0.5, at::kDouble);
  EXPECT_EQ(ofd_loss(teacher, teacher, margin).item<double>(), 0.0);
}

}  // namespace
}  // namespace retort
