#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/losses/fsp.h>
#include <retort/models/resnet.h>
#include <retort/train/training_step.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>

#include <cmath>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "descriptions.h"
#include "finite_difference.h"
#include "golden.h"
#include "map_loss_test.h"
#include "operator_resolver.h"
#include "reference/fsp.h"

namespace retort::test::fsp_test {
namespace {

MapLoss loss_of(const FspOptions& options = {}) {
  return [=](const Maps& student, const Maps& teacher) {
    return fsp_loss(student, teacher, options.pairs, options.pooling, options.reduction);
  };
}

MapLoss reference_of(const FspOptions& options = {}) {
  return [=](const Maps& student, const Maps& teacher) { return reference::fsp_loss(student, teacher, options); };
}

FspOptions options_of(FspPooling pooling, FspReduction reduction, const std::vector<int64_t>& pairs = {}) {
  FspOptions options;
  options.pairs = pairs;
  options.pooling = pooling;
  options.reduction = reduction;
  return options;
}

MapLossCase case_of(const std::string& name, const FspOptions& options) {
  return {name, "fsp_loss", loss_of(options), reference_of(options), nullptr};
}

INSTANTIATE_TEST_SUITE_P(
    Fsp, MapLossTest,
    ::testing::Values(
        case_of("RepDistiller", {}), case_of("Paper", options_of(FspPooling::kMax, FspReduction::kPaper))),
    name_of_loss);

constexpr FspPooling kPoolings[] = {FspPooling::kAverage, FspPooling::kMax};
constexpr FspReduction kReductions[] = {FspReduction::kMean, FspReduction::kPaper, FspReduction::kTorchdistill};

/// As the operator calls it.
std::string name_of(FspPooling pooling) {
  return pooling == FspPooling::kMax ? "max" : "average";
}

std::string name_of(FspReduction reduction) {
  switch (reduction) {
    case FspReduction::kPaper:
      return "paper";
    case FspReduction::kTorchdistill:
      return "torchdistill";
    default:
      return "mean";
  }
}

std::string name_of(const FspOptions& options) {
  return name_of(options.pooling) + " " + name_of(options.reduction) + " " + c10::str(options.pairs);
}

/// All variants with these pairs.
std::vector<FspOptions> variants(const std::vector<int64_t>& pairs) {
  std::vector<FspOptions> all;
  for (FspPooling pooling : kPoolings) {
    for (FspReduction reduction : kReductions) all.push_back(options_of(pooling, reduction, pairs));
  }
  return all;
}

FeatureShapes shapes_of(const Maps& student, const Maps& teacher) {
  FeatureShapes shapes;
  for (const at::Tensor& map : student) shapes.student.push_back(map.sizes().slice(1).vec());
  for (const at::Tensor& map : teacher) shapes.teacher.push_back(map.sizes().slice(1).vec());
  return shapes;
}

CriterionInput input_of(const Maps& student, const Maps& teacher) {
  CriterionInput input;
  input.student = student;
  input.teacher = teacher;
  return input;
}

/// The criterion of these options as a loss of maps, which is the sum over the pairs.
MapLoss criterion_of(const FspOptions& options) {
  return [=](const Maps& student, const Maps& teacher) {
    return Maps{options.build(shapes_of(student, teacher))->forward(input_of(student, teacher))};
  };
}

MapLoss sum_of(const MapLoss& loss) {
  return [=](const Maps& student, const Maps& teacher) { return Maps{at::stack(loss(student, teacher)).sum()}; };
}

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
      for (const auto& of_maps : channels) {
        for (size_t i = 0; i < sizes.size(); ++i) {
          const auto shapes_of = [&](const std::pair<Size, Size>& size) {
            return Maps{
                map({batch, of_maps.first, size.first.first, size.first.second}, dtype),
                map({batch, of_maps.second, size.second.first, size.second.second}, dtype)};
          };
          const Maps student = shapes_of(sizes[i]);
          const Maps teacher = shapes_of(sizes[(i + batch) % sizes.size()]);
          SCOPED_TRACE(c10::str(
              dtype, " ", student[0].sizes(), student[1].sizes(), " ", teacher[0].sizes(), teacher[1].sizes()));
          EXPECT_TRUE(close(
              differentiate(loss_of(), student, teacher),
              differentiate(reference_of(), to(student, at::kDouble), to(teacher, at::kDouble))));
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
          differentiate(reference_of(), to(student, at::kDouble), to(teacher, at::kDouble))));
    }
  }
}

