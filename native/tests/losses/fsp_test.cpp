#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>
#include <retort/losses/fsp.h>
#include <torch/csrc/jit/api/module.h>

#include <cmath>
#include <tuple>

#include "golden.h"
#include "map_loss_test.h"
#include "operator_resolver.h"
#include "reference/fsp.h"

namespace retort::test {
namespace {

MapLoss loss_of(const FspOptions& options = {}) {
  return [=](const Maps& student, const Maps& teacher) {
    return fsp_loss(student, teacher, options.pairs, options.pooling, options.reduction);
  };
}

INSTANTIATE_TEST_SUITE_P(
    Fsp, MapLossTest, ::testing::Values(MapLossCase{"Fsp", "fsp_loss", loss_of(), &reference::fsp_loss, nullptr}),
    name_of_loss);

class FspLossTest : public SeededTest {
 protected:
  static at::Tensor map(at::IntArrayRef shape, at::ScalarType dtype = at::kDouble) {
    return at::randn(shape, at::kDouble).to(dtype);
  }
};

class FspLossGoldenTest : public GoldenTest {};

TEST_P(FspLossGoldenTest, MatchesGolden) {
  const Golden golden(GetParam());
  const Maps student = golden.list("s");
  const Maps teacher = golden.list("t");
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    const auto actual = differentiate(loss_of(), to(student, dtype), to(teacher, dtype), golden["weights"]);
    EXPECT_TRUE(close(actual.losses, golden.list("loss")));
    EXPECT_TRUE(close(actual.student, golden.list("grad")));
    for (const at::Tensor& loss : actual.losses) EXPECT_EQ(loss.scalar_type(), dtype);
  }
}

INSTANTIATE_TEST_SUITE_P(Fsp, FspLossGoldenTest, ::testing::ValuesIn(golden_cases("fsp_")), name_of_case);

TEST_F(FspLossTest, MatchesReference) {
  using Size = std::pair<int64_t, int64_t>;
  // Sizes of the two maps of a pair: equal; multiples of each other; higher but narrower; no multiples.
  const std::vector<std::pair<Size, Size>> sizes = {
      {{1, 1}, {1, 1}}, {{2, 2}, {2, 2}}, {{3, 5}, {3, 5}}, {{8, 8}, {8, 8}}, {{8, 8}, {4, 4}},
      {{2, 2}, {1, 1}}, {{7, 4}, {3, 5}}, {{3, 5}, {7, 4}}, {{7, 4}, {8, 8}}, {{8, 8}, {3, 5}}};
  // Around the widths of vector registers, where inner loops have their remainders.
  const std::vector<std::pair<int64_t, int64_t>> channels = {{1, 1}, {1, 33}, {2, 3},   {3, 7},  {8, 7},
                                                             {8, 9}, {9, 16}, {17, 16}, {33, 2}, {33, 17}};
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (int64_t batch : {1, 2, 5}) {
      for (const auto& [first, second] : channels) {
        for (size_t i = 0; i < sizes.size(); ++i) {
          const auto shapes_of = [&, first = first, second = second](const std::pair<Size, Size>& size) {
            return Maps{
                map({batch, first, size.first.first, size.first.second}, dtype),
                map({batch, second, size.second.first, size.second.second}, dtype)};
          };
          const Maps student = shapes_of(sizes[i]);
          const Maps teacher = shapes_of(sizes[(i + batch) % sizes.size()]);
          SCOPED_TRACE(c10::str(
              dtype, " ", student[0].sizes(), student[1].sizes(), " ", teacher[0].sizes(), teacher[1].sizes()));
          EXPECT_TRUE(close(
              differentiate(loss_of(), student, teacher),
              differentiate(&reference::fsp_loss, to(student, at::kDouble), to(teacher, at::kDouble))));
        }
      }
    }
  }
}

TEST_F(FspLossTest, MatchesReferenceOnManyChannelsAndPositions) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (const auto& [first, second, size] :
         std::vector<std::tuple<int64_t, int64_t, int64_t>>{{300, 20, 3}, {20, 300, 3}, {3, 5, 64}}) {
      SCOPED_TRACE(c10::str(dtype, " ", first, " and ", second, " channels, size ", size));
      const Maps student = {map({2, first, size, size}, dtype), map({2, second, size, size}, dtype)};
      const Maps teacher = {map({2, first, size, size}, dtype), map({2, second, size, size}, dtype)};
      EXPECT_TRUE(close(
          differentiate(loss_of(), student, teacher),
          differentiate(&reference::fsp_loss, to(student, at::kDouble), to(teacher, at::kDouble))));
    }
  }
}

