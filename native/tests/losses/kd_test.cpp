#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/losses/kd.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>

#include <cmath>
#include <limits>
#include <utility>

#include "descriptions.h"
#include "golden.h"
#include "operator_resolver.h"
#include "pair_loss_test.h"
#include "reference/kd.h"

namespace retort::test::kd_test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Loss = decltype(&kd_loss);

/// A loss of a pair whose constant, if it has one, is the samples' weight.
PairLoss at_temperature(double temperature, Loss loss = &kd_loss, KdTarget target = KdTarget::kLogits) {
  return [=](const Pair& pair) {
    const at::Tensor weight = pair.constants.empty() ? at::Tensor() : pair.constants[0];
    return loss(pair.student, pair.teacher, temperature, weight, target);
  };
}

DifferentiatedPair differentiate(Loss loss, const at::Tensor& student, const at::Tensor& teacher, double temperature) {
  return test::differentiate(at_temperature(temperature, loss), {student, teacher});
}

at::Tensor logits(at::ScalarType dtype = at::kDouble, int64_t batch = 6, int64_t classes = 11) {
  return (at::randn({batch, classes}, at::kDouble) * 3).to(dtype);
}

at::Tensor row(std::vector<double> values) {
  return at::tensor(values, at::kDouble).unsqueeze(0);
}

/// Rows of probabilities.
at::Tensor probabilities(at::ScalarType dtype = at::kDouble, int64_t batch = 6, int64_t classes = 11) {
  return at::softmax(logits(at::kDouble, batch, classes), 1).to(dtype);
}

PairLossCase case_of(
    const std::string& name, double temperature, bool is_weighted = false, KdTarget target = KdTarget::kLogits) {
  const auto pair_of = [=](at::ScalarType dtype, int64_t batch, int64_t classes) {
    Pair pair{logits(dtype, batch, classes), logits(dtype, batch, classes)};
    if (target == KdTarget::kProbabilities) {
      // Far from 0, where finite differences of p log p are wrong.
      pair.teacher = probabilities(dtype, batch, classes) / 2 + 0.5 / static_cast<double>(classes);
    }
    if (is_weighted) pair.constants = {at::rand({batch}, at::kDouble).to(dtype) + 0.5};
    return pair;
  };
  PairLossCase result;
  result.name = name;
  result.function = "kd_loss";
  result.shape = "[batch, classes]";
  result.loss = at_temperature(temperature, &kd_loss, target);
  result.reference = at_temperature(temperature, &reference::kd_loss, target);
  result.little = [=](at::ScalarType dtype) { return pair_of(dtype, 6, 11); };
  result.much = [=](at::ScalarType dtype) { return pair_of(dtype, 2000, 100); };
  return result;
}

INSTANTIATE_TEST_SUITE_P(
    Kd, PairLossTest,
    ::testing::Values(
        case_of("Soft", 4.0), case_of("Sharp", 0.5), case_of("Weighted", 4.0, true),
        case_of("Probabilities", 4.0, false, KdTarget::kProbabilities),
        case_of("WeightedProbabilities", 0.5, true, KdTarget::kProbabilities),
        case_of("Standardised", 2.0, false, KdTarget::kStandardisedLogits),
        case_of("WeightedStandardised", 1.0, true, KdTarget::kStandardisedLogits)),
    name_of_loss);

class KdLossTest : public SeededTest {};

class KdLossGoldenTest : public GoldenTest {};

TEST_P(KdLossGoldenTest, MatchesGolden) {
  const Golden golden(GetParam());
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    const bool standardises = GetParam().rfind("standardised_", 0) == 0;
    const KdTarget target = standardises ? KdTarget::kStandardisedLogits : KdTarget::kLogits;
    const auto actual = test::differentiate(
        at_temperature(golden.number("temperature"), &kd_loss, target), {golden["s"].to(dtype), golden["t"].to(dtype)});
    EXPECT_EQ(actual.loss.scalar_type(), dtype);
    EXPECT_EQ(actual.student.scalar_type(), dtype);
    EXPECT_TRUE(close(actual.loss, golden["loss"]));
    EXPECT_TRUE(close(actual.student, golden["grad"]));
  }
}