/// Three maps of each network: of sizes that are no multiples of each other, higher or wider than the teacher's.
std::pair<Maps, Maps> three_maps(at::ScalarType dtype = at::kDouble) {
  const auto map = [&](int64_t channels, int64_t height, int64_t width) {
    return at::randn({3, channels, height, width}, at::kDouble).to(dtype);
  };
  return {{map(3, 7, 4), map(9, 3, 5), map(17, 8, 8)}, {map(3, 3, 5), map(9, 8, 7), map(17, 4, 4)}};
}

// Both orders of a pair, a map in several pairs, a map with itself.
const std::vector<int64_t> kManyPairs = {2, 0, 0, 1, 1, 1, 0, 2};

TEST_F(FspLossTest, VariantsMatchReference) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    for (at::MemoryFormat format : kMemoryFormats) {
      const auto [student, teacher] = three_maps(dtype);
      const Maps s = in_format(format, student);
      const Maps t = in_format(format, teacher);
      const Maps wide_student = to(student, at::kDouble);
      const Maps wide_teacher = to(teacher, at::kDouble);
      for (const auto& pairs : {std::vector<int64_t>(), kManyPairs}) {
        for (const FspOptions& options : variants(pairs)) {
          SCOPED_TRACE(c10::str(dtype, " ", format, " ", name_of(options)));
          const MapLoss reference = reference_of(options);
          EXPECT_TRUE(
              close(differentiate(loss_of(options), s, t), differentiate(reference, wide_student, wide_teacher)));
          // Several gradients of a map are added up before they are rounded.
          EXPECT_TRUE(close(
              differentiate(criterion_of(options), s, t),
              differentiate(sum_of(reference), wide_student, wide_teacher)));
        }
      }
    }
  }
}

TEST_F(FspLossTest, VariantsGradMatchesFiniteDifference) {
  const auto random = [](int64_t channels, int64_t height, int64_t width) {
    return at::randn({2, channels, height, width}, at::kDouble);
  };
  const Maps student = {random(2, 5, 3), random(5, 2, 4), random(9, 3, 3)};
  const Maps teacher = {random(2, 3, 4), random(5, 3, 3), random(9, 2, 2)};
  for (const FspOptions& options : variants(kManyPairs)) {
    SCOPED_TRACE(name_of(options));
    const MapLoss criterion = criterion_of(options);
    const auto actual = differentiate(criterion, student, teacher);
    for (size_t i = 0; i < 3; ++i) {
      SCOPED_TRACE(i);
      const auto of_student = [&, s = student, t = teacher](const at::Tensor& map) mutable {
        s[i] = map;
        return criterion(s, t)[0];
      };
      const auto of_teacher = [&, s = student, t = teacher](const at::Tensor& map) mutable {
        t[i] = map;
        return criterion(s, t)[0];
      };
      EXPECT_TRUE(close(actual.student[i], finite_difference(of_student, student[i]), 1e-7));
      EXPECT_TRUE(close(actual.teacher[i], finite_difference(of_teacher, teacher[i]), 1e-7));
    }
  }
}

TEST_F(FspLossTest, PairsAreConsecutiveUnlessGiven) {
  const auto [student, teacher] = three_maps();
  FspOptions options;
  options.pairs = {0, 1, 1, 2};
  EXPECT_TRUE(same_bits(differentiate(loss_of(options), student, teacher), differentiate(loss_of(), student, teacher)));
  EXPECT_TRUE(same_bits(
      differentiate(criterion_of(options), student, teacher), differentiate(criterion_of({}), student, teacher)));
}

TEST_F(FspLossTest, LossOfAPairIsThatOfItsMapsAlone) {
  const auto [student, teacher] = three_maps();
  const auto losses = fsp_loss(student, teacher, kManyPairs);
  ASSERT_EQ(losses.size(), 4);
  for (size_t i = 0; i < losses.size(); ++i) {
    const auto pair_of = [&](const Maps& maps) { return Maps{maps[kManyPairs[2 * i]], maps[kManyPairs[2 * i + 1]]}; };
    EXPECT_TRUE(same_bits(losses[i], fsp_loss(pair_of(student), pair_of(teacher))[0]));
  }
}

