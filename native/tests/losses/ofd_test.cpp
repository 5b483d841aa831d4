#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/losses/ofd.h>
#include <retort/models/resnet.h>
#include <retort/runtime.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <regex>
#include <utility>

#include "descriptions.h"
#include "finite_difference.h"
#include "golden.h"
#include "module_state.h"
#include "operator_resolver.h"
#include "pair_loss_test.h"
#include "reference/ofd.h"

namespace retort::test::ofd_test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const std::vector<OfdReduction> kReductions = {OfdReduction::kMean, OfdReduction::kSum, OfdReduction::kBatchMean};

/// As the operator calls it.
std::string name_of(OfdReduction reduction) {
  if (reduction == OfdReduction::kMean) return "mean";
  return reduction == OfdReduction::kSum ? "sum" : "batchmean";
}

/// What ofd_loss takes.
struct Data {
  at::Tensor student, teacher, margin;
  OfdReduction reduction = OfdReduction::kMean;
};

using Loss = decltype(&ofd_loss);

at::Tensor loss_of(const Data& data, Loss loss = &ofd_loss) {
  return loss(data.student, data.teacher, data.margin, data.reduction);
}

Data data_of(at::ScalarType dtype = at::kDouble, at::IntArrayRef shape = {3, 4, 3, 5}) {
  Data data;
  data.student = at::randn(shape, at::kDouble).to(dtype);
  data.teacher = at::randn(shape, at::kDouble).to(dtype);
  data.margin = (-at::rand({shape[1]}, at::kDouble)).to(dtype);
  return data;
}

Data in_dtype(at::ScalarType dtype, Data data) {
  for (at::Tensor* tensor : {&data.student, &data.teacher, &data.margin}) *tensor = tensor->to(dtype);
  return data;
}

Data in_float64(const Data& data) {
  return in_dtype(at::kDouble, data);
}

Pair pair_of(const Data& data) {
  return {data.student, data.teacher, {data.margin}};
}

PairLoss with_reduction(OfdReduction reduction, Loss loss) {
  return [=](const Pair& pair) { return loss(pair.student, pair.teacher, pair.constants[0], reduction); };
}

DifferentiatedPair differentiate(const Data& data, Loss loss = &ofd_loss) {
  return test::differentiate(with_reduction(data.reduction, loss), pair_of(data));
}

DifferentiatedPair expected_of(const Data& data) {
  return differentiate(in_float64(data), &reference::ofd_loss);
}

at::Tensor student_gradient(const Data& data) {
  return test::student_gradient(with_reduction(data.reduction, &ofd_loss), pair_of(data));
}

/// The names prefix0, prefix1, ... that a golden case has.
int64_t count_of(const Golden& golden, const std::string& prefix) {
  int64_t count = 0;
  while (golden.has(prefix + std::to_string(count))) ++count;
  return count;
}

at::Tensor leaf(const at::Tensor& tensor, at::ScalarType dtype) {
  return tensor.to(dtype, /*non_blocking=*/false, /*copy=*/true).requires_grad_();
}

PairLossCase case_of(const std::string& name, OfdReduction reduction) {
  PairLossCase result;
  result.name = name;
  result.function = "ofd_loss";
  result.shape = "[batch, channels, height, width]";
  result.agreement = "batch and channels";
  result.loss = with_reduction(reduction, &ofd_loss);
  result.reference = with_reduction(reduction, &reference::ofd_loss);
  result.little = [](at::ScalarType dtype) {
    const Data data = data_of(dtype);
    if (at::isReducedFloatingType(dtype)) {
      // Whose squares are more than half precision has.
      data.student[0][0][0][0] = 1000;
      data.teacher[1][0][0][0] = 1000;
    }
    return pair_of(data);
  };
  result.much = [](at::ScalarType dtype) { return pair_of(data_of(dtype, {7, 33, 30, 31})); };
  return result;
}

INSTANTIATE_TEST_SUITE_P(
    Ofd, PairLossTest,
    ::testing::Values(
        case_of("Mean", OfdReduction::kMean), case_of("Sum", OfdReduction::kSum),
        case_of("BatchMean", OfdReduction::kBatchMean)),
    name_of_loss);

class OfdLossTest : public SeededTest {};

// ---- golden cases ---------------------------------------------------------------------------------------------------

class OfdBatchLossGoldenTest : public GoldenTest {};

TEST_P(OfdBatchLossGoldenTest, MatchesGolden) {
  const Golden golden(GetParam());
  const std::vector<std::pair<std::string, std::string>> parameters = {
      {"conv_weight", "connectors.0.conv.weight"},
      {"bn_weight", "connectors.0.norm.weight"},
      {"bn_bias", "connectors.0.norm.bias"}};
  const int64_t steps = count_of(golden, "loss");
  ASSERT_GT(steps, 0);
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const auto criterion =
        OfdOptions().build({{golden["s0"].sizes().slice(1).vec()}, {golden["t0"].sizes().slice(1).vec()}});
    criterion->to(dtype);
    for (const auto& [key, name] : parameters) set_tensor(*criterion, name, golden[key]);
    CriterionInput input;
    for (int64_t step = 0; step < steps; ++step) {
      SCOPED_TRACE(c10::str(dtype, " step ", step));
      const std::string i = std::to_string(step);
      input.student = {leaf(golden["s" + i], dtype)};
      input.teacher = {golden["t" + i].to(dtype)};
      criterion->zero_grad();
      const at::Tensor loss = criterion->forward(input);
      EXPECT_EQ(loss.scalar_type(), dtype);
      EXPECT_TRUE(close(loss, golden["loss" + i]));
      loss.backward();
      EXPECT_TRUE(close(input.student[0].grad(), golden["grad_s" + i]));
      for (const auto& [key, name] : parameters) {
        EXPECT_TRUE(close(tensor_of(*criterion, name).grad(), golden["grad_" + key + i])) << name;
      }
      for (const std::string name : {"running_mean", "running_var"}) {
        EXPECT_TRUE(close(tensor_of(*criterion, "connectors.0.norm." + name), golden[name + i])) << name;
      }
    }
    criterion->eval();
    const auto before = state_of(*criterion);
    input.student = {golden["s_eval"].to(dtype)};
    input.teacher = {golden["t_eval"].to(dtype)};
    EXPECT_TRUE(close(criterion->forward(input), golden["loss_eval"]));
    EXPECT_TRUE(same_bits(state_of(*criterion), before));
  }
}

INSTANTIATE_TEST_SUITE_P(Ofd, OfdBatchLossGoldenTest, ::testing::ValuesIn(golden_cases("ofd_batch_")), name_of_case);

class OfdPaperLossGoldenTest : public GoldenTest {};