INSTANTIATE_TEST_SUITE_P(Kd, KdLossGoldenTest, ::testing::ValuesIn(golden_cases("kd_")), name_of_case);
INSTANTIATE_TEST_SUITE_P(
    KdStandardised, KdLossGoldenTest, ::testing::ValuesIn(golden_cases("standardised_kd")), name_of_case);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(KdLossGoldenTest);

TEST_F(KdLossTest, MatchesReference) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (int64_t batch : {1, 2, 33}) {
      // Around the widths of vector registers, where inner loops have their remainders.
      for (int64_t classes : {1, 2, 3, 7, 8, 9, 16, 17, 100, 1000}) {
        for (double temperature : {0.5, 1.0, 4.0, 20.0}) {
          SCOPED_TRACE(c10::str(dtype, " [", batch, ", ", classes, "], temperature ", temperature));
          const at::Tensor student = logits(dtype, batch, classes);
          const at::Tensor teacher = logits(dtype, batch, classes);
          const at::Tensor expected = reference::kd_loss(student.to(at::kDouble), teacher.to(at::kDouble), temperature);
          const at::Tensor loss = kd_loss(student, teacher, temperature);
          EXPECT_EQ(loss.scalar_type(), dtype);
          EXPECT_TRUE(close(loss, expected));
        }
      }
    }
  }
}

TEST_F(KdLossTest, GradMatchesReferenceAutograd) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (int64_t classes : {1, 5, 8, 17, 100}) {
      SCOPED_TRACE(c10::str(dtype, " classes ", classes));
      const at::Tensor student = logits(dtype, 9, classes);
      const at::Tensor teacher = logits(dtype, 9, classes);
      const auto actual = differentiate(&kd_loss, student, teacher, 4.0);
      const auto expected = differentiate(&reference::kd_loss, student.to(at::kDouble), teacher.to(at::kDouble), 4.0);
      EXPECT_TRUE(close(actual.loss, expected.loss));
      EXPECT_TRUE(close(actual.student, expected.student));
      EXPECT_TRUE(close(actual.teacher, expected.teacher));
    }
  }
}

TEST_F(KdLossTest, EqualLogitsGiveZero) {
  const at::Tensor student = logits();
  const auto actual = differentiate(&kd_loss, student, student.clone(), 4.0);
  EXPECT_EQ(actual.loss.item<double>(), 0.0);
  EXPECT_EQ(actual.student.abs().max().item<double>(), 0.0);
  EXPECT_EQ(actual.teacher.abs().max().item<double>(), 0.0);
}

TEST_F(KdLossTest, ExtremeLogits) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    // The teacher is sure of class 1, to which the student gives the log-probability -2e30 / T.
    const auto sure = differentiate(&kd_loss, row({1e30, -1e30, 0}).to(dtype), row({0, 1e30, -1e30}).to(dtype), 4.0);
    EXPECT_TRUE(close(sure.loss, at::scalar_tensor(4 * 2e30, at::kDouble)));
    EXPECT_TRUE(close(sure.student, row({4, -4, 0})));
    EXPECT_TRUE(sure.teacher.isfinite().all().item<bool>());

    // Both are sure of the same class.
    const auto agreed = differentiate(&kd_loss, row({-1e30, 1e30, 5}).to(dtype), row({0, 1e30, -1e30}).to(dtype), 4.0);
    EXPECT_EQ(agreed.loss.item<double>(), 0.0);
    EXPECT_EQ(agreed.student.abs().max().item<double>(), 0.0);
    EXPECT_EQ(agreed.teacher.abs().max().item<double>(), 0.0);
  }
}