TEST_F(FspLossTest, MapInNoPairGetsNoGradient) {
  auto [student, teacher] = three_maps();
  for (const Maps& maps : {student, teacher}) {
    for (const at::Tensor& map : maps) map.requires_grad_();
  }
  FspOptions options;
  options.pairs = {2, 0};
  fsp_loss(student, teacher, options.pairs)[0].backward();
  EXPECT_GT(largest(student[0].grad()), 0);
  EXPECT_FALSE(student[1].grad().defined());
  EXPECT_FALSE(teacher[1].grad().defined());
  const auto of_sum = differentiate(criterion_of(options), student, teacher);
  EXPECT_TRUE(close(of_sum.student[0], student[0].grad()));
  EXPECT_EQ(largest(of_sum.student[1]), 0);
  EXPECT_EQ(largest(of_sum.teacher[1]), 0);
}

TEST_F(FspLossTest, MaximumIsTheFirstOfEquals) {
  // The student's first map is pooled over the whole window.
  const Maps student = {
      at::tensor({1.0, 5.0, 5.0, 2.0}, at::kDouble).view({1, 1, 2, 2}), at::full({1, 1, 1, 1}, 3.0, at::kDouble)};
  const Maps teacher = {at::zeros({1, 1, 1, 1}, at::kDouble), at::zeros({1, 1, 1, 1}, at::kDouble)};
  for (at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    const Maps two_channels = {at::cat({student[0], student[0].flip({3})}, 1).contiguous(format), student[1]};
    const auto actual = differentiate(
        loss_of(options_of(FspPooling::kMax, FspReduction::kPaper)), two_channels,
        {teacher[0].expand({1, 2, 1, 1}), teacher[1]});
    // G is [15, 15]^T.
    EXPECT_EQ(actual.losses[0].item<double>(), 450);
    EXPECT_TRUE(same_bits(
        actual.student[0].contiguous(),
        at::tensor({0.0, 90.0, 0.0, 0.0, 90.0, 0.0, 0.0, 0.0}, at::kDouble).view({1, 2, 2, 2})));
    EXPECT_EQ(actual.student[1].item<double>(), 300);
  }
}

TEST_F(FspLossTest, ColumnOfZerosHasNoSlope) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    Maps student = {map({3, 4, 3, 5}, dtype), map({3, 7, 3, 5}, dtype)};
    Maps teacher = {map({3, 4, 3, 5}, dtype), map({3, 7, 3, 5}, dtype)};
    student[1].select(1, 2).zero_();
    teacher[1].select(1, 2).zero_();
    const MapLoss loss = loss_of(options_of(FspPooling::kAverage, FspReduction::kTorchdistill));
    const auto actual = differentiate(loss, student, teacher);
    EXPECT_EQ(largest(actual.student[1].select(1, 2)), 0);
    EXPECT_GT(largest(actual.student[1].select(1, 3)), 0);
    EXPECT_TRUE(close(
        actual, differentiate(
                    reference_of(options_of(FspPooling::kAverage, FspReduction::kTorchdistill)),
                    to(student, at::kDouble), to(teacher, at::kDouble))));
  }
}

TEST_F(FspLossTest, EqualMapsHaveNoSlope) {
  // The last has more positions than are added up at once.
  for (const auto& shape : std::vector<std::vector<int64_t>>{{2, 5, 3, 3}, {2, 70, 5, 5}, {2, 5, 20, 20}}) {
    for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
      SCOPED_TRACE(c10::str(dtype, " ", at::IntArrayRef(shape)));
      const Maps maps = {map(shape, dtype), map(shape, dtype)};
      for (at::MemoryFormat format : kMemoryFormats) {
        const auto actual = differentiate(
            loss_of(options_of(FspPooling::kAverage, FspReduction::kTorchdistill)), maps, in_format(format, maps));
        EXPECT_EQ(actual.losses[0].item<double>(), 0);
        EXPECT_EQ(largest(actual.student[0]), 0);
        EXPECT_EQ(largest(actual.teacher[1]), 0);
      }
    }
  }
}