TEST_P(OfdPaperLossGoldenTest, MatchesGolden) {
  const Golden golden(GetParam());
  const int64_t layers = count_of(golden, "s");
  ASSERT_GT(layers, 0);
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    OfdOptions options;
    options.reduction = OfdReduction::kSum;
    options.layer_decay = 0.5;
    FeatureShapes shapes;
    CriterionInput input;
    for (int64_t layer = 0; layer < layers; ++layer) {
      const std::string i = std::to_string(layer);
      options.margins.push_back(
          ofd_expected_margin(golden["teacher_bn_weight" + i].to(dtype), golden["teacher_bn_bias" + i].to(dtype)));
      EXPECT_EQ(options.margins.back().scalar_type(), dtype);
      EXPECT_TRUE(close(options.margins.back(), golden["margin" + i]));
      shapes.student.push_back(golden["s" + i].sizes().slice(1).vec());
      shapes.teacher.push_back(golden["t" + i].sizes().slice(1).vec());
      input.student.push_back(leaf(golden["s" + i], dtype));
      input.teacher.push_back(golden["t" + i].to(dtype));
    }
    const auto criterion = options.build(shapes);
    criterion->to(dtype);
    for (int64_t layer = 0; layer < layers; ++layer) {
      const std::string i = std::to_string(layer);
      const std::string connector = "connectors." + i;
      set_tensor(*criterion, connector + ".conv.weight", golden["conv_weight" + i]);
      set_tensor(*criterion, connector + ".norm.weight", golden["bn_weight" + i]);
      set_tensor(*criterion, connector + ".norm.bias", golden["bn_bias" + i]);
    }
    const at::Tensor loss = criterion->forward(input);
    EXPECT_EQ(loss.scalar_type(), dtype);
    EXPECT_TRUE(close(loss, golden["loss"]));
    loss.backward();
    for (int64_t layer = 0; layer < layers; ++layer) {
      EXPECT_TRUE(close(input.student[static_cast<size_t>(layer)].grad(), golden["grad_s" + std::to_string(layer)]))
          << layer;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ofd, OfdPaperLossGoldenTest, ::testing::ValuesIn(golden_cases("ofd_paper_")), name_of_case);

// ---- values and gradients -------------------------------------------------------------------------------------------

TEST_F(OfdLossTest, MatchesReference) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    // Around the widths of vector registers, where inner loops have their remainders, and around the 1024 elements of a
    // plane that are summed at once.
    for (int64_t plane : {1, 3, 8, 9, 16, 17, 49, 1023, 1024, 1025, 2500}) {
      for (const auto& [batch, channels] : std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {2, 3}, {3, 17}}) {
        for (OfdReduction reduction : kReductions) {
          SCOPED_TRACE(
              c10::str(dtype, " [", batch, ", ", channels, ", 1, ", plane, "], ", static_cast<int>(reduction)));
          Data data = data_of(dtype, {batch, channels, 1, plane});
          data.reduction = reduction;
          const auto actual = differentiate(data);
          EXPECT_EQ(actual.loss.scalar_type(), dtype);
          EXPECT_EQ(actual.loss.dim(), 0);
          EXPECT_TRUE(close(actual, expected_of(data)));
          // A pass without the teacher's gradient.
          EXPECT_TRUE(same_bits(student_gradient(data), actual.student));
        }
      }
    }
  }
}

/// The loss of one element and its gradient to the student.
std::pair<double, double> element(double student, double teacher, double margin, at::ScalarType dtype) {
  const auto map = [dtype](double value) { return at::full({1, 1, 1, 1}, value, dtype); };
  const Data data{map(student), map(teacher), at::full({1}, margin, dtype)};
  return {loss_of(data).item<double>(), student_gradient(data).item<double>()};
}

TEST_F(OfdLossTest, Mask) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const auto one = [dtype](double student, double teacher, double margin) {
      return element(student, teacher, margin, dtype);
    };
    using Pair = std::pair<double, double>;
    // A positive target counts on both sides.
    EXPECT_EQ(one(3, 1, -0.5), Pair(4, 4));
    EXPECT_EQ(one(-1, 1, -0.5), Pair(4, -4));
    EXPECT_EQ(one(1, 1, -0.5), Pair(0, 0));
    // A target of 0 or less counts if the student is above.
    EXPECT_EQ(one(2, 0, -0.5), Pair(4, 4));
    EXPECT_EQ(one(0, 0, -0.5), Pair(0, 0));
    EXPECT_EQ(one(-1, 0, -0.5), Pair(0, 0));
    EXPECT_EQ(one(0.5, -0.25, -0.5), Pair(0.5625, 1.5));
    EXPECT_EQ(one(-0.25, -0.25, -0.5), Pair(0, 0));
    EXPECT_EQ(one(-0.375, -0.25, -0.5), Pair(0, 0));
    // The target is the margin below it, and at it.
    EXPECT_EQ(one(0.5, -7, -0.5), Pair(1, 2));
    EXPECT_EQ(one(0.5, -0.5, -0.5), Pair(1, 2));
    EXPECT_EQ(one(-0.5, -7, -0.5), Pair(0, 0));
    EXPECT_EQ(one(-6, -7, -0.5), Pair(0, 0));
    // A positive margin is no error, and its target counts.
    EXPECT_EQ(one(-0.5, -7, 0.5), Pair(1, -2));
    EXPECT_EQ(one(-0.0, -0.0, 0.0), Pair(0, 0));
  }
}

TEST_F(OfdLossTest, StudentEqualToTheTargetGivesZero) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    Data data = data_of(dtype);
    data.student = at::maximum(data.teacher, data.margin.view({1, -1, 1, 1}));
    const auto actual = differentiate(data);
    EXPECT_EQ(actual.loss.item<double>(), 0.0);
    EXPECT_EQ(actual.student.abs().max().item<double>(), 0.0);
    EXPECT_EQ(actual.teacher.abs().max().item<double>(), 0.0);
  }
}

TEST_F(OfdLossTest, ReductionsDivideTheSum) {
  Data data = data_of();
  data.reduction = OfdReduction::kSum;
  const auto sum = differentiate(data);
  for (const auto& [reduction, divisor] :
       std::vector<std::pair<OfdReduction, double>>{{OfdReduction::kMean, 180}, {OfdReduction::kBatchMean, 3}}) {
    SCOPED_TRACE(name_of(reduction));
    data.reduction = reduction;
    EXPECT_TRUE(close(
        differentiate(data), DifferentiatedPair{sum.loss / divisor, sum.student / divisor, sum.teacher / divisor},
        1e-14));
  }
}

TEST_F(OfdLossTest, TeacherOfAnotherSize) {
  for (const auto& [height, width] :
       std::vector<std::pair<int64_t, int64_t>>{{6, 10}, {7, 13}, {3, 8}, {7, 5}, {1, 1}, {2, 4}, {9, 2}, {1, 17}}) {
    for (OfdReduction reduction : kReductions) {
      for (at::ScalarType dtype : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16}) {
        SCOPED_TRACE(c10::str(dtype, " ", height, " x ", width, ", ", name_of(reduction)));
        Data data = data_of(dtype);
        data.reduction = reduction;
        // Means of few quarters are never an odd number of 128ths: at the margin the loss has no gradient.
        data.teacher = ((at::randn({3, 4, height, width}, at::kDouble) * 4).round() / 4).to(dtype);
        data.margin = (-(at::randint(64, {4}, at::kDouble) * 2 + 1) / 128).to(dtype);
        const auto actual = differentiate(data);
        EXPECT_EQ(actual.student.scalar_type(), dtype);
        EXPECT_EQ(actual.teacher.scalar_type(), dtype);
        EXPECT_TRUE(close(actual, expected_of(data)));
      }
    }
  }
}

TEST_F(OfdLossTest, GradToATeacherOfAnotherSizeMatchesFiniteDifference) {
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{3, 4, 7, 11}, std::vector<int64_t>{3, 4, 2, 3}}) {
    SCOPED_TRACE(c10::str(at::IntArrayRef(shape)));
    Data data = data_of();
    data.teacher = at::randn(shape, at::kDouble);
    const auto actual = differentiate(data);
    const auto by_student = [&](const at::Tensor& student) { return ofd_loss(student, data.teacher, data.margin); };
    const auto by_teacher = [&](const at::Tensor& teacher) { return ofd_loss(data.student, teacher, data.margin); };
    EXPECT_TRUE(close(actual.student, finite_difference(by_student, data.student), 1e-7));
    EXPECT_TRUE(close(actual.teacher, finite_difference(by_teacher, data.teacher), 1e-7));
  }
}

TEST_F(OfdLossTest, NanPropagates) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (int64_t place : {0, 7, 48}) {
      SCOPED_TRACE(c10::str(dtype, " at ", place));
      const Data clean = data_of(dtype, {2, 3, 1, 49});
      // Not below the margin, where the teacher is nothing to the loss.
      clean.teacher[1][2][0][place] = 1;
      Data by_student = clean;
      by_student.student = clean.student.clone();
      by_student.student[1][2][0][place] = kNan;
      Data by_teacher = clean;
      by_teacher.teacher = clean.teacher.clone();
      by_teacher.teacher[1][2][0][place] = kNan;
      for (const Data& data : {by_student, by_teacher}) {
        const auto actual = differentiate(data);
        EXPECT_TRUE(std::isnan(actual.loss.item<double>()));
        EXPECT_TRUE(std::isnan(actual.student[1][2][0][place].item<double>()));
        EXPECT_TRUE(std::isnan(actual.teacher[1][2][0][place].item<double>()));
        EXPECT_EQ(actual.student.isnan().sum().item<int64_t>(), 1);
      }
    }
  }
}