TEST_F(KdLossTest, ImpossibleClasses) {
  const double inf = kInfinity;
  const at::Tensor student = row({0.5, -1, 2});
  const at::Tensor teacher = row({1, -inf, 0.5});
  EXPECT_TRUE(close(kd_loss(student, teacher, 4.0), reference::kd_loss(student, teacher, 4.0)));
  const auto actual = differentiate(&kd_loss, student, teacher, 4.0);
  EXPECT_TRUE(close(actual.student, student_gradient(at_temperature(4.0, &reference::kd_loss), {student, teacher})));
  EXPECT_TRUE(actual.teacher.isfinite().all().item<bool>());
  EXPECT_EQ(actual.teacher[0][1].item<double>(), 0.0);

  // Impossible for both: as if the class did not exist.
  const auto both = differentiate(&kd_loss, row({0.5, -inf, 2}), teacher, 4.0);
  EXPECT_TRUE(close(both.loss, kd_loss(row({0.5, 2}), row({1, 0.5}), 4.0)));
  EXPECT_EQ(both.student[0][1].item<double>(), 0.0);
  EXPECT_TRUE(both.student.isfinite().all().item<bool>());

  // Impossible for the student alone: the divergence is infinite.
  EXPECT_EQ(kd_loss(teacher, student, 4.0).item<double>(), inf);
}

TEST_F(KdLossTest, NanPropagates) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (int64_t place : {0, 5, 10}) {
      SCOPED_TRACE(c10::str(dtype, " at ", place));
      const at::Tensor clean = logits(dtype);
      at::Tensor spoilt = logits(dtype);
      spoilt[2][place] = kNan;
      for (const auto& actual :
           {differentiate(&kd_loss, clean, spoilt, 4.0), differentiate(&kd_loss, spoilt, clean, 4.0)}) {
        EXPECT_TRUE(std::isnan(actual.loss.item<double>()));
        EXPECT_TRUE(actual.student[2].isnan().all().item<bool>());
        EXPECT_TRUE(actual.teacher[2].isnan().all().item<bool>());
        EXPECT_TRUE(actual.student[1].isfinite().all().item<bool>());
      }
    }
  }
}

// ---- weights --------------------------------------------------------------------------------------------------------

TEST_F(KdLossTest, WeightsMatchReference) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (int64_t classes : {1, 7, 8, 17, 100}) {
      for (at::ScalarType weight_dtype :
           {at::kBool, at::kByte, at::kInt, at::kLong, at::kHalf, at::kFloat, at::kDouble}) {
        SCOPED_TRACE(c10::str(dtype, " classes ", classes, ", weight ", weight_dtype));
        const at::Tensor weight = at::tensor({1.0, 0.0, 2.0, 0.25, 5.0, 0.0}, at::kDouble).to(weight_dtype);
        const Pair pair{logits(dtype, 6, classes), logits(dtype, 6, classes), {weight}};
        for (KdTarget target : {KdTarget::kLogits, KdTarget::kProbabilities}) {
          Pair given = pair;
          if (target == KdTarget::kProbabilities) given.teacher = at::softmax(pair.teacher, 1);
          EXPECT_TRUE(close(
              test::differentiate(at_temperature(4.0, &kd_loss, target), given),
              test::differentiate(at_temperature(4.0, &reference::kd_loss, target), in_float64(given))));
        }
      }
    }
  }
}

TEST_F(KdLossTest, MaskedSamplesMightAsWellNotBeThere) {
  const at::Tensor kept = at::tensor({0, 2, 5}, at::kLong);
  for (at::ScalarType dtype : {at::kDouble, at::kFloat, at::kHalf}) {
    for (KdTarget target : {KdTarget::kLogits, KdTarget::kProbabilities}) {
      SCOPED_TRACE(c10::str(dtype, " target ", static_cast<int>(target)));
      const PairLoss loss = at_temperature(4.0, &kd_loss, target);
      Pair pair{logits(dtype), probabilities(dtype), {at::zeros({6}, at::kBool).index_fill(0, kept, true)}};
      const auto expected =
          test::differentiate(loss, {pair.student.index_select(0, kept), pair.teacher.index_select(0, kept)});
      pair.student[1].fill_(kNan);
      pair.teacher[3][2] = kNan;
      pair.student[4][0] = kInfinity;
      const auto actual = test::differentiate(loss, pair);
      EXPECT_TRUE(same_bits(actual.loss, expected.loss));
      EXPECT_TRUE(same_bits(actual.student, at::zeros_like(pair.student).index_copy(0, kept, expected.student)));
      EXPECT_TRUE(same_bits(actual.teacher, at::zeros_like(pair.teacher).index_copy(0, kept, expected.teacher)));
    }
  }
}