TEST_F(FspLossTest, ReductionsOfOneDifference) {
  // G is [[1, 0], [2, 0]] for the student, 0 for the teacher.
  const Maps student = {
      at::tensor({1.0, 2.0}, at::kDouble).view({1, 2, 1, 1}), at::tensor({1.0, 0.0}, at::kDouble).view({1, 2, 1, 1})};
  const Maps teacher = {at::zeros_like(student[0]), at::zeros_like(student[1])};
  const auto loss = [&](FspReduction reduction) {
    return fsp_loss(student, teacher, {}, FspPooling::kAverage, reduction)[0].item<double>();
  };
  EXPECT_EQ(loss(FspReduction::kMean), 1.25);
  EXPECT_EQ(loss(FspReduction::kPaper), 5);
  EXPECT_EQ(loss(FspReduction::kTorchdistill), std::sqrt(5.0));
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
  EXPECT_TRUE(close(differentiate(loss_of(), student, teacher), differentiate(reference_of(), student, teacher)));
  // Squares of up to 1e38 still fit.
  const auto fitting = [](Maps maps) {
    for (at::Tensor& map : maps) map = (map * 1e-21).to(at::kFloat);
    return maps;
  };
  EXPECT_TRUE(close(
      differentiate(loss_of(), fitting(student), fitting(teacher)),
      differentiate(reference_of(), to(fitting(student), at::kDouble), to(fitting(teacher), at::kDouble))));
}

TEST_F(FspLossTest, TinyNumbers) {
  const Maps student = {map({2, 3, 4, 4}) * 1e-30, map({2, 5, 4, 4}) * 1e-30};
  const Maps teacher = {map({2, 3, 4, 4}) * 1e-30, map({2, 5, 4, 4}) * 1e-30};
  const auto single = differentiate(loss_of(), to(student, at::kFloat), to(teacher, at::kFloat));
  EXPECT_TRUE(all_finite(single));
  EXPECT_EQ(single.losses[0].item<double>(), 0);
  EXPECT_TRUE(close(differentiate(loss_of(), student, teacher), differentiate(reference_of(), student, teacher)));
}

TEST_F(FspLossTest, CallableByName) {
  const Maps student = {map({3, 4, 3, 5}), map({3, 7, 3, 5})};
  const Maps teacher = {map({3, 4, 3, 5}), map({3, 7, 3, 5})};
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::fsp_loss", "");
  EXPECT_EQ(
      c10::str(op.schema()),
      "retort::fsp_loss(Tensor[] student, Tensor[] teacher, *, int[] pairs=[], str pooling=\"average\", "
      "str reduction=\"mean\") -> Tensor[]");
  for (const auto& pairs : {std::vector<int64_t>(), std::vector<int64_t>{1, 0}}) {
    for (const FspOptions& options : variants(pairs)) {
      SCOPED_TRACE(name_of(options));
      torch::jit::Stack stack = {
          c10::List<at::Tensor>(student), c10::List<at::Tensor>(teacher), c10::List<int64_t>(pairs),
          name_of(options.pooling), name_of(options.reduction)};
      op.callBoxed(stack);
      EXPECT_TRUE(same_bits(stack.at(0).toTensorVector(), loss_of(options)(student, teacher)));
    }
  }
}