TEST_F(OfdLossTest, NanMarginPropagates) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    Data data = data_of(dtype);
    data.margin[1] = kNan;
    EXPECT_TRUE(std::isnan(loss_of(data).item<double>())) << dtype;
  }
}

TEST_F(OfdLossTest, Infinities) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    // A teacher at minus infinity has the margin for its target.
    EXPECT_EQ(element(0.5, -kInfinity, -0.5, dtype), std::pair(1.0, 2.0));
    // A student far below a negative target has reached it.
    EXPECT_EQ(element(-kInfinity, -0.25, -0.5, dtype), std::pair(0.0, 0.0));
    EXPECT_EQ(element(-kInfinity, 0.25, -0.5, dtype).first, kInfinity);
    // Infinitely low margins are none.
    EXPECT_EQ(element(0.5, -0.5, -kInfinity, dtype), std::pair(1.0, 2.0));
  }
}

TEST_F(OfdLossTest, LargeSumsKeepTheirPrecision) {
  // In float32 one sum over all elements would stop growing.
  Data data = data_of(at::kFloat, {1, 2, 1024, 2048});
  data.reduction = OfdReduction::kSum;
  EXPECT_TRUE(close(loss_of(data), loss_of(in_float64(data), &reference::ofd_loss), 1e-6));
}

// ---- memory formats and dtypes --------------------------------------------------------------------------------------

at::Tensor channels_last(const at::Tensor& map) {
  return map.contiguous(at::MemoryFormat::ChannelsLast);
}

const std::vector<std::vector<int64_t>> kShapes = {
    {3, 4, 3, 5},
    {1, 2, 1, 3},
    {2, 17, 7, 7},
    {2, 3, 40, 41},
    {2, 130, 3, 3},
    {1, 1030, 2, 2},
    // Of which both memory formats are alike, or all but alike.
    {2, 1, 4, 4},
    {2, 5, 1, 1},
    {2, 3, 1, 4},
    {2, 3, 4, 1}};

TEST_F(OfdLossTest, MemoryFormatChangesNoValue) {
  for (const auto& shape : kShapes) {
    for (at::ScalarType dtype : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16}) {
      SCOPED_TRACE(c10::str(dtype, " ", at::IntArrayRef(shape)));
      const Data plain = data_of(dtype, shape);
      const auto expected = differentiate(plain);
      EXPECT_TRUE(expected.student.is_contiguous());
      Data by_student = plain;
      by_student.student = channels_last(plain.student);
      Data by_teacher = plain;
      by_teacher.teacher = channels_last(plain.teacher);
      Data by_both = by_student;
      by_both.teacher = by_teacher.teacher;
      for (const Data& data : {by_student, by_teacher, by_both}) {
        const auto actual = differentiate(data);
        // The order in which the loss is summed is another; each element's gradient is not.
        EXPECT_TRUE(close(actual.loss, expected.loss, dtype == at::kDouble ? 1e-14 : 1e-5));
        EXPECT_TRUE(same_bits(actual.student, expected.student));
        EXPECT_TRUE(same_bits(actual.teacher, expected.teacher));
        EXPECT_TRUE(actual.student.is_contiguous(data.student.suggest_memory_format()));
        EXPECT_TRUE(same_bits(student_gradient(data), actual.student));
      }
      EXPECT_TRUE(close(ofd_batch_margin(by_both.teacher), ofd_batch_margin(plain.teacher)));
    }
  }
}

TEST_F(OfdLossTest, ChannelsLastTeacherOfAnotherSize) {
  Data data = data_of();
  data.teacher = at::randn({3, 4, 7, 11}, at::kDouble);
  const auto expected = differentiate(data);
  data.teacher = channels_last(data.teacher);
  EXPECT_TRUE(close(differentiate(data), expected, 1e-13));
  data.student = channels_last(data.student);
  EXPECT_TRUE(close(differentiate(data), expected, 1e-13));
}

TEST_F(OfdLossTest, HalfPrecisionIsComputedInFloat32) {
  const auto every_second = [](const at::Tensor& map) { return at::stack({map, map}, -1).select(-1, 0); };
  const auto as_it_is = [](const at::Tensor& map) { return map; };
  for (at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    for (const auto& shape : kShapes) {
      for (const auto& layout :
           std::vector<std::function<at::Tensor(const at::Tensor&)>>{as_it_is, &channels_last, every_second}) {
        SCOPED_TRACE(c10::str(dtype, " ", at::IntArrayRef(shape)));
        const Data plain = data_of(dtype, shape);
        const Pair half = changed({plain.student, plain.teacher}, layout);
        const Pair single = changed(half, [](const at::Tensor& map) { return map.to(at::kFloat); });
        for (OfdReduction reduction : kReductions) {
          const auto differentiate_both = [&](const Pair& pair, const at::Tensor& margin) {
            return test::differentiate(with_reduction(reduction, &ofd_loss), {pair.student, pair.teacher, {margin}});
          };
          const auto actual = differentiate_both(half, plain.margin);
          const auto expected = differentiate_both(single, plain.margin.to(at::kFloat));
          EXPECT_TRUE(same_bits(actual.loss, expected.loss));
          EXPECT_TRUE(same_bits(actual.student, expected.student.to(dtype)));
          EXPECT_TRUE(same_bits(actual.teacher, expected.teacher.to(dtype)));
        }
        EXPECT_TRUE(same_bits(ofd_batch_margin(half.teacher), ofd_batch_margin(single.teacher).to(dtype)));
      }
    }
  }
}

TEST_F(OfdLossTest, NumberOfThreadsChangesNothingInChannelsLast) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16}) {
    SCOPED_TRACE(c10::toString(dtype));
    Data data = data_of(dtype, {7, 33, 30, 31});
    data.student = channels_last(data.student);
    data.teacher = channels_last(data.teacher);
    set_threads(1);
    const auto one = differentiate(data);
    const at::Tensor margin = ofd_batch_margin(data.teacher);
    for (int threads : {2, 3}) {
      set_threads(threads);
      EXPECT_TRUE(same_bits(differentiate(data), one));
      EXPECT_TRUE(same_bits(ofd_batch_margin(data.teacher), margin));
    }
  }
}

TEST_F(OfdLossTest, GradientsInBFloat16AreRoundedAsPyTorchDoes) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float largest = std::numeric_limits<float>::max();
  Data data = data_of(at::kBFloat16, {1, 1, 5, 7});
  data.student.fill_(kNan);
  EXPECT_TRUE(student_gradient(data).isnan().all().item<bool>());
  data.reduction = OfdReduction::kSum;
  // Of 1 and 2^-9 the difference is midway between two numbers.
  for (const auto& [value, teacher] : std::vector<std::pair<float, float>>{
           {infinity, 1}, {-infinity, 1}, {largest / 2, 0}, {-1e-39f, 0}, {0, 0}, {1, 0x1p-9f}, {1, -0x3p-9f}}) {
    SCOPED_TRACE(c10::str(value, " ", teacher));
    data.student.fill_(value);
    data.teacher.fill_(teacher);
    const Data wide = in_dtype(at::kFloat, data);
    EXPECT_TRUE(same_bits(student_gradient(data), student_gradient(wide).to(at::kBFloat16)));
  }
}

TEST_F(OfdLossTest, NumberOfThreadsChangesNothingInSmallBatches) {
  for (at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      SCOPED_TRACE(c10::str(dtype, " ", format));
      Data data = data_of(dtype, {2, 130, 50, 31});
      data.student = data.student.contiguous(format);
      set_threads(1);
      const auto one = differentiate(data);
      // In half precision some responses are the margin, where the loss has no gradient.
      const Data single = in_dtype(at::kFloat, data);
      EXPECT_TRUE(close(one, dtype == at::kFloat ? expected_of(data) : differentiate(single)));
      for (int threads : {2, 3, 16}) {
        set_threads(threads);
        EXPECT_TRUE(same_bits(differentiate(data), one));
      }
    }
  }
}

TEST_F(OfdLossTest, LargeBatchMarginsKeepTheirPrecision) {
  // In float32 one sum over all positions drifts.
  const at::Tensor teacher = at::full({1, 2, 1024, 2048}, -0.1f);
  const at::Tensor expected = at::full({2}, -0.1f, at::kDouble);
  EXPECT_TRUE(close(ofd_batch_margin(teacher), expected, 1e-5));
  EXPECT_TRUE(close(ofd_batch_margin(channels_last(teacher)), expected, 1e-5));
}