TEST_F(KdLossTest, NanPropagatesWhereItCounts) {
  Pair pair{logits(), logits(), {at::tensor({1.0, 0.0, 1e-6, 0.0, 0.0, 0.0})}};
  pair.student[2][3] = kNan;
  const auto actual = test::differentiate(at_temperature(4.0), pair);
  EXPECT_TRUE(std::isnan(actual.loss.item<double>()));
  EXPECT_TRUE(actual.student[2].isnan().all().item<bool>());
  EXPECT_EQ(actual.student.isnan().sum().item<int64_t>(), 11);
}

TEST_F(KdLossTest, NothingCountsWhereAllWeightsAreZero) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (at::ScalarType weight_dtype : {at::kBool, at::kLong, at::kFloat}) {
      SCOPED_TRACE(c10::str(dtype, " weight ", weight_dtype));
      const Pair pair{at::full({6, 11}, kNan, dtype), logits(dtype), {at::zeros({6}, weight_dtype)}};
      const auto actual = test::differentiate(at_temperature(4.0), pair);
      EXPECT_EQ(actual.loss.item<double>(), 0.0);
      EXPECT_TRUE(same_bits(actual.student, at::zeros({6, 11}, dtype)));
      EXPECT_TRUE(same_bits(actual.teacher, at::zeros({6, 11}, dtype)));
    }
  }
}

TEST_F(KdLossTest, OnlyRatiosOfWeightsCount) {
  const Pair plain{logits(), logits()};
  const auto expected = test::differentiate(at_temperature(4.0), plain);
  for (double size : {5e-324, 1e-300, 1e-3, 7.0, 1e300, 1e308}) {
    SCOPED_TRACE(size);
    const Pair pair{plain.student, plain.teacher, {at::full({6}, size, at::kDouble)}};
    EXPECT_TRUE(close(test::differentiate(at_temperature(4.0), pair), expected, 1e-13));
  }
}

TEST_F(KdLossTest, RejectsWeights) {
  const auto error = [](const at::Tensor& weight) {
    return error_of([&] { kd_loss(logits(), logits(), 4.0, weight); });
  };
  const auto with = [](double value) { return at::tensor({1.0, 0.5, value, 1.0, 1.0, 1.0}); };
  EXPECT_EQ(error(with(0.25)), "nothing was thrown");
  const std::string range = "kd_loss: weight must be at least 0 and finite (got ";
  EXPECT_EQ(error(with(-0.25)), range + "-0.25)");
  EXPECT_EQ(error(with(-0.25).to(at::kDouble) * 8).substr(0, range.size()), range);
  EXPECT_EQ(error(at::full({6}, -3, at::kLong)), range + "-3)");
  EXPECT_EQ(error(with(kNan)).substr(0, range.size()), range);
  EXPECT_EQ(error(with(kInfinity)), range + "inf)");
  EXPECT_EQ(error(with(-kInfinity)), range + "-inf)");
  EXPECT_EQ(error(at::ones({5})), "kd_loss: weight must be of shape [6] (got [5])");
  EXPECT_EQ(error(at::ones({6, 1})), "kd_loss: weight must be of shape [6] (got [6, 1])");
  EXPECT_EQ(error(at::ones({})), "kd_loss: weight must be of shape [6] (got [])");
  EXPECT_EQ(error(at::ones({6}, at::kComplexFloat)), "kd_loss: weight must be real (got ComplexFloat)");
  EXPECT_EQ(error(at::ones({6}).to_sparse()), "kd_loss: weight must be dense (got Sparse)");
  EXPECT_EQ(
      error(at::ones({6}, at::kMeta)), "kd_loss: student and weight must be on the same device (got cpu and meta)");
}

// ---- standardised logits --------------------------------------------------------------------------------------------

TEST_F(KdLossTest, StandardisedMatchesReference) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    // Two standardised logits are always the same, and have no gradient to speak of.
    for (int64_t classes : {3, 7, 8, 9, 16, 17, 100, 1000}) {
      SCOPED_TRACE(c10::str(dtype, " classes ", classes));
      const Pair pair{logits(dtype, 9, classes), logits(dtype, 9, classes)};
      EXPECT_TRUE(close(
          test::differentiate(at_temperature(2.0, &kd_loss, KdTarget::kStandardisedLogits), pair),
          test::differentiate(
              at_temperature(2.0, &reference::kd_loss, KdTarget::kStandardisedLogits), in_float64(pair))));
    }
  }
}