TEST_F(FspLossTest, VariantsCallableFromTorchScript) {
  torch::jit::Module module("FspLoss");
  module.define(
      "def forward(self, s0, s1, t0, t1):\n"
      "    return retort.fsp_loss([s0, s1], [t0, t1], pairs=[1, 0], pooling='max', reduction='torchdistill')[0]\n",
      std::make_shared<OperatorResolver>());
  const Maps student = {map({3, 4, 3, 5}), map({3, 7, 2, 2})};
  const Maps teacher = {map({3, 4, 3, 5}), map({3, 7, 3, 5})};
  EXPECT_TRUE(same_bits(
      module.forward({student[0], student[1], teacher[0], teacher[1]}).toTensor(),
      fsp_loss(student, teacher, {1, 0}, FspPooling::kMax, FspReduction::kTorchdistill)[0]));
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

TEST_F(FspLossTest, Description) {
  EXPECT_EQ(FspOptions().description(), "fsp_loss(pairs=[], pooling=average, reduction=mean, adapt_channels=false)");
  FspOptions options = options_of(FspPooling::kMax, FspReduction::kTorchdistill, {0, 2, 1, 2});
  options.adapt_channels = true;
  EXPECT_EQ(
      options.description(), "fsp_loss(pairs=[0, 2, 1, 2], pooling=max, reduction=torchdistill, adapt_channels=true)");
  expect_descriptions_differ(
      options, {[](FspOptions& changed) {
                  changed.pairs = {0, 2, 2, 1};
                },
                [](FspOptions& changed) { changed.pooling = FspPooling::kAverage; },
                [](FspOptions& changed) { changed.reduction = FspReduction::kMean; },
                [](FspOptions& changed) { changed.reduction = FspReduction::kPaper; },
                [](FspOptions& changed) { changed.adapt_channels = false; }});
}

TEST_F(FspLossTest, WrongShapesAreErrorsOfTheirOwn) {
  EXPECT_THROW(fsp_loss({map({2, 3, 4, 4})}, {map({2, 3, 4, 4})}), ShapeError);
  EXPECT_THROW(fsp_matrix(map({2, 3, 4, 4}), map({1, 3, 4, 4})), ShapeError);
  EXPECT_THROW(FspOptions().build({{{4, 2, 2}, {64}}, {{4, 2, 2}, {64}}}), ShapeError);
  EXPECT_THROW(FspOptions().build({{{4, 2, 2}, {4, 2, 2}}, {{4, 2, 2}, {8, 2, 2}}}), ShapeError);
}

/// A criterion's adapter, as a convolution.
at::Tensor adapted(Criterion& criterion, const std::string& i, const at::Tensor& map) {
  const auto parameters = criterion.named_parameters();
  const at::Tensor& weight = parameters["adapters." + i + ".weight"];
  return at::conv2d(map.to(weight.scalar_type()), weight, parameters["adapters." + i + ".bias"]);
}

FspOptions with_adapters() {
  FspOptions options;
  options.adapt_channels = true;
  return options;
}

TEST_F(FspLossTest, AdaptersBringTheStudentToTheTeachersChannels) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16}) {
    SCOPED_TRACE(c10::toString(dtype));
    CriterionInput input = input_of(
        {map({3, 4, 5, 5}, dtype), map({3, 7, 3, 3}, dtype), map({3, 2, 3, 3}, dtype)},
        {map({3, 4, 5, 5}, dtype), map({3, 9, 4, 4}, dtype), map({3, 5, 2, 2}, dtype)});
    const auto criterion = with_adapters().build(shapes_of(input.student, input.teacher));
    if (dtype == at::kDouble) criterion->to(at::kDouble);
    const auto parameters = criterion->named_parameters();
    EXPECT_EQ(
        parameters.keys(),
        (std::vector<std::string>{"adapters.1.weight", "adapters.1.bias", "adapters.2.weight", "adapters.2.bias"}));
    EXPECT_EQ(parameters["adapters.1.weight"].sizes(), (std::vector<int64_t>{9, 7, 1, 1}));
    EXPECT_EQ(parameters["adapters.2.bias"].sizes(), (std::vector<int64_t>{5}));
    EXPECT_TRUE(criterion->buffers().empty());

    Maps trained = criterion->parameters();
    for (at::Tensor& map : input.student) trained.push_back(map.requires_grad_());
    const at::Tensor loss = criterion->forward(input);
    const auto gradients = torch::autograd::grad({loss}, trained);
    EXPECT_EQ(loss.scalar_type(), dtype == at::kDouble ? at::kDouble : at::kFloat);

    criterion->to(at::kDouble);
    const Maps truth_of = criterion->parameters();
    Maps student = to(input.student, at::kDouble);
    for (at::Tensor& map : student) map = map.detach().requires_grad_();
    Maps sources = truth_of;
    sources.insert(sources.end(), student.begin(), student.end());
    const at::Tensor truth =
        at::stack(reference::fsp_loss(
                      {student[0], adapted(*criterion, "1", student[1]), adapted(*criterion, "2", student[2])},
                      to(input.teacher, at::kDouble)))
            .sum();
    EXPECT_TRUE(close(loss, truth));
    EXPECT_TRUE(close(gradients, torch::autograd::grad({truth}, sources)));
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(gradients[4 + i].scalar_type(), dtype);
  }
}