// ---- autograd -------------------------------------------------------------------------------------------------------

TEST_F(OfdLossTest, CallableByName) {
  const Data data = data_of();
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::ofd_loss", "");
  EXPECT_EQ(
      c10::str(op.schema()),
      "retort::ofd_loss(Tensor student, Tensor teacher, Tensor margin, *, str reduction=\"mean\") -> Tensor");
  for (OfdReduction reduction : kReductions) {
    torch::jit::Stack stack = {data.student, data.teacher, data.margin, name_of(reduction)};
    op.callBoxed(stack);
    EXPECT_TRUE(same_bits(stack.at(0).toTensor(), ofd_loss(data.student, data.teacher, data.margin, reduction)));
  }
  torch::jit::Stack stack = {data.student, data.teacher, data.margin, "none"};
  EXPECT_EQ(error_of([&] { op.callBoxed(stack); }), "ofd_loss: reduction must be mean, sum or batchmean (got none)");
}

TEST_F(OfdLossTest, CallableFromTorchScript) {
  torch::jit::Module module("OfdLoss");
  module.define(
      "def forward(self, student, teacher, weight, bias):\n"
      "    loss = retort.ofd_loss(student, teacher, retort.ofd_batch_margin(teacher))\n"
      "    margin = retort.ofd_expected_margin(weight, bias, stable=True)\n"
      "    return 2 * loss + retort.ofd_loss(student, teacher, margin, reduction=\"batchmean\")\n",
      std::make_shared<OperatorResolver>());
  const Data data = data_of();
  const at::Tensor weight = at::rand({4}, at::kDouble);
  const at::Tensor bias = at::randn({4}, at::kDouble);
  const at::Tensor student = data.student.clone().requires_grad_();
  const at::Tensor loss = module.forward({student, data.teacher, weight, bias}).toTensor();
  const at::Tensor expected =
      2 * reference::ofd_loss(student, data.teacher, reference::ofd_batch_margin(data.teacher)) +
      reference::ofd_loss(
          student, data.teacher, ofd_expected_margin(weight, bias, /*stable=*/true), OfdReduction::kBatchMean);
  EXPECT_TRUE(close(loss, expected));
  EXPECT_TRUE(close(torch::autograd::grad({loss}, {student})[0], torch::autograd::grad({expected}, {student})[0]));
}

// ---- margins --------------------------------------------------------------------------------------------------------

TEST_F(OfdLossTest, BatchMarginMatchesReference) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (int64_t plane : {1, 3, 8, 9, 16, 17, 49, 1023, 1024, 1025, 2500}) {
      for (const auto& [batch, channels] : std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {2, 3}, {3, 17}}) {
        SCOPED_TRACE(c10::str(dtype, " [", batch, ", ", channels, ", 1, ", plane, "]"));
        const at::Tensor teacher = data_of(dtype, {batch, channels, 1, plane}).teacher;
        const at::Tensor margin = ofd_batch_margin(teacher);
        EXPECT_EQ(margin.scalar_type(), dtype);
        EXPECT_TRUE(close(margin, reference::ofd_batch_margin(teacher.to(at::kDouble))));
      }
    }
  }
}

TEST_F(OfdLossTest, BatchMarginOfFewNegatives) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16}) {
    SCOPED_TRACE(c10::toString(dtype));
    at::Tensor teacher = at::rand({2, 4, 3, 3}, at::kDouble).to(dtype);
    teacher.select(1, 1).zero_();
    teacher.select(1, 2).fill_(-0.0);
    teacher[1][3][2][2] = -2;
    const at::Tensor margin = ofd_batch_margin(teacher);
    EXPECT_EQ(margin.scalar_type(), dtype);
    EXPECT_TRUE(close(margin, at::tensor({0.0, 0.0, 0.0, -2 / (1 + 1e-6)}, at::kDouble)));
    for (int64_t channel = 0; channel < 3; ++channel) EXPECT_EQ(margin[channel].item<double>(), 0.0);
  }
}

TEST_F(OfdLossTest, BatchMarginOfNanIsNan) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    at::Tensor teacher = data_of(dtype).teacher;
    teacher[2][1][0][3] = kNan;
    const at::Tensor margin = ofd_batch_margin(teacher);
    EXPECT_TRUE(std::isnan(margin[1].item<double>()));
    EXPECT_EQ(margin.isnan().sum().item<int64_t>(), 1);
  }
}

TEST_F(OfdLossTest, BatchMarginOfNonContiguousInput) {
  const at::Tensor plain = data_of().teacher;
  const at::Tensor part = at::cat({plain, plain}, 3).slice(3, 0, 5);
  EXPECT_TRUE(same_bits(ofd_batch_margin(part), ofd_batch_margin(plain)));
  const at::Tensor expanded = plain.slice(0, 0, 1).expand({3, 4, 3, 5});
  EXPECT_TRUE(same_bits(ofd_batch_margin(expanded), ofd_batch_margin(expanded.contiguous())));
}

TEST_F(OfdLossTest, BatchMarginOfATeacherFromInferenceMode) {
  const at::Tensor teacher = data_of().teacher;
  at::Tensor inferred;
  {
    const c10::InferenceMode inference;
    inferred = teacher.clone();
  }
  EXPECT_TRUE(same_bits(ofd_batch_margin(inferred), ofd_batch_margin(teacher)));
}

TEST_F(OfdLossTest, NumberOfThreadsChangesNoBatchMargin) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const at::Tensor teacher = data_of(dtype, {7, 33, 30, 31}).teacher;
    set_threads(1);
    const at::Tensor one = ofd_batch_margin(teacher);
    set_threads(2);
    EXPECT_TRUE(same_bits(ofd_batch_margin(teacher), one));
  }
}

TEST_F(OfdLossTest, MarginsAreConstants) {
  const at::Tensor teacher = data_of().teacher.requires_grad_();
  EXPECT_FALSE(ofd_batch_margin(teacher).requires_grad());
  const at::Tensor weight = at::rand({4}, at::kDouble).requires_grad_();
  EXPECT_FALSE(ofd_expected_margin(weight, weight).requires_grad());
}

TEST_F(OfdLossTest, ExpectedMarginMatchesReference) {
  std::vector<double> weights, biases, expected;
  for (double weight : {1e-3, 0.1, 1.0, 30.0, -0.1, -2.0}) {
    for (double z : {-40.0, -8.0, -3.0, -1.0, -0.0, 0.5, 2.0, 3.0, 3.09, 3.0902, 3.0903, 3.1, 8.0, 40.0}) {
      weights.push_back(weight);
      biases.push_back(z * std::fabs(weight));
    }
  }
  for (size_t i = 0; i < weights.size(); ++i) {
    expected.push_back(reference::ofd_expected_margin(weights[i], biases[i]));
    const at::Tensor margin =
        ofd_expected_margin(at::tensor({weights[i]}, at::kDouble), at::tensor({biases[i]}, at::kDouble));
    EXPECT_TRUE(close(margin.item<double>(), expected.back(), 1e-9)) << weights[i] << " " << biases[i];
    EXPECT_LE(margin.item<double>(), 0.0);
  }
  const auto bn_weight = at::tensor(weights, at::kDouble);
  const auto bn_bias = at::tensor(biases, at::kDouble);
  EXPECT_TRUE(close(ofd_expected_margin(bn_weight, bn_bias), at::tensor(expected, at::kDouble)));
}