TEST_F(KdLossTest, StandardisedLogitsMayBeMovedAndStretched) {
  const PairLoss loss = at_temperature(2.0, &kd_loss, KdTarget::kStandardisedLogits);
  const Pair pair{logits(), logits()};
  const auto expected = test::differentiate(loss, pair);
  const auto actual = test::differentiate(loss, {pair.student * 5 - 100, pair.teacher * 0.1 + 3});
  EXPECT_TRUE(close(actual.loss, expected.loss, 1e-6));
  EXPECT_TRUE(close(actual.student * 5, expected.student, 1e-6));
}

TEST_F(KdLossTest, EqualLogitsOfARowHaveNoSlope) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const Pair pair{at::full({6, 11}, 2.0, dtype), logits(dtype)};
    const auto actual = test::differentiate(at_temperature(2.0, &kd_loss, KdTarget::kStandardisedLogits), pair);
    EXPECT_TRUE(actual.loss.isfinite().item<bool>());
    EXPECT_TRUE(actual.student.isfinite().all().item<bool>());
    EXPECT_TRUE(actual.teacher.isfinite().all().item<bool>());
  }
}

TEST_F(KdLossTest, RoundingLeavesNoNegativeDivergence) {
  for (int64_t i = 0; i < 200; ++i) {
    const at::Tensor student = logits(at::kDouble, 2, 2);
    EXPECT_GE(kd_loss(student, logits(at::kDouble, 2, 2), 20.0, {}, KdTarget::kStandardisedLogits).item<double>(), 0.0);
    EXPECT_GE(kd_loss(student, student + 1e-15, 20.0).item<double>(), 0.0);
  }
}

TEST_F(KdLossTest, OneStandardisedClassGivesZero) {
  const Pair pair{logits(at::kDouble, 6, 1), logits(at::kDouble, 6, 1)};
  const auto actual = test::differentiate(at_temperature(2.0, &kd_loss, KdTarget::kStandardisedLogits), pair);
  EXPECT_EQ(actual.loss.item<double>(), 0.0);
  EXPECT_EQ(actual.student.abs().max().item<double>(), 0.0);
}

// ---- probabilities --------------------------------------------------------------------------------------------------

TEST_F(KdLossTest, ProbabilitiesMatchReference) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (int64_t classes : {1, 2, 7, 8, 9, 16, 17, 100, 1000}) {
      for (double temperature : {0.5, 1.0, 4.0}) {
        SCOPED_TRACE(c10::str(dtype, " classes ", classes, ", temperature ", temperature));
        const Pair pair{logits(dtype, 9, classes), probabilities(dtype, 9, classes)};
        EXPECT_TRUE(close(
            test::differentiate(at_temperature(temperature, &kd_loss, KdTarget::kProbabilities), pair),
            test::differentiate(
                at_temperature(temperature, &reference::kd_loss, KdTarget::kProbabilities), in_float64(pair))));
      }
    }
  }
}

TEST_F(KdLossTest, ProbabilitiesOfZero) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    Pair pair{logits(dtype, 4, 3), row({0, 0.25, 0.75}).to(dtype).repeat({4, 1})};
    // A label, and a class that is impossible for both.
    pair.teacher[1].copy_(row({0, 1, 0})[0]);
    pair.student[2][0] = -kInfinity;
    const auto actual = test::differentiate(at_temperature(4.0, &kd_loss, KdTarget::kProbabilities), pair);
    const auto expected =
        test::differentiate(at_temperature(4.0, &reference::kd_loss, KdTarget::kProbabilities), in_float64(pair));
    EXPECT_TRUE(close(actual.loss, expected.loss));
    for (int64_t b : {0, 1, 3}) EXPECT_TRUE(close(actual.student[b], expected.student[b])) << b;
    EXPECT_EQ(actual.student[2][0].item<double>(), 0.0);
    EXPECT_TRUE(actual.student.isfinite().all().item<bool>());
    EXPECT_EQ(actual.teacher.masked_select(pair.teacher.eq(0)).abs().max().item<double>(), 0.0);
    EXPECT_TRUE(actual.teacher.isfinite().all().item<bool>());
  }
}