TEST_F(FspLossTest, NoAdapterWhereChannelsAreEqual) {
  const auto [student, teacher] = three_maps();
  const auto criterion = with_adapters().build(shapes_of(student, teacher));
  EXPECT_TRUE(criterion->parameters().empty());
  EXPECT_TRUE(same_bits(criterion->forward(input_of(student, teacher)), criterion_of({})(student, teacher)[0]));
}

TEST_F(FspLossTest, AdaptersAreTrainedWithTheStudent) {
  ResNetOptions network;
  network.depth = 8;
  network.filters = {8, 8, 8, 12};
  TrainingStepOptions options;
  options.student = make_resnet(network);
  network.filters = {8, 8, 16, 12};
  options.teachers = {make_resnet(network)};
  options.input_shape = {3, 8, 8};
  const std::vector<std::string> taps = {"layer1", "layer2", "layer3"};
  options.terms = {{1.0, std::make_shared<FspOptions>(with_adapters()), taps, taps}};
  TrainingStep step(options);
  const auto before = copy_of(step.state());
  std::vector<std::string> adapters;
  for (const std::string& name : before.keys()) {
    if (name.rfind("terms.0.", 0) == 0) adapters.push_back(name);
  }
  EXPECT_EQ(adapters, (std::vector<std::string>{"terms.0.adapters.1.weight", "terms.0.adapters.1.bias"}));
  Batch batch;
  batch.images = at::randn({4, 3, 8, 8});
  batch.labels = at::randint(10, {4}, at::kLong);
  StepResult result;
  step.run(batch, result);
  for (const std::string& name : adapters) EXPECT_FALSE(same_bits(step.state()[name], before[name]));
}

// ---- fsp_matrix -----------------------------------------------------------------------------------------------------

class FspMatrixTest : public FspLossTest {};

TEST_F(FspMatrixTest, WorkedExample) {
  const at::Tensor first = at::tensor({1.0, 3.0}, at::kDouble).view({1, 1, 1, 2});
  const at::Tensor second = at::tensor({1.0, 1.0, 2.0, 0.0}, at::kDouble).view({1, 2, 1, 2});
  EXPECT_TRUE(same_bits(fsp_matrix(first, second), at::tensor({2.0, 1.0}, at::kDouble).view({1, 1, 2})));
  EXPECT_TRUE(same_bits(fsp_matrix(second, first), at::tensor({2.0, 1.0}, at::kDouble).view({1, 2, 1})));
}

TEST_F(FspMatrixTest, MatchesReference) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16}) {
    for (FspPooling pooling : kPoolings) {
      SCOPED_TRACE(c10::str(dtype, " ", name_of(pooling)));
      const Maps inputs = {map({2, 5, 7, 4}, dtype).requires_grad_(), map({2, 9, 3, 5}, dtype).requires_grad_()};
      const at::Tensor actual = fsp_matrix(inputs[0], inputs[1], pooling);
      EXPECT_EQ(actual.sizes(), (std::vector<int64_t>{2, 5, 9}));
      EXPECT_EQ(actual.scalar_type(), dtype == at::kDouble ? at::kDouble : at::kFloat);
      Maps wide = to(inputs, at::kDouble);
      for (at::Tensor& map : wide) map = map.detach().requires_grad_();
      const at::Tensor expected = reference::fsp_matrix(wide[0], wide[1], pooling);
      EXPECT_TRUE(close(actual, expected));
      const at::Tensor weight = at::randn({2, 5, 9}, at::kDouble);
      const auto gradients = torch::autograd::grad({(actual * weight.to(actual.scalar_type())).sum()}, inputs);
      EXPECT_TRUE(close(gradients, torch::autograd::grad({(expected * weight).sum()}, wide)));
      EXPECT_EQ(gradients[0].scalar_type(), dtype);
    }
  }
}