TEST_F(OfdLossTest, ExpectedMarginAtItsBound) {
  const auto margin = [](double weight, double bias, at::ScalarType dtype = at::kDouble) {
    return ofd_expected_margin(at::full({1}, weight, dtype), at::full({1}, bias, dtype)).item<double>();
  };
  // A normal variable is below -3.0902323 deviations with a probability of 0.001.
  EXPECT_NEAR(margin(2, 2 * 3.0902), 2 * -0.277, 2e-3);
  EXPECT_EQ(margin(2, 2 * 3.0903), -6.0);
  EXPECT_EQ(margin(2, 1000), -6.0);
  // The sign of the weight is nothing.
  EXPECT_EQ(margin(-2, 1000), -6.0);
  EXPECT_EQ(margin(-2, 0.7), margin(2, 0.7));
  // Half a normal distribution.
  EXPECT_TRUE(close(margin(2, 0), -2 * std::sqrt(2 / M_PI), 1e-12));
  // Far below 0 the whole distribution is negative.
  EXPECT_TRUE(close(margin(1, -50), -50.0, 1e-12));
  EXPECT_TRUE(close(margin(1e-3, -1000), -1000.0, 1e-12));
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    // A constant channel.
    EXPECT_EQ(margin(0, -1.5, dtype), -1.5);
    EXPECT_EQ(margin(-0.0, -1.5, dtype), -1.5);
    EXPECT_EQ(margin(0, 1.5, dtype), 0.0);
    EXPECT_EQ(margin(0, 0, dtype), 0.0);
  }
}

TEST_F(OfdLossTest, StableExpectedMarginMatchesReference) {
  for (double weight : {1e-3, 1.0, 30.0, -2.0}) {
    for (double z :
         {-40.0, -8.0, -1.0, 0.0, 0.5, 2.0, 3.09, 3.0903, 3.1, 5.0, 8.0, 12.0, 20.0, 40.0, 49.0, 51.0, 99.0}) {
      SCOPED_TRACE(c10::str("weight ", weight, ", z ", z));
      const double beta = z * std::fabs(weight);
      const double expected = reference::ofd_expected_margin(weight, beta, /*stable=*/true);
      const at::Tensor margin =
          ofd_expected_margin(at::tensor({weight}, at::kDouble), at::tensor({beta}, at::kDouble), /*stable=*/true);
      EXPECT_TRUE(close(margin.item<double>(), expected, 1e-9));
      EXPECT_LT(margin.item<double>(), 0.0);
      if (z < 3.09) {
        EXPECT_TRUE(close(
            ofd_expected_margin(at::tensor({weight}, at::kDouble), at::tensor({beta}, at::kDouble)), margin, 1e-12));
      }
    }
  }
}

TEST_F(OfdLossTest, StableExpectedMarginHasNoLeap) {
  const at::Tensor beta = at::arange(-5.0, 60.0, 1e-3, at::kDouble);
  const at::Tensor margin = ofd_expected_margin(at::ones_like(beta), beta, /*stable=*/true);
  // The derivative by beta is that of a truncated distribution's mean, between 0 and 1.
  const at::Tensor difference = margin.diff();
  EXPECT_GT(difference.min().item<double>(), 0.0);
  EXPECT_LT(difference.max().item<double>(), 1e-3);
  EXPECT_LT(ofd_expected_margin(at::ones_like(beta), beta).diff().min().item<double>(), -2.5);
}

TEST_F(OfdLossTest, StableExpectedMarginOfChannelsThatAreHardlyEverNegative) {
  // -gamma^2 / beta.
  for (const auto& [gamma, beta] :
       std::vector<std::pair<double, double>>{{1, 1e3}, {1e-3, 1}, {1, 1e5}, {1e-6, 0.5}, {1e-20, 0.1}}) {
    SCOPED_TRACE(c10::str("gamma ", gamma, ", beta ", beta));
    const at::Tensor margin =
        ofd_expected_margin(at::tensor({gamma}, at::kDouble), at::tensor({beta}, at::kDouble), /*stable=*/true);
    EXPECT_TRUE(close(margin.item<double>(), -gamma * gamma / beta, 1e-5));
  }
  for (double gamma : {1e-200, 1e-310}) {
    const at::Tensor weight = at::tensor({gamma, gamma}, at::kDouble);
    const at::Tensor margin = ofd_expected_margin(weight, at::tensor({1.0, -1.0}, at::kDouble), /*stable=*/true);
    EXPECT_EQ(margin[0].item<double>(), 0.0) << gamma;
    EXPECT_EQ(margin[1].item<double>(), -1.0) << gamma;
  }
}

TEST_F(OfdLossTest, ExpectedMarginsOfANetwork) {
  ResNetOptions options;
  options.depth = 14;
  options.filters = {4, 4, 6, 8};
  const auto teacher = make_resnet(options);
  const std::vector<std::string> norms = {"layer1.1.bn2", "layer2.1.bn2", "layer3.1.bn2"};
  for (const std::string& norm : norms) {
    const at::Tensor weight = tensor_of(*teacher, norm + ".weight");
    set_tensor(*teacher, norm + ".weight", at::randn(weight.sizes()));
    set_tensor(*teacher, norm + ".bias", at::randn(weight.sizes()) * 4);
  }
  for (bool stable : {false, true}) {
    const auto margins = ofd_expected_margins(*teacher, norms, stable);
    ASSERT_EQ(margins.size(), 3);
    for (size_t i = 0; i < 3; ++i) {
      const at::Tensor weight = tensor_of(*teacher, norms[i] + ".weight");
      const at::Tensor bias = tensor_of(*teacher, norms[i] + ".bias");
      EXPECT_TRUE(same_bits(margins[i], ofd_expected_margin(weight, bias, stable)));
      EXPECT_FALSE(margins[i].requires_grad());
    }
  }
  EXPECT_TRUE(ofd_expected_margins(*teacher, {}).empty());
}

TEST_F(OfdLossTest, ExpectedMarginsRejectOtherLayers) {
  const auto teacher = make_resnet({});
  const auto error = [&](const std::string& name) {
    return error_of([&] { ofd_expected_margins(*teacher, {"layer1.2.bn2", name}); });
  };
  EXPECT_EQ(error("layer3.2.bn2"), "nothing was thrown");
  const std::string rule = "ofd_expected_margins: norms must be BatchNorm layers of the teacher ";
  EXPECT_EQ(error("layer1.3.bn2"), rule + "(got a layer without layer1.3.bn2.weight [channels])");
  EXPECT_EQ(error(""), rule + "(got a layer without .weight [channels])");
  EXPECT_EQ(error("layer1"), rule + "(got a layer without layer1.weight [channels])");
  EXPECT_EQ(error("conv1"), rule + "(got a layer without conv1.weight [channels])");
  EXPECT_EQ(error("fc"), rule + "(got a layer without fc.weight [channels])");
}

TEST_F(OfdLossTest, ExpectedMarginOfNanIsNan) {
  const at::Tensor weight = at::tensor({kNan, 1.0, 0.0, 1.0}, at::kDouble);
  const at::Tensor bias = at::tensor({1.0, kNan, kNan, 1.0}, at::kDouble);
  EXPECT_TRUE(same_bits(ofd_expected_margin(weight, bias).isnan().to(at::kLong), at::tensor({1, 1, 1, 0}, at::kLong)));
}

TEST_F(OfdLossTest, ExpectedMarginIsTheMeanOfTheNegatives) {
  const at::Tensor weight = at::tensor({0.5, -1.5, 1.0}, at::kDouble);
  const at::Tensor bias = at::tensor({0.3, -0.7, 0.0}, at::kDouble);
  const at::Tensor responses =
      at::randn({1, 3, 500, 400}, at::kDouble) * weight.view({1, 3, 1, 1}) + bias.view({1, 3, 1, 1});
  EXPECT_TRUE(close(ofd_batch_margin(responses), ofd_expected_margin(weight, bias), 0.01));
}

TEST_F(OfdLossTest, ExpectedMarginOfHalfPrecision) {
  for (at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    const at::Tensor weight = at::rand({9}, at::kDouble).to(dtype);
    const at::Tensor bias = at::randn({9}, at::kDouble).to(dtype);
    const at::Tensor margin = ofd_expected_margin(weight, bias);
    EXPECT_EQ(margin.scalar_type(), dtype);
    EXPECT_TRUE(close(margin, ofd_expected_margin(weight.to(at::kDouble), bias.to(at::kDouble))));
  }
}

