#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>
#include <retort/losses/kd.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>

#include <cmath>
#include <limits>

#include "golden.h"
#include "operator_resolver.h"
#include "pair_loss_test.h"
#include "reference/kd.h"

namespace retort::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Loss = at::Tensor (*)(const at::Tensor&, const at::Tensor&, double);

PairLoss at_temperature(double temperature, Loss loss = &kd_loss) {
  return [=](const Pair& pair) { return loss(pair.student, pair.teacher, temperature); };
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

PairLossCase case_of(const std::string& name, double temperature) {
  PairLossCase result;
  result.name = name;
  result.function = "kd_loss";
  result.shape = "[batch, classes]";
  result.loss = at_temperature(temperature);
  result.reference = at_temperature(temperature, &reference::kd_loss);
  result.little = [](at::ScalarType dtype) { return Pair{logits(dtype), logits(dtype)}; };
  result.much = [](at::ScalarType dtype) { return Pair{logits(dtype, 2000, 100), logits(dtype, 2000, 100)}; };
  return result;
}

INSTANTIATE_TEST_SUITE_P(
    Kd, PairLossTest, ::testing::Values(case_of("Soft", 4.0), case_of("Sharp", 0.5)), name_of_loss);

class KdLossTest : public SeededTest {};

class KdLossGoldenTest : public GoldenTest {};

TEST_P(KdLossGoldenTest, MatchesGolden) {
  const Golden golden(GetParam());
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    const auto actual =
        differentiate(&kd_loss, golden["s"].to(dtype), golden["t"].to(dtype), golden.number("temperature"));
    EXPECT_EQ(actual.loss.scalar_type(), dtype);
    EXPECT_EQ(actual.student.scalar_type(), dtype);
    EXPECT_TRUE(close(actual.loss, golden["loss"]));
    EXPECT_TRUE(close(actual.student, golden["grad"]));
  }
}

INSTANTIATE_TEST_SUITE_P(Kd, KdLossGoldenTest, ::testing::ValuesIn(golden_cases("kd_")), name_of_case);

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

TEST_F(KdLossTest, CallableByName) {
  const at::Tensor student = logits();
  const at::Tensor teacher = logits();
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::kd_loss", "");
  EXPECT_EQ(c10::str(op.schema()), "retort::kd_loss(Tensor student, Tensor teacher, float temperature) -> Tensor");
  torch::jit::Stack stack = {student, teacher, 4.0};
  op.callBoxed(stack);
  EXPECT_TRUE(same_bits(stack.at(0).toTensor(), kd_loss(student, teacher, 4.0)));
}

TEST_F(KdLossTest, CallableFromTorchScript) {
  torch::jit::Module module("KdLoss");
  module.define(
      "def forward(self, student, teacher):\n"
      "    return 2 * retort.kd_loss(student, teacher, temperature=4.0)\n",
      std::make_shared<OperatorResolver>());
  const at::Tensor student = logits().requires_grad_();
  const at::Tensor teacher = logits();
  const at::Tensor loss = module.forward({student, teacher}).toTensor();
  EXPECT_TRUE(close(loss, 2 * kd_loss(student, teacher, 4.0)));
  EXPECT_TRUE(close(
      torch::autograd::grad({loss}, {student})[0],
      2 * student_gradient(at_temperature(4.0, &reference::kd_loss), {student, teacher})));
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

TEST_F(KdLossTest, RejectsTaps) {
  EXPECT_EQ(
      error_of([] {
        KdOptions().build({{{4, 2, 2}}, {{4, 2, 2}}});
      }),
      "kd_loss: taps must be empty (got 2 taps)");
}

}  // namespace
}  // namespace retort::test
