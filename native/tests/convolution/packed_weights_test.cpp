#include "convolution/packed_weights.h"

#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "convolution/conv3x3.h"
#include "expect.h"
#include "seeded_test.h"

namespace retort::test {
namespace {

class PackedWeightsTest : public SeededTest {
 protected:
  /// Expects what packing the weight now gives.
  void expect_current(const at::Tensor& weight) { EXPECT_TRUE(same_bits(packed_.of(weight), pack_conv3x3(weight))); }

  PackedWeights packed_;
  const at::Tensor weight_ = at::randn({32, 48, 3, 3});
};

TEST_F(PackedWeightsTest, AreKeptWhileWeightsStayTheSame) {
  const at::Tensor other = at::randn({32, 48, 3, 3});
  const at::Tensor packed = packed_.of(weight_);
  expect_current(other);
  EXPECT_TRUE(packed_.of(weight_).is_same(packed));
  EXPECT_TRUE(same_bits(packed, pack_conv3x3(weight_)));
}

TEST_F(PackedWeightsTest, FollowWrites) {
  expect_current(weight_);
  weight_.add_(1);
  expect_current(weight_);
  weight_.view({-1})[7] = 3;
  expect_current(weight_);
  weight_.detach().copy_(at::randn({32, 48, 3, 3}));
  expect_current(weight_);
  {
    const c10::InferenceMode inference;
    weight_.mul_(2);
  }
  expect_current(weight_);
  weight_.mutable_data_ptr<float>()[100] += 1;
  expect_current(weight_);
  weight_.set_data(at::randn({32, 48, 3, 3}));
  expect_current(weight_);
}

TEST_F(PackedWeightsTest, MayBeOfWeightsInAnyLayout) {
  const at::Tensor last = weight_.contiguous(at::MemoryFormat::ChannelsLast);
  expect_current(last);
  expect_current(last.permute({1, 0, 2, 3}));
  const at::Tensor weight = weight_.clone();
  expect_current(weight);
  weight.set_data(last);
  expect_current(weight);
  const c10::InferenceMode inference;
  const at::Tensor inferred = at::randn({32, 48, 3, 3});
  expect_current(inferred);
  inferred.add_(1);
  expect_current(inferred);
}

TEST_F(PackedWeightsTest, OfWeightsThatAreGoneAreDropped) {
  const c10::weak_intrusive_ptr<c10::TensorImpl> packed(packed_.of(at::randn({32, 48, 3, 3})).getIntrusivePtr());
  EXPECT_FALSE(packed.expired());
  expect_current(weight_);
  EXPECT_TRUE(packed.expired());
}

TEST_F(PackedWeightsTest, AreOfTheThreadsInnermostUse) {
  EXPECT_EQ(PackedWeights::current(), nullptr);
  PackedWeights inner;
  {
    const PackedWeights::Use use(packed_);
    {
      const PackedWeights::Use nested(inner);
      EXPECT_EQ(PackedWeights::current(), &inner);
    }
    EXPECT_EQ(PackedWeights::current(), &packed_);
  }
  EXPECT_EQ(PackedWeights::current(), nullptr);
}

}  // namespace
}  // namespace retort::test