TEST_F(OfdLossTest, MarginsAreCallableByName) {
  const at::Tensor teacher = data_of().teacher;
  const auto by_batch = c10::Dispatcher::singleton().findSchemaOrThrow("retort::ofd_batch_margin", "");
  EXPECT_EQ(c10::str(by_batch.schema()), "retort::ofd_batch_margin(Tensor teacher) -> Tensor");
  torch::jit::Stack stack = {teacher};
  by_batch.callBoxed(stack);
  EXPECT_TRUE(same_bits(stack.at(0).toTensor(), ofd_batch_margin(teacher)));

  const at::Tensor weight = at::rand({4});
  const at::Tensor bias = at::randn({4});
  const auto expected = c10::Dispatcher::singleton().findSchemaOrThrow("retort::ofd_expected_margin", "");
  EXPECT_EQ(
      c10::str(expected.schema()),
      "retort::ofd_expected_margin(Tensor bn_weight, Tensor bn_bias, *, bool stable=False) -> Tensor");
  for (bool stable : {false, true}) {
    stack = {weight, bias, stable};
    expected.callBoxed(stack);
    EXPECT_TRUE(same_bits(stack.at(0).toTensor(), ofd_expected_margin(weight, bias, stable)));
  }
}

// ---- rejected input -------------------------------------------------------------------------------------------------

/// What ofd_loss says to data that were good before the change.
std::string error_after(const std::function<void(Data&)>& change) {
  Data data = data_of();
  change(data);
  return error_of([&] { loss_of(data); });
}

TEST_F(OfdLossTest, RejectsMargins) {
  EXPECT_EQ(
      error_after([](Data& data) { data.margin = at::Tensor(); }),
      "ofd_loss: margin must be defined (got an undefined tensor)");
  EXPECT_EQ(
      error_after([](Data& data) { data.margin = data.margin.to(at::kLong); }),
      "ofd_loss: margin must be floating point (got Long)");
  EXPECT_EQ(
      error_after([](Data& data) { data.margin = data.margin.to(at::kFloat); }),
      "ofd_loss: student and margin must have the same dtype (got Double and Float)");
  EXPECT_EQ(
      error_after([](Data& data) { data.margin = data.margin.to_sparse(); }),
      "ofd_loss: margin must be dense (got Sparse)");
  EXPECT_EQ(
      error_after([](Data& data) { data.margin = data.margin.slice(0, 1); }),
      "ofd_loss: margin must be of shape [4] (got [3])");
  EXPECT_EQ(
      error_after([](Data& data) {
        data.margin = data.margin.view({1, 4, 1, 1});
      }),
      "ofd_loss: margin must be of shape [4] (got [1, 4, 1, 1])");
  EXPECT_EQ(
      error_after([](Data& data) { data.margin = data.margin.to(at::kMeta); }),
      "ofd_loss: student and margin must be on the same device (got cpu and meta)");
}

TEST_F(OfdLossTest, RejectsReductions) {
  const auto unknown = static_cast<OfdReduction>(7);
  EXPECT_EQ(
      error_after([&](Data& data) { data.reduction = unknown; }),
      "ofd_loss: reduction must be one of OfdReduction (got 7)");
  OfdOptions options;
  options.reduction = unknown;
  EXPECT_EQ(
      error_of([&] {
        options.build({{{3, 2, 2}}, {{3, 2, 2}}});
      }),
      "ofd_loss: reduction must be one of OfdReduction (got 7)");
}

TEST_F(OfdLossTest, RejectsTeachersThatAreNoMaps) {
  EXPECT_EQ(
      error_after([](Data& data) { data.teacher = data.teacher[0]; }),
      "ofd_loss: teacher must be of shape [batch, channels, height, width] (got [4, 3, 5])");
  EXPECT_EQ(
      error_after([](Data& data) { data.teacher = data.teacher.slice(2, 0, 0); }),
      "ofd_loss: teacher must not be empty (got [3, 4, 0, 5])");
}

TEST_F(OfdLossTest, BatchMarginRejects) {
  const auto error = [](const at::Tensor& teacher) { return error_of([&] { ofd_batch_margin(teacher); }); };
  EXPECT_EQ(error({}), "ofd_batch_margin: teacher must be defined (got an undefined tensor)");
  EXPECT_EQ(error(at::zeros({1, 2, 3, 4}, at::kLong)), "ofd_batch_margin: teacher must be floating point (got Long)");
  EXPECT_EQ(error(at::zeros({1, 2, 3, 4}).to_sparse()), "ofd_batch_margin: teacher must be dense (got Sparse)");
  EXPECT_EQ(
      error(at::zeros({2, 3, 4})),
      "ofd_batch_margin: teacher must be of shape [batch, channels, height, width] (got [2, 3, 4])");
  EXPECT_EQ(error(at::zeros({0, 2, 3, 4})), "ofd_batch_margin: teacher must not be empty (got [0, 2, 3, 4])");
}

TEST_F(OfdLossTest, ExpectedMarginRejects) {
  const at::Tensor good = at::ones({3});
  const auto error = [](const at::Tensor& weight, const at::Tensor& bias) {
    return error_of([&] { ofd_expected_margin(weight, bias); });
  };
  EXPECT_EQ(error({}, good), "ofd_expected_margin: bn_weight must be defined (got an undefined tensor)");
  EXPECT_EQ(error(good, {}), "ofd_expected_margin: bn_bias must be defined (got an undefined tensor)");
  EXPECT_EQ(error(good.to(at::kLong), good), "ofd_expected_margin: bn_weight must be floating point (got Long)");
  EXPECT_EQ(error(good, good.to(at::kLong)), "ofd_expected_margin: bn_bias must be floating point (got Long)");
  EXPECT_EQ(error(good.to_sparse(), good), "ofd_expected_margin: bn_weight must be dense (got Sparse)");
  EXPECT_EQ(error(good, good.to_sparse()), "ofd_expected_margin: bn_bias must be dense (got Sparse)");
  EXPECT_EQ(
      error(at::ones({}), at::ones({})),
      "ofd_expected_margin: bn_weight must be of shape [channels] and not empty (got [])");
  EXPECT_EQ(
      error(at::ones({0}), at::ones({0})),
      "ofd_expected_margin: bn_weight must be of shape [channels] and not empty (got [0])");
  EXPECT_EQ(
      error(good, at::ones({4})),
      "ofd_expected_margin: bn_weight and bn_bias must have the same shape (got [3] and [4])");
  EXPECT_EQ(
      error(good, good.to(at::kDouble)),
      "ofd_expected_margin: bn_weight and bn_bias must have the same dtype (got Float and Double)");
  EXPECT_EQ(
      error(good, good.to(at::kMeta)),
      "ofd_expected_margin: bn_weight and bn_bias must be on the same device (got cpu and meta)");
}

// ---- criterion ------------------------------------------------------------------------------------------------------

class OfdCriterionTest : public SeededTest {
 protected:
  static FeatureShapes shapes() { return {{{3, 4, 5}, {5, 2, 2}}, {{6, 4, 5}, {2, 2, 2}}}; }

  static CriterionInput batch(at::ScalarType dtype = at::kDouble) {
    CriterionInput input;
    input.student = {at::randn({3, 3, 4, 5}, dtype), at::randn({3, 5, 2, 2}, dtype)};
    input.teacher = {at::randn({3, 6, 4, 5}, dtype), at::randn({3, 2, 2, 2}, dtype)};
    return input;
  }

  /// A layer's map behind its connector in training mode.
  static at::Tensor connected(const Criterion& criterion, const CriterionInput& input, size_t layer) {
    const std::string prefix = "connectors." + std::to_string(layer) + ".";
    const auto value = [&](const std::string& name) { return tensor_of(criterion, prefix + name).detach(); };
    const at::Tensor map = at::conv2d(input.student[layer], value("conv.weight"));
    return at::batch_norm(
        map, value("norm.weight"), value("norm.bias"), {}, {}, /*training=*/true, 0.1, 1e-5, /*cudnn_enabled=*/false);
  }
};

TEST_F(OfdCriterionTest, Defaults) {
  EXPECT_TRUE(OfdOptions().margins.empty());
  EXPECT_EQ(OfdOptions().reduction, OfdReduction::kMean);
  EXPECT_EQ(OfdOptions().layer_decay, 1.0);
  EXPECT_EQ(OfdOptions().scale, 1.0);
  EXPECT_EQ(OfdOptions().init, OfdInit::kOfficial);
}