TEST_F(FspMatrixTest, DifferentiableTwice) {
  for (FspPooling pooling : kPoolings) {
    SCOPED_TRACE(name_of(pooling));
    const Maps inputs = {map({2, 3, 5, 4}).requires_grad_(), map({2, 4, 3, 3}).requires_grad_()};
    const auto slope = [&](const at::Tensor& first, const at::Tensor& second) {
      const auto gradients = torch::autograd::grad(
          {fsp_matrix(first, second, pooling).square().sum()}, {first, second}, {}, {}, /*create_graph=*/true);
      return gradients[0].square().sum() + gradients[1].square().sum();
    };
    const auto actual = torch::autograd::grad({slope(inputs[0], inputs[1])}, inputs);
    for (size_t i : {0, 1}) {
      const auto function = [&](const at::Tensor& map) {
        const at::AutoGradMode grad(true);
        const Maps leaves = {
            (i == 0 ? map : inputs[0]).detach().requires_grad_(), (i == 1 ? map : inputs[1]).detach().requires_grad_()};
        return slope(leaves[0], leaves[1]).detach();
      };
      EXPECT_TRUE(close(actual[i], finite_difference(function, inputs[i]), 1e-7));
    }
  }
}

TEST_F(FspMatrixTest, HalfPrecisionDoesNotOverflow) {
  const at::Tensor map = at::full({1, 1, 32, 32}, 20.0, at::kHalf);
  EXPECT_EQ(fsp_matrix(map, map).item<double>(), 400);
}

TEST_F(FspMatrixTest, CallableByName) {
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::fsp_matrix", "");
  EXPECT_EQ(
      c10::str(op.schema()), "retort::fsp_matrix(Tensor first, Tensor second, *, str pooling=\"average\") -> Tensor");
  const at::Tensor first = map({2, 5, 7, 4});
  const at::Tensor second = map({2, 9, 3, 5});
  for (FspPooling pooling : kPoolings) {
    torch::jit::Stack stack = {first, second, name_of(pooling)};
    op.callBoxed(stack);
    EXPECT_TRUE(same_bits(stack.at(0).toTensor(), fsp_matrix(first, second, pooling)));
  }
  torch::jit::Stack stack = {first, second, "min"};
  EXPECT_EQ(error_of([&] { op.callBoxed(stack); }), "fsp_matrix: pooling must be average or max (got min)");
}

TEST_F(FspMatrixTest, RejectsMaps) {
  const at::Tensor map = FspLossTest::map({2, 3, 4, 4});
  const auto error = [&](const at::Tensor& first, const at::Tensor& second) {
    return error_of([&] { fsp_matrix(first, second); });
  };
  EXPECT_EQ(error({}, map), "fsp_matrix: first must be defined (got an undefined tensor)");
  EXPECT_EQ(error(map, {}), "fsp_matrix: second must be defined (got an undefined tensor)");
  EXPECT_EQ(error(map, map[0]), "fsp_matrix: second must be of shape [batch, channels, height, width] (got [3, 4, 4])");
  EXPECT_EQ(error(map.slice(1, 3), map), "fsp_matrix: first must not be empty (got [2, 0, 4, 4])");
  EXPECT_EQ(error(map.to(at::kLong), map), "fsp_matrix: first must be floating point (got Long)");
  EXPECT_EQ(error(map, map.to_sparse()), "fsp_matrix: second must be dense (got Sparse)");
  EXPECT_EQ(error(map, map.slice(0, 1)), "fsp_matrix: first and second must have the same batch (got 2 and 1)");
  EXPECT_EQ(
      error(map, map.to(at::kFloat)), "fsp_matrix: first and second must have the same dtype (got Double and Float)");
  EXPECT_EQ(
      error(map, map.to(at::kMeta)), "fsp_matrix: first and second must be on the same device (got cpu and meta)");
}

// ---- errors ---------------------------------------------------------------------------------------------------------

TEST_F(FspLossTest, RejectsPairs) {
  const auto maps = three_maps();
  for (const auto& [pairs, rule] : std::vector<std::pair<std::vector<int64_t>, std::string>>{
           {{0}, "pairs must be two maps each (got 1 maps)"},
           {{0, 1, 2}, "pairs must be two maps each (got 3 maps)"},
           {{0, 3}, "pairs must be between 0 and 2 (got 3)"},
           {{0, 1, -1, 2}, "pairs must be between 0 and 2 (got -1)"}}) {
    FspOptions options;
    options.pairs = pairs;
    EXPECT_EQ(error_of([&] { loss_of(options)(maps.first, maps.second); }), "fsp_loss: " + rule);
    EXPECT_EQ(error_of([&] { options.build(shapes_of(maps.first, maps.second)); }), "fsp_loss: " + rule);
  }
}