TEST_F(KdLossTest, SoftenedProbabilitiesAreTheSoftenedLogits) {
  const at::Tensor student = logits();
  const at::Tensor teacher = logits();
  const at::Tensor weight = at::rand({6});
  EXPECT_TRUE(close(
      kd_loss(student, at::softmax(teacher / 4, 1), 4.0, weight, KdTarget::kProbabilities),
      kd_loss(student, teacher, 4.0, weight), 1e-12));
}

TEST_F(KdLossTest, NanProbabilitiesPropagate) {
  const Pair pair{logits(), probabilities()};
  pair.teacher[2][5] = kNan;
  const auto actual = test::differentiate(at_temperature(4.0, &kd_loss, KdTarget::kProbabilities), pair);
  EXPECT_TRUE(std::isnan(actual.loss.item<double>()));
  EXPECT_TRUE(std::isnan(actual.teacher[2][5].item<double>()));
  EXPECT_TRUE(actual.student[2].isnan().all().item<bool>());
  EXPECT_TRUE(actual.student[1].isfinite().all().item<bool>());
}

TEST_F(KdLossTest, RejectsTargets) {
  const auto unknown = static_cast<KdTarget>(7);
  const std::string expected = "kd_loss: target must be one of KdTarget (got 7)";
  EXPECT_EQ(error_of([&] { kd_loss(logits(), logits(), 4.0, {}, unknown); }), expected);
  KdOptions options;
  options.target = unknown;
  EXPECT_EQ(error_of([&] { options.build({}); }), expected);
}

// ---- operator and criterion -----------------------------------------------------------------------------------------

TEST_F(KdLossTest, CallableByName) {
  const at::Tensor student = logits();
  const at::Tensor teacher = logits();
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::kd_loss", "");
  EXPECT_EQ(
      c10::str(op.schema()),
      "retort::kd_loss(Tensor student, Tensor teacher, float temperature=4., *, Tensor? weight=None, "
      "str target=\"logits\") -> Tensor");
  torch::jit::Stack stack = {student, teacher, 4.0, c10::IValue(), "logits"};
  op.callBoxed(stack);
  EXPECT_TRUE(same_bits(stack.at(0).toTensor(), kd_loss(student, teacher, 4.0)));

  const at::Tensor weight = at::arange(6, at::kLong);
  stack = {student, probabilities(), 4.0, weight, "probabilities"};
  const at::Tensor expected = kd_loss(student, stack.at(1).toTensor(), 4.0, weight, KdTarget::kProbabilities);
  op.callBoxed(stack);
  EXPECT_TRUE(same_bits(stack.at(0).toTensor(), expected));

  stack = {student, teacher, 4.0, c10::IValue(), "labels"};
  EXPECT_EQ(
      error_of([&] { op.callBoxed(stack); }),
      "kd_loss: target must be logits, probabilities or standardised_logits (got labels)");
}

TEST_F(KdLossTest, CallableFromTorchScript) {
  torch::jit::Module module("KdLoss");
  module.define(
      "def forward(self, student, teacher):\n"
      "    return 2 * retort.kd_loss(student, teacher, temperature=4.0)\n"
      "def weighted(self, student, teacher, weight):\n"
      "    return retort.kd_loss(student, teacher, 4.0, weight=weight, target='probabilities')\n",
      std::make_shared<OperatorResolver>());
  const at::Tensor student = logits().requires_grad_();
  const at::Tensor teacher = logits();
  const at::Tensor loss = module.forward({student, teacher}).toTensor();
  EXPECT_TRUE(close(loss, 2 * kd_loss(student, teacher, 4.0)));
  EXPECT_TRUE(close(
      torch::autograd::grad({loss}, {student})[0],
      2 * student_gradient(at_temperature(4.0, &reference::kd_loss), {student, teacher})));

  const at::Tensor given = probabilities();
  const at::Tensor weight = at::arange(6).gt(2);
  EXPECT_TRUE(same_bits(
      module.get_method("weighted")({student, given, weight}).toTensor(),
      kd_loss(student, given, 4.0, weight, KdTarget::kProbabilities)));
}