TEST_F(OfdCriterionTest, Names) {
  const auto criterion = OfdOptions().build(shapes());
  EXPECT_EQ(
      criterion->named_parameters().keys(),
      (std::vector<std::string>{
          "connectors.0.conv.weight", "connectors.0.norm.weight", "connectors.0.norm.bias", "connectors.1.conv.weight",
          "connectors.1.norm.weight", "connectors.1.norm.bias"}));
  EXPECT_EQ(
      criterion->named_buffers().keys(),
      (std::vector<std::string>{
          "connectors.0.norm.running_mean", "connectors.0.norm.running_var", "connectors.0.norm.num_batches_tracked",
          "connectors.1.norm.running_mean", "connectors.1.norm.running_var", "connectors.1.norm.num_batches_tracked"}));
  EXPECT_EQ(tensor_of(*criterion, "connectors.0.conv.weight").sizes(), at::IntArrayRef({6, 3, 1, 1}));
  EXPECT_EQ(tensor_of(*criterion, "connectors.1.conv.weight").sizes(), at::IntArrayRef({2, 5, 1, 1}));
  for (const at::Tensor& parameter : criterion->parameters()) EXPECT_TRUE(parameter.requires_grad());
}

TEST_F(OfdCriterionTest, InitialValues) {
  const auto criterion = OfdOptions().build({{{64, 1, 1}}, {{200, 1, 1}}});
  const at::Tensor weight = tensor_of(*criterion, "connectors.0.conv.weight").detach();
  EXPECT_NEAR(weight.std().item<double>(), std::sqrt(2.0 / 200), 0.03 * std::sqrt(2.0 / 200));
  EXPECT_NEAR(weight.mean().item<double>(), 0.0, 0.003);
  // Normally distributed: a third of the weights is beyond the deviation.
  EXPECT_NEAR(weight.abs().gt(0.1).to(at::kDouble).mean().item<double>(), 0.3173, 0.02);
  EXPECT_TRUE(same_bits(tensor_of(*criterion, "connectors.0.norm.weight"), at::ones({200})));
  EXPECT_TRUE(same_bits(tensor_of(*criterion, "connectors.0.norm.bias"), at::zeros({200})));
  EXPECT_TRUE(same_bits(tensor_of(*criterion, "connectors.0.norm.running_mean"), at::zeros({200})));
  EXPECT_TRUE(same_bits(tensor_of(*criterion, "connectors.0.norm.running_var"), at::ones({200})));
}

TEST_F(OfdCriterionTest, InitialDeviations) {
  for (const auto& [init, fan] :
       std::vector<std::pair<OfdInit, double>>{{OfdInit::kOfficial, 8}, {OfdInit::kKaiming, 32}}) {
    OfdOptions options;
    options.init = init;
    std::vector<at::Tensor> draws;
    for (int i = 0; i < 100; ++i) {
      const auto criterion = options.build({{{32, 1, 1}}, {{8, 1, 1}}});
      draws.push_back(tensor_of(*criterion, "connectors.0.conv.weight").detach().flatten());
    }
    const at::Tensor weights = at::cat(draws) / std::sqrt(2 / fan);
    EXPECT_NEAR(weights.std().item<double>(), 1.0, 0.02) << fan;
    EXPECT_NEAR(weights.mean().item<double>(), 0.0, 0.03) << fan;
    // Normally distributed: a third of the weights is beyond the deviation.
    EXPECT_NEAR(weights.abs().gt(1).to(at::kDouble).mean().item<double>(), 0.3173, 0.015) << fan;
  }
}

TEST_F(OfdCriterionTest, IsTheSumOfTheLayers) {
  const auto criterion = OfdOptions().build(shapes());
  criterion->to(at::kDouble);
  const CriterionInput input = batch();
  at::Tensor expected = at::zeros({}, at::kDouble);
  for (size_t i = 0; i < 2; ++i) {
    expected += reference::ofd_loss(
        connected(*criterion, input, i), input.teacher[i], reference::ofd_batch_margin(input.teacher[i]));
  }
  EXPECT_TRUE(close(criterion->forward(input), expected));
}

TEST_F(OfdCriterionTest, LayersCountByDecayAndScale) {
  OfdOptions options;
  FeatureShapes three;
  CriterionInput input;
  for (int i = 0; i < 3; ++i) {
    three.student.push_back({3, 2, 2});
    three.teacher.push_back({4, 2, 2});
    input.student.push_back(at::randn({5, 3, 2, 2}, at::kDouble));
    input.teacher.push_back(at::randn({5, 4, 2, 2}, at::kDouble));
    options.margins.push_back(-at::rand({4}, at::kDouble));
  }
  for (OfdReduction reduction : kReductions) {
    for (const auto& [decay, scale] : std::vector<std::pair<double, double>>{{1, 1}, {0.5, 1}, {0.5, 1000}, {3, 7}}) {
      SCOPED_TRACE(c10::str(name_of(reduction), ", decay ", decay, ", scale ", scale));
      options.reduction = reduction;
      options.layer_decay = decay;
      options.scale = scale;
      const auto criterion = options.build(three);
      criterion->to(at::kDouble);
      const std::vector<double> weights = {decay * decay / scale, decay / scale, 1 / scale};
      at::Tensor expected = at::zeros({}, at::kDouble);
      for (size_t i = 0; i < 3; ++i) {
        expected += weights[i] * reference::ofd_loss(
                                     connected(*criterion, input, i), input.teacher[i], options.margins[i], reduction);
      }
      EXPECT_TRUE(close(criterion->forward(input), expected));
    }
  }
}

TEST_F(OfdCriterionTest, TeachersOfAnotherSizeAreAveraged) {
  for (bool has_margins : {false, true}) {
    OfdOptions options;
    if (has_margins) options.margins = {-at::rand({6}, at::kDouble), -at::rand({2}, at::kDouble)};
    const auto criterion = options.build({{{3, 4, 5}, {5, 2, 2}}, {{6, 8, 7}, {2, 1, 1}}});
    criterion->to(at::kDouble);
    CriterionInput input = batch();
    input.teacher = {at::randn({3, 6, 8, 7}, at::kDouble), at::randn({3, 2, 1, 1}, at::kDouble)};
    at::Tensor expected = at::zeros({}, at::kDouble);
    for (size_t i = 0; i < 2; ++i) {
      const at::Tensor student = connected(*criterion, input, i);
      const at::Tensor teacher = at::adaptive_avg_pool2d(input.teacher[i], student.sizes().slice(2));
      const at::Tensor margin = has_margins ? options.margins[i] : reference::ofd_batch_margin(teacher);
      expected += reference::ofd_loss(student, teacher, margin);
    }
    EXPECT_TRUE(close(criterion->forward(input), expected)) << has_margins;
  }
}

TEST_F(OfdCriterionTest, RejectsOptions) {
  const auto error_after = [](const std::function<void(OfdOptions&)>& change) {
    OfdOptions options;
    change(options);
    return error_of([&] { options.build(shapes()); });
  };
  for (const auto& [number, text] :
       std::vector<std::pair<double, std::string>>{{0.0, "0"}, {-0.5, "-0.5"}, {kInfinity, "inf"}, {kNan, "nan"}}) {
    const std::string rest = " must be positive and finite (got " + text + ")";
    EXPECT_EQ(error_after([n = number](OfdOptions& o) { o.layer_decay = n; }), "ofd_loss: layer_decay" + rest);
    EXPECT_EQ(error_after([n = number](OfdOptions& o) { o.scale = n; }), "ofd_loss: scale" + rest);
  }
  EXPECT_EQ(
      error_after([](OfdOptions& options) { options.init = static_cast<OfdInit>(7); }),
      "ofd_loss: init must be one of OfdInit (got 7)");
}

TEST_F(OfdCriterionTest, GivenMarginsAreKept) {
  OfdOptions options;
  options.margins = {at::full({6}, -0.5).requires_grad_(), at::full({2}, -0.25)};
  const auto criterion = options.build(shapes());
  EXPECT_TRUE(same_bits(tensor_of(*criterion, "margin0"), at::full({6}, -0.5)));
  EXPECT_TRUE(same_bits(tensor_of(*criterion, "margin1"), at::full({2}, -0.25)));
  EXPECT_EQ(criterion->parameters().size(), 6);
  const at::Tensor loss = criterion->forward(batch(at::kFloat));
  {
    const at::NoGradGuard no_grad;
    options.margins[0].zero_();
  }
  EXPECT_TRUE(same_bits(tensor_of(*criterion, "margin0"), at::full({6}, -0.5)));
  loss.backward();
  EXPECT_FALSE(options.margins[0].grad().defined());
  // They take the criterion's dtype.
  criterion->to(at::kDouble);
  EXPECT_EQ(criterion->forward(batch()).scalar_type(), at::kDouble);
}

