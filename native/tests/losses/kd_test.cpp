#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <retort/losses/kd.h>
#include <retort/runtime.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>

#include <cmath>
#include <limits>

#include "expect.h"
#include "finite_difference.h"
#include "golden.h"
#include "operator_resolver.h"
#include "reference/kd.h"

namespace retort {
namespace {

using test::close;
using test::error_of;
using test::same_bits;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Loss = at::Tensor (*)(const at::Tensor&, const at::Tensor&, double);

/// A loss with the gradients to student and teacher; a gradient is undefined if its input does not require it.
struct Differentiated {
  at::Tensor loss, student, teacher;
};

Differentiated differentiate(Loss loss, const at::Tensor& student, const at::Tensor& teacher, double temperature) {
  const at::Tensor s = student.detach().requires_grad_();
  const at::Tensor t = teacher.detach().requires_grad_();
  Differentiated result{loss(s, t, temperature), {}, {}};
  const auto gradients = torch::autograd::grad({result.loss}, {s, t});
  result.student = gradients[0];
  result.teacher = gradients[1];
  return result;
}

at::Tensor student_gradient(
    const at::Tensor& student, const at::Tensor& teacher, double temperature, Loss loss = &kd_loss) {
  const at::Tensor s = student.detach().requires_grad_();
  return torch::autograd::grad({loss(s, teacher, temperature)}, {s})[0];
}

at::Tensor row(std::vector<double> values) {
  return at::tensor(values, at::kDouble).unsqueeze(0);
}

class KdLossTest : public test::SeededTest {
 protected:
  static at::Tensor logits(at::ScalarType dtype = at::kDouble, int64_t batch = 6, int64_t classes = 11) {
    return (at::randn({batch, classes}, at::kDouble) * 3).to(dtype);
  }
};

class KdLossGoldenTest : public test::GoldenTest {};

TEST_P(KdLossGoldenTest, MatchesGolden) {
  const test::Golden golden(GetParam());
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

INSTANTIATE_TEST_SUITE_P(Kd, KdLossGoldenTest, ::testing::ValuesIn(test::golden_cases("kd_")), test::name_of_case);

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

TEST_F(KdLossTest, GradMatchesFiniteDifference) {
  const at::Tensor student = logits();
  const at::Tensor teacher = logits();
  const auto actual = differentiate(&kd_loss, student, teacher, 3.0);
  const auto by_student = [&](const at::Tensor& s) { return kd_loss(s, teacher, 3.0); };
  const auto by_teacher = [&](const at::Tensor& t) { return kd_loss(student, t, 3.0); };
  EXPECT_TRUE(close(actual.student, test::finite_difference(by_student, student), 1e-7));
  EXPECT_TRUE(close(actual.teacher, test::finite_difference(by_teacher, teacher), 1e-7));
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

TEST_F(KdLossTest, NonContiguousInput) {
  const at::Tensor student = logits(at::kDouble, 11, 6).t();
  const at::Tensor teacher = logits(at::kDouble, 6, 22).slice(1, 0, 22, 2);
  ASSERT_FALSE(student.is_contiguous() || teacher.is_contiguous());
  const auto actual = differentiate(&kd_loss, student, teacher, 4.0);
  const auto expected = differentiate(&kd_loss, student.contiguous(), teacher.contiguous(), 4.0);
  EXPECT_TRUE(same_bits(actual.loss, expected.loss));
  EXPECT_TRUE(same_bits(actual.student, expected.student));
  EXPECT_TRUE(same_bits(actual.teacher, expected.teacher));
  // All samples share one row of memory.
  const at::Tensor expanded = logits(at::kDouble, 1).expand({6, 11});
  EXPECT_TRUE(same_bits(kd_loss(expanded, teacher, 4.0), kd_loss(expanded.contiguous(), teacher, 4.0)));
}

TEST_F(KdLossTest, HalfPrecision) {
  for (at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    SCOPED_TRACE(c10::toString(dtype));
    const at::Tensor student = logits(dtype);
    const at::Tensor teacher = logits(dtype);
    const auto actual = differentiate(&kd_loss, student, teacher, 4.0);
    const auto expected = differentiate(&reference::kd_loss, student.to(at::kDouble), teacher.to(at::kDouble), 4.0);
    EXPECT_EQ(actual.loss.scalar_type(), at::kFloat);
    EXPECT_EQ(actual.student.scalar_type(), dtype);
    EXPECT_EQ(actual.teacher.scalar_type(), dtype);
    EXPECT_TRUE(close(actual.loss, expected.loss));
    EXPECT_TRUE(close(actual.student, expected.student));
    EXPECT_TRUE(close(actual.teacher, expected.teacher));
  }
}

TEST_F(KdLossTest, TeacherGetsNoGradient) {
  const at::Tensor student = logits().requires_grad_();
  const at::Tensor teacher = logits();
  kd_loss(student, teacher, 4.0).backward();
  EXPECT_TRUE(student.grad().defined());
  EXPECT_FALSE(teacher.grad().defined());
}

TEST_F(KdLossTest, OnlyTeacherRequiresGradient) {
  const at::Tensor student = logits();
  const at::Tensor teacher = logits().requires_grad_();
  kd_loss(student, teacher, 4.0).backward();
  EXPECT_FALSE(student.grad().defined());
  EXPECT_TRUE(close(teacher.grad(), differentiate(&reference::kd_loss, student, teacher, 4.0).teacher));
}

TEST_F(KdLossTest, ValueOnlyWhereNoGradientIsAskedFor) {
  const at::Tensor student = logits();
  const at::Tensor teacher = logits();
  const at::Tensor trained = student.clone().requires_grad_();
  const at::Tensor expected = kd_loss(trained, teacher, 4.0);
  EXPECT_TRUE(expected.requires_grad());

  const at::Tensor constant = kd_loss(student, teacher, 4.0);
  EXPECT_FALSE(constant.requires_grad());
  EXPECT_TRUE(same_bits(constant, expected));
  {
    const at::NoGradGuard no_grad;
    const at::Tensor loss = kd_loss(trained, teacher, 4.0);
    EXPECT_FALSE(loss.requires_grad());
    EXPECT_TRUE(same_bits(loss, expected));
  }
  {
    const c10::InferenceMode inference;
    const at::Tensor loss = kd_loss(trained, teacher, 4.0);
    EXPECT_TRUE(loss.is_inference());
    EXPECT_TRUE(same_bits(loss, expected));
  }
}

TEST_F(KdLossTest, TeacherFromInferenceMode) {
  const at::Tensor student = logits();
  const at::Tensor teacher = logits();
  at::Tensor inferred;
  {
    const c10::InferenceMode inference;
    inferred = teacher.clone();
  }
  EXPECT_TRUE(same_bits(student_gradient(student, inferred, 4.0), student_gradient(student, teacher, 4.0)));
}

TEST_F(KdLossTest, RetainGraph) {
  const at::Tensor student = logits().requires_grad_();
  const at::Tensor loss = kd_loss(student, logits(), 4.0);
  const auto gradient = [&](bool retain) {
    return torch::autograd::grad({loss}, {student}, /*grad_outputs=*/{}, retain)[0];
  };
  const at::Tensor first = gradient(true);
  const at::Tensor kept = first.clone();
  const at::Tensor second = gradient(false);
  EXPECT_TRUE(same_bits(first, kept));
  EXPECT_TRUE(same_bits(second, kept));
  try {
    gradient(false);
    ADD_FAILURE() << "the graph was freed";
  } catch (const c10::Error& error) {
    EXPECT_NE(error.msg().find("backward through the graph a second time"), std::string::npos) << error.msg();
  }
}

TEST_F(KdLossTest, DoubleBackwardIsRefused) {
  const at::Tensor student = logits().requires_grad_();
  const at::Tensor teacher = logits().requires_grad_();
  const at::Tensor weight = at::ones({}, at::kDouble).requires_grad_();
  const at::Tensor loss = kd_loss(student, teacher, 4.0) * weight;
  const auto gradients = torch::autograd::grad(
      {loss}, {student, teacher}, /*grad_outputs=*/{}, /*retain_graph=*/true, /*create_graph=*/true);
  for (const at::Tensor& gradient : gradients) {
    for (const at::Tensor& input : {student, teacher, weight}) {
      EXPECT_EQ(
          error_of([&] { torch::autograd::grad({gradient.sum()}, {input}, {}, /*retain_graph=*/true); }),
          "kd_loss: the gradient must not be differentiated again");
    }
  }
}

TEST_F(KdLossTest, PartOfALargerGraph) {
  const at::Tensor images = at::randn({6, 4}, at::kDouble);
  const at::Tensor weight = at::randn({4, 11}, at::kDouble).requires_grad_();
  const at::Tensor teacher = logits();
  const at::Tensor labels = at::randint(11, {6}, at::kLong);
  const auto gradient = [&](Loss loss) {
    const at::Tensor student = images.matmul(weight);
    const at::Tensor total = 0.3 * loss(student, teacher, 4.0) + 0.1 * loss(student * 2, teacher, 2.0) +
                             at::cross_entropy_loss(student, labels);
    return torch::autograd::grad({total}, {weight})[0];
  };
  EXPECT_TRUE(close(gradient(&kd_loss), gradient(&reference::kd_loss)));
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
  EXPECT_TRUE(close(actual.student, student_gradient(student, teacher, 4.0, &reference::kd_loss)));
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

TEST_F(KdLossTest, NumberOfThreadsChangesNothing) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const at::Tensor student = logits(dtype, 2000, 100);
    const at::Tensor teacher = logits(dtype, 2000, 100);
    set_threads(1);
    const auto one = differentiate(&kd_loss, student, teacher, 4.0);
    set_threads(2);
    const auto two = differentiate(&kd_loss, student, teacher, 4.0);
    EXPECT_TRUE(same_bits(two.loss, one.loss));
    EXPECT_TRUE(same_bits(two.student, one.student));
    EXPECT_TRUE(same_bits(two.teacher, one.teacher));
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
      std::make_shared<test::OperatorResolver>());
  const at::Tensor student = logits().requires_grad_();
  const at::Tensor teacher = logits();
  const at::Tensor loss = module.forward({student, teacher}).toTensor();
  EXPECT_TRUE(close(loss, 2 * kd_loss(student, teacher, 4.0)));
  EXPECT_TRUE(close(
      torch::autograd::grad({loss}, {student})[0], 2 * student_gradient(student, teacher, 4.0, &reference::kd_loss)));
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

TEST_F(KdLossTest, EmptyBatch) {
  const auto loss_of_shape = [](at::IntArrayRef shape) {
    return error_of([&] { kd_loss(at::zeros(shape), at::zeros(shape), 4.0); });
  };
  EXPECT_EQ(loss_of_shape({0, 5}), "kd_loss: student must not be empty (got [0, 5])");
  EXPECT_EQ(loss_of_shape({5, 0}), "kd_loss: student must not be empty (got [5, 0])");
}

TEST_F(KdLossTest, RejectsUndefinedTensors) {
  EXPECT_EQ(
      error_of([&] { kd_loss({}, logits(), 4.0); }), "kd_loss: student must be defined (got an undefined tensor)");
  EXPECT_EQ(
      error_of([&] { kd_loss(logits(), {}, 4.0); }), "kd_loss: teacher must be defined (got an undefined tensor)");
  EXPECT_EQ(error_of([&] { kd_loss({}, {}, 4.0); }), "kd_loss: student must be defined (got an undefined tensor)");
}

TEST_F(KdLossTest, RejectsOtherDtypes) {
  EXPECT_EQ(
      error_of([&] { kd_loss(logits(at::kLong), logits(), 4.0); }),
      "kd_loss: student must be floating point (got Long)");
  EXPECT_EQ(
      error_of([&] { kd_loss(logits(), logits(at::kInt), 4.0); }), "kd_loss: teacher must be floating point (got Int)");
  EXPECT_EQ(
      error_of([&] { kd_loss(logits(at::kFloat), logits(), 4.0); }),
      "kd_loss: student and teacher must have the same dtype (got Float and Double)");
}

TEST_F(KdLossTest, RejectsSparseTensors) {
  EXPECT_EQ(
      error_of([&] { kd_loss(logits().to_sparse(), logits(), 4.0); }), "kd_loss: student must be dense (got Sparse)");
  EXPECT_EQ(
      error_of([&] { kd_loss(logits(), logits().to_sparse(), 4.0); }), "kd_loss: teacher must be dense (got Sparse)");
}

TEST_F(KdLossTest, RejectsOtherShapes) {
  EXPECT_EQ(
      error_of([&] { kd_loss(at::zeros({5}), at::zeros({5}), 4.0); }),
      "kd_loss: student must be of shape [batch, classes] (got [5])");
  EXPECT_EQ(
      error_of([&] {
        kd_loss(at::zeros({5, 2, 2}), at::zeros({5, 2, 2}), 4.0);
      }),
      "kd_loss: student must be of shape [batch, classes] (got [5, 2, 2])");
  EXPECT_EQ(
      error_of([&] {
        kd_loss(at::zeros({6, 11}), at::zeros({6, 10}), 4.0);
      }),
      "kd_loss: student and teacher must have the same shape (got [6, 11] and [6, 10])");
  EXPECT_EQ(
      error_of([&] {
        kd_loss(at::zeros({6, 11}), at::zeros({11}), 4.0);
      }),
      "kd_loss: student and teacher must have the same shape (got [6, 11] and [11])");
}

TEST_F(KdLossTest, RejectsAnotherDevice) {
  EXPECT_EQ(
      error_of([&] { kd_loss(logits(), logits().to(at::kMeta), 4.0); }),
      "kd_loss: student and teacher must be on the same device (got cpu and meta)");
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
}  // namespace retort