TEST_F(FspLossTest, RejectsOtherPoolingsAndReductions) {
  const Maps maps = {map({2, 3, 4, 4}), map({2, 5, 4, 4})};
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::fsp_loss", "");
  const auto error = [&](const std::string& pooling, const std::string& reduction) {
    torch::jit::Stack stack = {
        c10::List<at::Tensor>(maps), c10::List<at::Tensor>(maps), c10::List<int64_t>(), pooling, reduction};
    return error_of([&] { op.callBoxed(stack); });
  };
  EXPECT_EQ(error("min", "mean"), "fsp_loss: pooling must be average or max (got min)");
  EXPECT_EQ(error("", "mean"), "fsp_loss: pooling must be average or max (got )");
  EXPECT_EQ(error("max", "sum"), "fsp_loss: reduction must be mean, paper or torchdistill (got sum)");

  const auto rejects = [&](const FspOptions& options, const std::string& expected) {
    EXPECT_EQ(error_of([&] { loss_of(options)(maps, maps); }), expected);
    EXPECT_EQ(error_of([&] { options.build(shapes_of(maps, maps)); }), expected);
  };
  rejects(
      options_of(static_cast<FspPooling>(7), FspReduction::kMean),
      "fsp_loss: pooling must be one of FspPooling (got 7)");
  rejects(
      options_of(FspPooling::kMax, static_cast<FspReduction>(7)),
      "fsp_loss: reduction must be one of FspReduction (got 7)");
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
      "fsp_loss: student[1] and teacher[1] must have the same number of channels (got 5 and 6)");
}

TEST_F(FspLossTest, CriterionRejectsOtherMapsThanItWasBuiltFor) {
  const auto criterion = FspOptions().build({{{4, 8, 8}, {7, 4, 4}}, {{4, 8, 8}, {7, 4, 4}}});
  CriterionInput input;
  input.student = {map({3, 4, 8, 8}), map({3, 7, 4, 4})};
  input.teacher = {map({3, 4, 8, 8}), map({3, 6, 4, 4})};
  EXPECT_EQ(
      error_of([&] { criterion->forward(input); }),
      "fsp_loss: student[1] and teacher[1] must have the same number of channels (got 7 and 6)");
  input.teacher.pop_back();
  EXPECT_EQ(
      error_of([&] { criterion->forward(input); }),
      "fsp_loss: student and teacher must have the same number of maps (got 2 and 1)");
}

TEST_F(FspLossTest, RejectsTaps) {
  const auto error = [](const FeatureShapes& shapes) { return error_of([&] { FspOptions().build(shapes); }); };
  EXPECT_EQ(error({}), "fsp_loss: taps must be at least 2 (got 0)");
  EXPECT_EQ(error({{{4, 2, 2}}, {{4, 2, 2}}}), "fsp_loss: taps must be at least 2 (got 1)");
  EXPECT_EQ(
      error({{{4, 2, 2}, {4, 2, 2}}, {{4, 2, 2}}}),
      "fsp_loss: student and teacher must have the same number of taps (got 2 and 1)");
  EXPECT_EQ(
      error({{{4, 2, 2}, {64}}, {{4, 2, 2}, {64}}}),
      "fsp_loss: tap student[1] must be a map [channels, height, width] (got [64])");
  EXPECT_EQ(
      error({{{4, 2, 2}, {4, 2, 2}}, {{4, 2, 2}, {8, 2}}}),
      "fsp_loss: tap teacher[1] must be a map [channels, height, width] (got [8, 2])");
  EXPECT_EQ(
      error({{{4, 2, 2}, {4, 2, 2}}, {{4, 2, 2}, {8, 2, 2}}}),
      "fsp_loss: student[1] and teacher[1] must have the same number of channels (got 4 and 8)");
}

}  // namespace
}  // namespace retort::test::fsp_test