TEST_F(OfdCriterionTest, TrainsTheConnectorsAndTheStudent) {
  const auto criterion = OfdOptions().build(shapes());
  criterion->to(at::kDouble);
  CriterionInput input = batch();
  for (at::Tensor& map : input.student) map.requires_grad_();
  criterion->forward(input).backward();
  for (const at::Tensor& map : input.student) EXPECT_GT(map.grad().abs().max().item<double>(), 0.0);
  for (const at::Tensor& map : input.teacher) EXPECT_FALSE(map.grad().defined());
  for (const auto& entry : criterion->named_parameters()) {
    ASSERT_TRUE(entry.value().grad().defined()) << entry.key();
    EXPECT_GT(entry.value().grad().abs().max().item<double>(), 0.0) << entry.key();
  }
}

TEST_F(OfdCriterionTest, TeacherFromInferenceMode) {
  const auto criterion = OfdOptions().build(shapes());
  criterion->to(at::kDouble);
  CriterionInput input = batch();
  const at::Tensor expected = criterion->forward(input);
  {
    const c10::InferenceMode inference;
    for (at::Tensor& map : input.teacher) map = map.clone();
  }
  const at::Tensor loss = criterion->forward(input);
  EXPECT_TRUE(same_bits(loss, expected));
  loss.backward();
}

TEST_F(OfdCriterionTest, RestoresEveryBit) {
  const auto criterion = OfdOptions().build(shapes());
  for (int i = 0; i < 2; ++i) {
    const CriterionInput input = batch(at::kFloat);
    const auto before = state_of(*criterion);
    criterion->snapshot();
    criterion->forward(input);
    EXPECT_FALSE(same_bits(state_of(*criterion), before));
    criterion->restore();
    EXPECT_TRUE(same_bits(state_of(*criterion), before));
    criterion->forward(input);
    criterion->after_step(input);
    criterion->restore();
    EXPECT_TRUE(same_bits(state_of(*criterion), before));
    criterion->forward(input);
  }
}

TEST_F(OfdCriterionTest, HalfPrecisionFeatures) {
  const auto criterion = OfdOptions().build(shapes());
  for (at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    SCOPED_TRACE(c10::toString(dtype));
    CriterionInput half = batch(dtype);
    CriterionInput single;
    for (size_t i = 0; i < 2; ++i) {
      single.student.push_back(leaf(half.student[i], at::kFloat));
      single.teacher.push_back(half.teacher[i].to(at::kFloat));
      half.student[i].requires_grad_();
    }
    const at::Tensor loss = criterion->forward(half);
    EXPECT_EQ(loss.scalar_type(), at::kFloat);
    EXPECT_TRUE(same_bits(loss, criterion->forward(single)));
    loss.backward();
    criterion->forward(single).backward();
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(half.student[i].grad().scalar_type(), dtype);
      EXPECT_TRUE(close(half.student[i].grad(), single.student[i].grad()));
    }
  }
}

TEST_F(OfdCriterionTest, Description) {
  OfdOptions options;
  EXPECT_EQ(options.description(), "ofd_loss(margins=[], reduction=mean, layer_decay=1, scale=1, init=official)");
  options.margins = {at::zeros({2}), at::ones({3}, at::kDouble)};
  options.reduction = OfdReduction::kBatchMean;
  options.layer_decay = 0.5;
  options.scale = 1e3;
  options.init = OfdInit::kKaiming;
  EXPECT_TRUE(std::regex_match(
      options.description(),
      std::regex("ofd_loss\\(margins=\\[Float\\[2\\]#\\d+, Double\\[3\\]#\\d+\\], reduction=batchmean, "
                 "layer_decay=0.5, scale=1000, init=kaiming\\)")))
      << options.description();
  expect_descriptions_differ(
      options, {[](OfdOptions& changed) { changed.margins[0] = at::ones({2}); },
                [](OfdOptions& changed) {
                  changed.margins[0] = at::zeros({2, 1});
                },
                [](OfdOptions& changed) { changed.margins[0] = at::zeros({2}, at::kInt); },
                [](OfdOptions& changed) { changed.margins.pop_back(); },
                [](OfdOptions& changed) { changed.reduction = OfdReduction::kSum; },
                [](OfdOptions& changed) { changed.layer_decay = 0.6; }, [](OfdOptions& changed) { changed.scale = 1; },
                [](OfdOptions& changed) { changed.init = OfdInit::kOfficial; }});
}

TEST_F(OfdCriterionTest, DescriptionIsOfTheMarginsValues) {
  OfdOptions options;
  options.margins = {at::arange(6.0).view({2, 3}).t().select(0, 1)};
  OfdOptions copy;
  copy.margins = {options.margins[0].clone().requires_grad_()};
  EXPECT_EQ(options.description(), copy.description());
}

TEST_F(OfdCriterionTest, WrongShapesAreErrorsOfTheirOwn) {
  EXPECT_THROW(ofd_batch_margin({}), ShapeError);
  EXPECT_THROW(ofd_loss(at::zeros({1, 2, 3, 3}), at::zeros({1, 2, 3, 3}), at::zeros({3})), ShapeError);
  EXPECT_THROW(ofd_expected_margin(at::zeros({2}), at::zeros({3})), ShapeError);
  EXPECT_THROW(OfdOptions().build({{{7}}, {{7}}}), ShapeError);
  OfdOptions options;
  options.margins = {at::zeros({6})};
  EXPECT_THROW(options.build(shapes()), ShapeError);
}

TEST_F(OfdCriterionTest, RejectsTaps) {
  const auto error = [](const FeatureShapes& taps) { return error_of([&] { OfdOptions().build(taps); }); };
  EXPECT_EQ(error(shapes()), "nothing was thrown");
  EXPECT_EQ(error({}), "ofd_loss: taps must be at least 1 (got 0)");
  EXPECT_EQ(error({{{3, 4, 5}}, {}}), "ofd_loss: student and teacher must have the same number of taps (got 1 and 0)");
  EXPECT_EQ(
      error({{{3, 4, 5}, {7}}, {{3, 4, 5}, {7}}}),
      "ofd_loss: tap student[1] must be a map [channels, height, width] (got [7])");
  EXPECT_EQ(
      error({{{3, 4, 5}}, {{3, 4}}}), "ofd_loss: tap teacher[0] must be a map [channels, height, width] (got [3, 4])");
  EXPECT_EQ(error({{{3, 4, 5}, {5, 2, 2}}, {{6, 4, 5}, {2, 2, 1}}}), "nothing was thrown");
}

TEST_F(OfdCriterionTest, RejectsMargins) {
  const auto error = [](const std::vector<at::Tensor>& margins) {
    OfdOptions options;
    options.margins = margins;
    return error_of([&] { options.build(shapes()); });
  };
  const at::Tensor good = at::zeros({6});
  EXPECT_EQ(error({good, at::zeros({2})}), "nothing was thrown");
  EXPECT_EQ(error({good}), "ofd_loss: margins must be one per tap (got 1 for 2 taps)");
  EXPECT_EQ(error({good, good, good}), "ofd_loss: margins must be one per tap (got 3 for 2 taps)");
  EXPECT_EQ(error({good, {}}), "ofd_loss: margins[1] must be defined (got an undefined tensor)");
  EXPECT_EQ(error({good, at::zeros({2}, at::kLong)}), "ofd_loss: margins[1] must be floating point (got Long)");
  EXPECT_EQ(error({good, good}), "ofd_loss: margins[1] must be of shape [2] (got [6])");
  EXPECT_EQ(error({at::zeros({1, 6}), good}), "ofd_loss: margins[0] must be of shape [6] (got [1, 6])");
}

}  // namespace
}  // namespace retort::test::ofd_test
