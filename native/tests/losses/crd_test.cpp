#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/crd.h>

#include "expect.h"
#include "seeded_test.h"

namespace retort {
namespace {

class CrdLossTest : public test::SeededTest {};

TEST_F(CrdLossTest, PositiveComesFirst) {
  const at::Tensor indices = at::tensor({3, 0, 3}, at::kLong);
  const at::Tensor contrast = crd_contrast(indices, 5, 7);
  EXPECT_EQ(contrast.sizes(), at::IntArrayRef({3, 8}));
  EXPECT_TRUE(test::same_bits(contrast.select(1, 0), indices));
}

}  // namespace
}  // namespace retort