TEST_F(FspLossTest, WorkedExample) {
  // G is [[1, 2]] / 2 + [[3, 0]] / 2 = [[2, 1]] for the student, 0 for the teacher.
  const Maps student = {
      at::tensor({1.0, 3.0}, at::kDouble).view({1, 1, 1, 2}),
      at::tensor({1.0, 1.0, 2.0, 0.0}, at::kDouble).view({1, 2, 1, 2})};
  const Maps teacher = {at::zeros_like(student[0]), at::zeros_like(student[1])};
  EXPECT_EQ(fsp_loss(student, teacher).at(0).item<double>(), 2.5);
}

TEST_F(FspLossTest, OrderOfPositionsChangesNothing) {
  const Maps student = {map({3, 4, 3, 5}), map({3, 7, 3, 5})};
  const Maps teacher = {map({3, 4, 3, 5}), map({3, 7, 3, 5})};
  const at::Tensor order = at::randperm(15);
  const auto permuted = [&](Maps maps) {
    for (at::Tensor& map : maps) map = map.flatten(2).index_select(2, order).view_as(map);
    return maps;
  };
  const auto plain = differentiate(loss_of(), student, teacher);
  const DifferentiatedMaps expected{plain.losses, permuted(plain.student), permuted(plain.teacher)};
  EXPECT_TRUE(close(differentiate(loss_of(), permuted(student), permuted(teacher)), expected));
}

TEST_F(FspLossTest, LargeNumbersOverflowVisibly) {
  // G is about 1e60, which float32 does not hold and float64 does.
  const Maps student = {map({2, 3, 4, 4}) * 1e30, map({2, 5, 4, 4}) * 1e30};
  const Maps teacher = {map({2, 3, 4, 4}) * 1e30, map({2, 5, 4, 4}) * 1e30};
  EXPECT_FALSE(std::isfinite(fsp_loss(to(student, at::kFloat), to(teacher, at::kFloat))[0].item<double>()));
  EXPECT_TRUE(close(differentiate(loss_of(), student, teacher), differentiate(&reference::fsp_loss, student, teacher)));
  // Squares of up to 1e38 still fit.
  const auto fitting = [](Maps maps) {
    for (at::Tensor& map : maps) map = (map * 1e-21).to(at::kFloat);
    return maps;
  };
  EXPECT_TRUE(close(
      differentiate(loss_of(), fitting(student), fitting(teacher)),
      differentiate(&reference::fsp_loss, to(fitting(student), at::kDouble), to(fitting(teacher), at::kDouble))));
}

TEST_F(FspLossTest, TinyNumbers) {
  const Maps student = {map({2, 3, 4, 4}) * 1e-30, map({2, 5, 4, 4}) * 1e-30};
  const Maps teacher = {map({2, 3, 4, 4}) * 1e-30, map({2, 5, 4, 4}) * 1e-30};
  const auto single = differentiate(loss_of(), to(student, at::kFloat), to(teacher, at::kFloat));
  EXPECT_TRUE(all_finite(single));
  EXPECT_EQ(single.losses[0].item<double>(), 0);
  EXPECT_TRUE(close(differentiate(loss_of(), student, teacher), differentiate(&reference::fsp_loss, student, teacher)));
}

TEST_F(FspLossTest, CallableByName) {
  const Maps student = {map({3, 4, 3, 5}), map({3, 7, 3, 5})};
  const Maps teacher = {map({3, 4, 3, 5}), map({3, 7, 3, 5})};
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::fsp_loss", "");
  EXPECT_EQ(
      c10::str(op.schema()),
      "retort::fsp_loss(Tensor[] student, Tensor[] teacher, *, int[] pairs=[], str pooling=\"average\", "
      "str reduction=\"mean\") -> Tensor[]");
  torch::jit::Stack stack = {
      c10::List<at::Tensor>(student), c10::List<at::Tensor>(teacher), c10::List<int64_t>(), "average", "mean"};
  op.callBoxed(stack);
  EXPECT_TRUE(same_bits(stack.at(0).toTensorVector(), fsp_loss(student, teacher)));
}

