#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/losses/dkd.h>
#include <retort/losses/kd.h>

#include <cmath>
#include <limits>

#include "golden.h"
#include "pair_loss_test.h"
#include "reference/dkd.h"

namespace retort::test::dkd_test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Variant {
  double alpha = 1.0;
  double beta = 8.0;
  double temperature = 4.0;
  bool standardise = false;
};

using Loss = decltype(&dkd_loss);

/// A loss of a pair whose constants are the labels and, if there are two, the samples' weights.
PairLoss loss_of(const Variant& variant, Loss loss = &dkd_loss) {
  return [=](const Pair& pair) {
    const at::Tensor weight = pair.constants.size() > 1 ? pair.constants[1] : at::Tensor();
    return loss(
        pair.student, pair.teacher, pair.constants[0], variant.alpha, variant.beta, variant.temperature, weight,
        variant.standardise);
  };
}

at::Tensor logits(at::ScalarType dtype = at::kDouble, int64_t batch = 6, int64_t classes = 11) {
  return (at::randn({batch, classes}, at::kDouble) * 3).to(dtype);
}

at::Tensor row(std::vector<double> values) {
  return at::tensor(values, at::kDouble).unsqueeze(0);
}

at::Tensor labels(std::vector<int64_t> values) {
  return at::tensor(values, at::kLong);
}

PairLossCase case_of(const std::string& name, const Variant& variant, bool is_weighted = false) {
  const auto pair_of = [=](at::ScalarType dtype, int64_t batch, int64_t classes) {
    Pair pair{
        logits(dtype, batch, classes), logits(dtype, batch, classes), {at::randint(0, classes, {batch}, at::kLong)}};
    if (is_weighted) pair.constants.push_back(at::rand({batch}, at::kDouble).to(dtype) + 0.5);
    return pair;
  };
  PairLossCase result;
  result.name = name;
  result.function = "dkd_loss";
  result.shape = "[batch, classes]";
  result.loss = loss_of(variant);
  result.reference = loss_of(variant, &reference::dkd_loss);
  result.little = [=](at::ScalarType dtype) { return pair_of(dtype, 6, 11); };
  result.much = [=](at::ScalarType dtype) { return pair_of(dtype, 2000, 100); };
  return result;
}

INSTANTIATE_TEST_SUITE_P(
    Dkd, PairLossTest,
    ::testing::Values(
        case_of("Soft", {}), case_of("Sharp", {2.0, 0.5, 0.5}), case_of("TargetAlone", {1.0, 0.0, 2.0}),
        case_of("OthersAlone", {0.0, 1.0, 2.0}), case_of("Weighted", {}, true),
        case_of("Standardised", {1.0, 8.0, 2.0, true}), case_of("WeightedStandardised", {1.0, 2.0, 1.0, true}, true)),
    name_of_loss);

class DkdLossTest : public SeededTest {};

class DkdLossGoldenTest : public GoldenTest {};

TEST_P(DkdLossGoldenTest, MatchesGolden) {
  const Golden golden(GetParam());
  const Variant variant = {
      golden.number("alpha"), golden.number("beta"), golden.number("temperature"), golden.has("standardise")};
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    const auto actual =
        differentiate(loss_of(variant), {golden["s"].to(dtype), golden["t"].to(dtype), {golden["labels"]}});
    EXPECT_TRUE(close(actual.loss, golden["loss"]));
    EXPECT_TRUE(close(actual.student, golden["grad"]));
  }
}

INSTANTIATE_TEST_SUITE_P(Dkd, DkdLossGoldenTest, ::testing::ValuesIn(golden_cases("dkd_")), name_of_case);

TEST_F(DkdLossTest, MatchesReference) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    // Around the widths of vector registers, where inner loops have their remainders.
    for (int64_t classes : {2, 3, 7, 8, 9, 16, 17, 100, 1000}) {
      for (const Variant& variant : {Variant{}, Variant{0.3, 2.0, 1.0}, Variant{1.0, 8.0, 2.0, true}}) {
        // Two standardised logits are always the same, and have no gradient to speak of.
        if (variant.standardise && classes == 2) continue;
        SCOPED_TRACE(c10::str(dtype, " classes ", classes, ", temperature ", variant.temperature));
        at::Tensor own = at::randint(0, classes, {9}, at::kLong);
        own[0] = 0;
        own[1] = classes - 1;
        own[2] = -1;
        const Pair pair{logits(dtype, 9, classes), logits(dtype, 9, classes), {own, at::rand({9}) + 0.1}};
        EXPECT_TRUE(close(
            differentiate(loss_of(variant), pair),
            differentiate(loss_of(variant, &reference::dkd_loss), in_float64(pair))));
      }
    }
  }
}