TEST_F(KdLossTest, CriterionIsTheLossOfTheLogits) {
  KdOptions options;
  EXPECT_EQ(options.temperature, 4.0);
  options.temperature = 2.5;
  CriterionInput input;
  input.logits_student = logits();
  input.logits_teacher = logits();
  const auto criterion = options.build({});
  EXPECT_TRUE(same_bits(criterion->forward(input), kd_loss(input.logits_student, input.logits_teacher, 2.5)));
  EXPECT_TRUE(criterion->parameters().empty());
  EXPECT_TRUE(criterion->buffers().empty());

  EXPECT_EQ(options.target, KdTarget::kLogits);
  options.target = KdTarget::kProbabilities;
  input.logits_teacher = probabilities();
  EXPECT_TRUE(same_bits(
      options.build({})->forward(input),
      kd_loss(input.logits_student, input.logits_teacher, 2.5, {}, KdTarget::kProbabilities)));
}

TEST_F(KdLossTest, CriterionWeighsSamples) {
  CriterionInput input;
  input.logits_student = logits();
  input.logits_teacher = logits();
  input.weights = at::arange(6, at::kDouble);
  EXPECT_TRUE(same_bits(
      KdOptions().build({})->forward(input), kd_loss(input.logits_student, input.logits_teacher, 4.0, input.weights)));
}

TEST_F(KdLossTest, Description) {
  KdOptions options;
  EXPECT_EQ(options.description(), "kd_loss(temperature=4, target=logits)");
  options.temperature = 0.1 + 0.2;
  options.target = KdTarget::kProbabilities;
  EXPECT_EQ(options.description(), "kd_loss(temperature=0.30000000000000004, target=probabilities)");
  expect_descriptions_differ(
      options, {[](KdOptions& changed) { changed.temperature = 0.3; },
                [](KdOptions& changed) { changed.target = KdTarget::kLogits; }});
}

TEST_F(KdLossTest, WrongShapesAreErrorsOfTheirOwn) {
  EXPECT_THROW(kd_loss({}, logits(), 4.0), ShapeError);
  EXPECT_THROW(kd_loss(logits(), logits(at::kDouble, 5), 4.0), ShapeError);
  EXPECT_THROW(kd_loss(logits(), logits(), 4.0, at::ones({5})), ShapeError);
}

TEST_F(KdLossTest, RejectsTemperature) {
  for (const auto& [temperature, text] :
       std::vector<std::pair<double, std::string>>{{0.0, "0"}, {-1.0, "-1"}, {kInfinity, "inf"}, {kNan, "nan"}}) {
    const std::string expected = "kd_loss: temperature must be positive and finite (got " + text + ")";
    EXPECT_EQ(error_of([&, t = temperature] { kd_loss(logits(), logits(), t); }), expected);
    KdOptions options;
    options.temperature = temperature;
    EXPECT_EQ(error_of([&] { options.build({}); }), expected);
  }
}

TEST_F(KdLossTest, RejectsDifferentNumbersOfClasses) {
  const auto build = [](int64_t student, int64_t teacher) {
    FeatureShapes shapes;
    shapes.classes_student = student;
    shapes.classes_teacher = teacher;
    KdOptions().build(shapes);
  };
  EXPECT_THROW(build(10, 100), ShapeError);
  EXPECT_EQ(
      error_of([&] { build(10, 100); }),
      "kd_loss: student and teacher must have the same number of classes (got 10 and 100)");
  // 0 is unknown.
  EXPECT_NO_THROW(build(10, 10));
  EXPECT_NO_THROW(build(10, 0));
  EXPECT_NO_THROW(build(0, 100));
}

TEST_F(KdLossTest, RejectsTaps) {
  EXPECT_EQ(
      error_of([] {
        KdOptions().build({{{4, 2, 2}}, {{4, 2, 2}}});
      }),
      "kd_loss: taps must be empty (got 2 taps)");
}

}  // namespace
}  // namespace retort::test::kd_test