TEST_F(FspLossTest, CallableFromTorchScript) {
  torch::jit::Module module("FspLoss");
  module.define(
      "def forward(self, s0, s1, t0, t1):\n"
      "    return 2 * retort.fsp_loss([s0, s1], [t0, t1])[0]\n",
      std::make_shared<OperatorResolver>());
  const MapLoss scripted = [&](const Maps& student, const Maps& teacher) {
    return Maps{module.forward({student[0], student[1], teacher[0], teacher[1]}).toTensor() / 2};
  };
  const Maps student = {map({3, 4, 3, 5}), map({3, 7, 3, 5})};
  const Maps teacher = {map({3, 4, 3, 5}), map({3, 7, 3, 5})};
  EXPECT_TRUE(close(differentiate(scripted, student, teacher), differentiate(loss_of(), student, teacher)));
}

TEST_F(FspLossTest, CriterionIsTheSumOfTheLosses) {
  CriterionInput input;
  input.student = {map({3, 4, 8, 8}), map({3, 7, 4, 4}), map({3, 2, 4, 4})};
  input.teacher = {map({3, 4, 8, 8}), map({3, 7, 8, 8}), map({3, 2, 4, 4})};
  const auto criterion = FspOptions().build({{{4, 8, 8}, {7, 4, 4}, {2, 4, 4}}, {{4, 8, 8}, {7, 8, 8}, {2, 4, 4}}});
  const auto losses = fsp_loss(input.student, input.teacher);
  ASSERT_EQ(losses.size(), 2);
  EXPECT_TRUE(close(criterion->forward(input), losses[0] + losses[1]));
  EXPECT_TRUE(criterion->parameters().empty());
  EXPECT_TRUE(criterion->buffers().empty());
}

TEST_F(FspLossTest, RejectsTooFewMaps) {
  const at::Tensor one = map({2, 3, 4, 4});
  EXPECT_EQ(error_of([&] { fsp_loss({}, {}); }), "fsp_loss: student must have at least 2 maps (got 0)");
  EXPECT_EQ(error_of([&] { fsp_loss({one}, {one}); }), "fsp_loss: student must have at least 2 maps (got 1)");
}

TEST_F(FspLossTest, RejectsOtherChannels) {
  const Maps student = {map({2, 3, 4, 4}), map({2, 5, 4, 4})};
  const Maps teacher = {map({2, 3, 4, 4}), map({2, 6, 4, 4})};
  EXPECT_EQ(
      error_of([&] { fsp_loss(student, teacher); }),
      "fsp_loss: student[1] and teacher[1] must have as many channels (got 5 and 6)");
}

TEST_F(FspLossTest, RejectsTaps) {
  const auto error = [](const FeatureShapes& shapes) { return error_of([&] { FspOptions().build(shapes); }); };
  EXPECT_EQ(error({}), "fsp_loss: taps must be at least 2 (got 0)");
  EXPECT_EQ(error({{{4, 2, 2}}, {{4, 2, 2}}}), "fsp_loss: taps must be at least 2 (got 1)");
  EXPECT_EQ(
      error({{{4, 2, 2}, {4, 2, 2}}, {{4, 2, 2}}}),
      "fsp_loss: student and teacher must have as many taps (got 2 and 1)");
  EXPECT_EQ(
      error({{{4, 2, 2}, {64}}, {{4, 2, 2}, {64}}}),
      "fsp_loss: tap student[1] must be a map [channels, height, width] (got [64])");
  EXPECT_EQ(
      error({{{4, 2, 2}, {4, 2, 2}}, {{4, 2, 2}, {8, 2}}}),
      "fsp_loss: tap teacher[1] must be a map [channels, height, width] (got [8, 2])");
  EXPECT_EQ(
      error({{{4, 2, 2}, {4, 2, 2}}, {{4, 2, 2}, {8, 2, 2}}}),
      "fsp_loss: student[1] and teacher[1] must have as many channels (got 4 and 8)");
}

}  // namespace
}  // namespace retort::test