TEST_F(DkdLossTest, IsTheDivergenceWhereTheOthersCountAsMuchAsTheTeacherHasForThem) {
  // KD = TCKD + (1 - t_y) NCKD.
  const at::Tensor student = logits(at::kDouble, 1);
  const at::Tensor teacher = logits(at::kDouble, 1);
  const double others = 1 - at::softmax(teacher / 4, 1)[0][3].item<double>();
  EXPECT_TRUE(close(dkd_loss(student, teacher, labels({3}), 1.0, others, 4.0), kd_loss(student, teacher, 4.0)));
}

TEST_F(DkdLossTest, EqualLogitsGiveZero) {
  const at::Tensor student = logits();
  const auto actual = differentiate(loss_of({}), {student, student.clone(), {labels({0, 1, 2, 3, 4, 10})}});
  EXPECT_EQ(actual.loss.item<double>(), 0.0);
  EXPECT_EQ(actual.student.abs().max().item<double>(), 0.0);
  EXPECT_EQ(actual.teacher.abs().max().item<double>(), 0.0);
}

TEST_F(DkdLossTest, SureNetworksLoseNoDigits) {
  // 1 - p is e^-40: subtracting would leave nothing of it.
  const at::Tensor student = row({40, 0, -1});
  const at::Tensor teacher = row({45, 0.5, -1});
  const Variant variant = {1.0, 1.0, 1.0};
  const Pair pair{student, teacher, {labels({0})}};
  EXPECT_TRUE(
      close(differentiate(loss_of(variant), pair), differentiate(loss_of(variant, &reference::dkd_loss), pair)));
  EXPECT_GT(differentiate(loss_of({1.0, 0.0, 1.0}), pair).loss.item<double>(), 0.0);
}

TEST_F(DkdLossTest, ExtremeLogitsAreFinite) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const Pair pair{row({1e30, -1e30, 0}).to(dtype), row({0, 1e30, -1e30}).to(dtype), {labels({1})}};
    const auto actual = differentiate(loss_of({}), pair);
    EXPECT_TRUE(actual.loss.isfinite().item<bool>());
    EXPECT_TRUE(actual.student.isfinite().all().item<bool>());
    EXPECT_TRUE(actual.teacher.isfinite().all().item<bool>());
  }
}

TEST_F(DkdLossTest, ImpossibleClassesOfTheTeacherCountNothing) {
  const at::Tensor teacher = row({1, -kInfinity, 0.5, 2});
  const auto actual = differentiate(loss_of({}), {row({0.5, -1, 2, 0}), teacher, {labels({0})}});
  EXPECT_TRUE(actual.loss.isfinite().item<bool>());
  EXPECT_TRUE(actual.student.isfinite().all().item<bool>());
  EXPECT_EQ(actual.teacher[0][1].item<double>(), 0.0);
}

TEST_F(DkdLossTest, SamplesThatDoNotCountMightAsWellNotBeThere) {
  const at::Tensor kept = labels({0, 2, 5});
  for (at::ScalarType dtype : {at::kDouble, at::kFloat, at::kHalf}) {
    SCOPED_TRACE(c10::toString(dtype));
    const at::Tensor own = labels({3, -1, 0, 7, -1, 10});
    const at::Tensor weight = at::tensor({1.0, 5.0, 1.0, 0.0, 5.0, 1.0});
    Pair pair{logits(dtype), logits(dtype), {own, weight}};
    const auto expected = differentiate(
        loss_of({}),
        {pair.student.index_select(0, kept), pair.teacher.index_select(0, kept), {own.index_select(0, kept)}});
    pair.student[1].fill_(kNan);
    pair.teacher[3][2] = kNan;
    pair.student[4][0] = kInfinity;
    const auto actual = differentiate(loss_of({}), pair);
    EXPECT_TRUE(close(actual.loss, expected.loss, 1e-6));
    EXPECT_TRUE(close(actual.student, at::zeros_like(pair.student).index_copy(0, kept, expected.student), 1e-3));
    EXPECT_EQ(actual.student[1].abs().max().item<double>(), 0.0);
  }
}

TEST_F(DkdLossTest, NothingCountsWithoutLabels) {
  const auto actual = differentiate(loss_of({}), {logits(), logits(), {at::full({6}, -1, at::kLong)}});
  EXPECT_EQ(actual.loss.item<double>(), 0.0);
  EXPECT_EQ(actual.student.abs().max().item<double>(), 0.0);
}

TEST_F(DkdLossTest, NanPropagatesWhereItCounts) {
  for (int64_t place : {0, 3, 10}) {
    Pair pair{logits(), logits(), {labels({3, 3, 3, 3, 3, 3})}};
    pair.student[2][place] = kNan;
    const auto actual = differentiate(loss_of({}), pair);
    EXPECT_TRUE(std::isnan(actual.loss.item<double>()));
    EXPECT_TRUE(actual.student[2].isnan().all().item<bool>()) << place;
    EXPECT_TRUE(actual.student[1].isfinite().all().item<bool>());
  }
}

TEST_F(DkdLossTest, RejectsWhatDoesNotFit) {
  const at::Tensor own = labels({0, 1, 2, 3, 4, 10});
  const auto error = [&](const at::Tensor& given, double alpha, double beta, double temperature) {
    return error_of([&] { dkd_loss(logits(), logits(), given, alpha, beta, temperature); });
  };
  EXPECT_EQ(error(own, 1, 8, 4), "nothing was thrown");
  EXPECT_EQ(error({}, 1, 8, 4), "dkd_loss: labels must be given (got an undefined tensor)");
  EXPECT_EQ(error(own.to(at::kInt), 1, 8, 4), "dkd_loss: labels must be int64 (got Int)");
  EXPECT_EQ(error(labels({0, 1}), 1, 8, 4), "dkd_loss: labels must be of shape [6] (got [2])");
  EXPECT_EQ(error(own + 1, 1, 8, 4), "dkd_loss: labels must be between -1 and 10 (got 11 at 5)");
  EXPECT_EQ(error(own, -1, 8, 4), "dkd_loss: alpha must be at least 0 and finite (got -1)");
  EXPECT_EQ(error(own, 1, kInfinity, 4), "dkd_loss: beta must be at least 0 and finite (got inf)");
  EXPECT_EQ(error(own, 1, 8, 0), "dkd_loss: temperature must be positive and finite (got 0)");
  EXPECT_EQ(
      error_of([] {
        dkd_loss(logits(at::kDouble, 2, 1), logits(at::kDouble, 2, 1), labels({0, 0}));
      }),
      "dkd_loss: student must have at least 2 classes (got 1)");
}

TEST_F(DkdLossTest, CriterionIsTheLossOfTheLogits) {
  DkdOptions options;
  options.alpha = 0.5;
  options.beta = 2.0;
  options.temperature = 3.0;
  options.standardise = true;
  FeatureShapes shapes;
  shapes.classes_student = shapes.classes_teacher = 11;
  const auto criterion = options.build(shapes);
  CriterionInput input;
  input.logits_student = logits().requires_grad_();
  input.logits_teacher = logits();
  input.labels = labels({0, 1, -1, 3, 4, 10});
  input.weights = at::rand({6}) + 0.1;
  criterion->check_batch(input);
  EXPECT_TRUE(criterion->applies(input));
  const at::Tensor expected = dkd_loss(
      input.logits_student, input.logits_teacher, input.labels, 0.5, 2.0, 3.0, input.weights, /*standardise=*/true);
  const at::Tensor actual = criterion->forward(input);
  EXPECT_TRUE(same_bits(actual, expected));
  actual.backward();
  EXPECT_TRUE(input.logits_student.grad().defined());

  input.labels = at::full({6}, -1, at::kLong);
  EXPECT_FALSE(criterion->applies(input));
  input.labels = at::Tensor();
  EXPECT_EQ(
      error_of([&] { criterion->check_batch(input); }), "dkd_loss: labels must be given (got an undefined tensor)");
}

TEST_F(DkdLossTest, OptionsAreCheckedAndDescribed) {
  FeatureShapes shapes;
  shapes.classes_student = shapes.classes_teacher = 11;
  const auto error = [&](const std::function<void(DkdOptions&, FeatureShapes&)>& change) {
    DkdOptions options;
    FeatureShapes changed = shapes;
    change(options, changed);
    return error_of([&] { options.build(changed); });
  };
  EXPECT_EQ(
      error([](DkdOptions& options, FeatureShapes&) { options.beta = -1; }),
      "dkd_loss: beta must be at least 0 and finite (got -1)");
  EXPECT_EQ(
      error([](DkdOptions&, FeatureShapes& changed) {
        changed.student = {{4, 2, 2}};
      }),
      "dkd_loss: taps must be empty (got 1 taps)");
  EXPECT_EQ(
      error([](DkdOptions&, FeatureShapes& changed) { changed.classes_teacher = 12; }),
      "dkd_loss: student and teacher must have the same number of classes (got 11 and 12)");
  EXPECT_EQ(DkdOptions().description(), "dkd_loss(alpha=1, beta=8, temperature=4, standardise=false)");
}

}  // namespace
}  // namespace retort::test::dkd_test
