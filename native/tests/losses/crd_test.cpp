#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/losses/crd.h>
#include <retort/runtime.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "descriptions.h"
#include "golden.h"
#include "module_state.h"
#include "operator_resolver.h"
#include "pair_loss_test.h"
#include "reference/crd.h"

namespace retort::test::crd_test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// What crd_loss takes.
struct Data {
  at::Tensor student, teacher, student_memory, teacher_memory, contrast;
  double z_student = 45, z_teacher = 38, temperature = 0.5;
};

using Loss = decltype(&crd_loss);

at::Tensor loss_of(const Data& data, Loss loss = &crd_loss) {
  return loss(
      data.student, data.teacher, data.student_memory, data.teacher_memory, data.contrast, data.z_student,
      data.z_teacher, data.temperature);
}

/// Random numbers but for their place on the unit sphere.
at::Tensor directions(at::IntArrayRef shape) {
  const at::Tensor rows = at::randn(shape, at::kDouble);
  return rows / rows.norm(2, 1, /*keepdim=*/true);
}

Data data_of(
    at::ScalarType dtype = at::kDouble, int64_t batch = 5, int64_t dimension = 9, int64_t negatives = 12,
    int64_t rows = 30) {
  Data data;
  data.student = directions({batch, dimension}).to(dtype);
  data.teacher = directions({batch, dimension}).to(dtype);
  data.student_memory = directions({rows, dimension}).to(dtype);
  data.teacher_memory = directions({rows, dimension}).to(dtype);
  data.contrast = at::randint(rows, {batch, negatives + 1}, at::kLong);
  return data;
}

Data with_floats_of(Data data, at::ScalarType embeddings, at::ScalarType memories) {
  data.student = data.student.to(embeddings);
  data.teacher = data.teacher.to(embeddings);
  data.student_memory = data.student_memory.to(memories);
  data.teacher_memory = data.teacher_memory.to(memories);
  return data;
}

Data in_float64(const Data& data) {
  return with_floats_of(data, at::kDouble, at::kDouble);
}

Pair pair_of(const Data& data) {
  return {data.student, data.teacher, {data.student_memory, data.teacher_memory, data.contrast}};
}

PairLoss with_numbers_of(const Data& data, Loss loss) {
  return
      [z_student = data.z_student, z_teacher = data.z_teacher, temperature = data.temperature, loss](const Pair& pair) {
        const auto& constants = pair.constants;
        return loss(
            pair.student, pair.teacher, constants[0], constants[1], constants[2], z_student, z_teacher, temperature);
      };
}

DifferentiatedPair differentiate(const Data& data, Loss loss = &crd_loss) {
  return test::differentiate(with_numbers_of(data, loss), pair_of(data));
}

DifferentiatedPair expected_of(const Data& data) {
  return differentiate(in_float64(data), &reference::crd_loss);
}

at::Tensor student_gradient(const Data& data, Loss loss = &crd_loss) {
  return test::student_gradient(with_numbers_of(data, loss), pair_of(data));
}

at::Tensor rows_of(std::vector<int64_t> rows) {
  return at::tensor(rows, at::kLong);
}

PairLossCase case_of(const std::string& name, double temperature) {
  Data numbers;
  numbers.temperature = temperature;
  PairLossCase result;
  result.name = name;
  result.function = "crd_loss";
  result.shape = "[batch, dimension]";
  result.loss = with_numbers_of(numbers, &crd_loss);
  result.reference = with_numbers_of(numbers, &reference::crd_loss);
  result.little = [](at::ScalarType dtype) {
    const bool half = at::isReducedFloatingType(dtype);
    const Data data = with_floats_of(data_of(), dtype, half ? at::kFloat : dtype);
    // An embedding that hits: at a low temperature e^(1 / T) is more than half precision has.
    data.student[0].copy_(data.teacher_memory[data.contrast[0][0].item<int64_t>()]);
    return pair_of(data);
  };
  result.much = [](at::ScalarType dtype) { return pair_of(data_of(dtype, 67, 64, 300, 500)); };
  return result;
}

INSTANTIATE_TEST_SUITE_P(
    Crd, PairLossTest, ::testing::Values(case_of("Cold", 0.07), case_of("Warm", 0.5)), name_of_loss);

class CrdLossTest : public SeededTest {};

// ---- golden cases ---------------------------------------------------------------------------------------------------

class CrdLossGoldenTest : public GoldenTest {};

TEST_P(CrdLossGoldenTest, MatchesGolden) {
  const Golden golden(GetParam());
  const std::vector<std::pair<std::string, std::string>> embeddings = {
      {"student_weight", "student_embedding.weight"},
      {"student_bias", "student_embedding.bias"},
      {"teacher_weight", "teacher_embedding.weight"},
      {"teacher_bias", "teacher_embedding.bias"}};
  const std::vector<std::pair<std::string, std::string>> memories = {
      {"student_memory", "student_memory.embeddings"}, {"teacher_memory", "teacher_memory.embeddings"}};
  CrdOptions options;
  options.samples = golden["n_data"].item<int64_t>();
  options.negatives = golden["negatives"].item<int64_t>();
  options.dimension = golden["student_weight"].size(0);
  options.temperature = golden.number("temperature");
  options.momentum = golden.number("momentum");
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const auto criterion = options.build({{{golden["student_weight"].size(1)}}, {{golden["teacher_weight"].size(1)}}});
    criterion->to(dtype);
    for (const auto& [key, name] : embeddings) set_tensor(*criterion, name, golden[key]);
    for (const auto& [key, name] : memories) set_tensor(*criterion, name, golden[key]);
    int64_t steps = 0;
    for (; golden.has("loss" + std::to_string(steps)); ++steps) {
      const std::string i = std::to_string(steps);
      SCOPED_TRACE(c10::str(dtype, " step ", i));
      CriterionInput input;
      input.student = {golden["f_s" + i].to(dtype, /*non_blocking=*/false, /*copy=*/true).requires_grad_()};
      input.teacher = {golden["f_t" + i].to(dtype)};
      input.indices = golden["index" + i];
      input.contrast = golden["contrast" + i];
      criterion->snapshot();
      criterion->zero_grad();
      const at::Tensor loss = criterion->forward(input);
      EXPECT_EQ(loss.scalar_type(), dtype);
      EXPECT_TRUE(close(loss, golden["loss" + i]));
      for (const std::string side : {"z_student", "z_teacher"}) {
        EXPECT_TRUE(close(tensor_of(*criterion, side), golden[side + i])) << side;
      }
      loss.backward();
      EXPECT_TRUE(close(input.student[0].grad(), golden["grad_f_s" + i]));
      for (const auto& [key, name] : embeddings) {
        EXPECT_TRUE(close(tensor_of(*criterion, name).grad(), golden["grad_" + key + i])) << name;
      }
      criterion->after_step(input);
      for (const auto& [key, name] : memories) {
        EXPECT_TRUE(close(tensor_of(*criterion, name), golden[key + i])) << name;
      }
    }
    EXPECT_GT(steps, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Crd, CrdLossGoldenTest, ::testing::ValuesIn(golden_cases("crd_")), name_of_case);

// ---- values and gradients -------------------------------------------------------------------------------------------

TEST_F(CrdLossTest, MatchesReference) {
  const std::vector<int64_t> batches = {1, 2, 5};
  const std::vector<std::pair<int64_t, double>> memories = {{2, 0.07}, {200, 0.07}, {41, 0.5}, {3, 5.0}};
  // Batches and memories take turns, so that each meets each of the others.
  size_t turn = 0;
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    // Around the widths of vector registers, where inner loops have their remainders.
    for (int64_t dimension : {1, 2, 3, 7, 8, 16, 17, 40, 64, 100, 128, 130}) {
      // Candidates are scored in blocks of 32, the positive among them.
      for (int64_t negatives : {1, 2, 14, 15, 16, 30, 31, 32, 33, 64, 65}) {
        const int64_t batch = batches[turn % batches.size()];
        const auto& [rows, temperature] = memories[turn % memories.size()];
        ++turn;
        SCOPED_TRACE(c10::str(
            dtype, " batch ", batch, ", dimension ", dimension, ", negatives ", negatives, ", rows ", rows,
            ", temperature ", temperature));
        Data data = data_of(dtype, batch, dimension, negatives, rows);
        data.temperature = temperature;
        const auto actual = differentiate(data);
        EXPECT_EQ(actual.loss.scalar_type(), dtype);
        EXPECT_EQ(actual.loss.dim(), 0);
        EXPECT_TRUE(close(actual, expected_of(data)));
      }
    }
  }
}

// Rows that are needed often are gone through range by range.
TEST_F(CrdLossTest, CandidatesThatAreSorted) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    Data data = data_of(dtype, 150, 130, 600, 4500);
    data.z_student = data.z_teacher = 2.0 * 4500;
    // A range without a candidate, one with all of them, positives anywhere.
    data.contrast[0].slice(0, 1).clamp_min_(4000);
    data.contrast[1].slice(0, 1).fill_(17);
    EXPECT_TRUE(close(differentiate(data), expected_of(data)));
    EXPECT_NEAR(
        crd_z(data.student, data.teacher_memory, data.contrast, data.temperature),
        reference::crd_z(data.student, data.teacher_memory, data.contrast, data.temperature), 1e-3);
    set_threads(1);
    const auto alone = differentiate(data);
    set_threads(2);
    EXPECT_TRUE(same_bits(differentiate(data), alone));
  }
}

TEST_F(CrdLossTest, RowsMayRepeat) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    Data data = data_of(dtype, 4, 9, 40);
    // Nothing but the positive's own row, one row only, and pairs.
    data.contrast[0].fill_(3);
    data.contrast[1].slice(0, 1).fill_(29);
    data.contrast[2].slice(0, 1, 21).copy_(data.contrast[2].slice(0, 21));
    EXPECT_TRUE(close(differentiate(data), expected_of(data)));
  }
}

TEST_F(CrdLossTest, OrderOfNegativesIsNothing) {
  const Data data = data_of(at::kDouble, 5, 9, 70);
  Data shuffled = data;
  const at::Tensor order = at::cat({rows_of({0}), at::randperm(70, at::kLong) + 1});
  shuffled.contrast = data.contrast.index_select(1, order);
  EXPECT_TRUE(close(differentiate(shuffled), differentiate(data), 1e-12));
}

TEST_F(CrdLossTest, OrderOfSamplesIsNothing) {
  const Data data = data_of();
  Data shuffled = data;
  const at::Tensor order = rows_of({3, 0, 4, 2, 1});
  shuffled.student = data.student.index_select(0, order);
  shuffled.teacher = data.teacher.index_select(0, order);
  shuffled.contrast = data.contrast.index_select(0, order);
  auto expected = differentiate(data);
  expected.student = expected.student.index_select(0, order);
  expected.teacher = expected.teacher.index_select(0, order);
  EXPECT_TRUE(close(differentiate(shuffled), expected, 1e-12));
}

TEST_F(CrdLossTest, SidesAreAlike) {
  const Data data = data_of();
  Data swapped = data;
  std::swap(swapped.student, swapped.teacher);
  std::swap(swapped.student_memory, swapped.teacher_memory);
  std::swap(swapped.z_student, swapped.z_teacher);
  const auto actual = differentiate(swapped);
  const auto expected = differentiate(data);
  EXPECT_TRUE(close(actual.loss, expected.loss, 1e-12));
  EXPECT_TRUE(same_bits(actual.student, expected.teacher));
  EXPECT_TRUE(same_bits(actual.teacher, expected.student));
}

TEST_F(CrdLossTest, NeverNegative) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (double temperature : {0.01, 0.1, 1.0, 10.0}) {
      for (double z : {1e-30, 1e-3, 1.0, 1e3, 1e30}) {
        for (int64_t rows : {2, 1000}) {
          SCOPED_TRACE(c10::str(dtype, " temperature ", temperature, ", z ", z, ", rows ", rows));
          Data data = data_of(dtype, 3, 5, 2, rows);
          data.temperature = temperature;
          data.z_student = z;
          data.z_teacher = 1 / z;
          EXPECT_GE(loss_of(data).item<double>(), 0.0);
        }
      }
    }
  }
}

TEST_F(CrdLossTest, FirstLossOfRandomData) {
  for (int64_t negatives : {100, 2000}) {
    Data data = data_of(at::kFloat, 32, 128, negatives, 5000);
    data.temperature = 0.07;
    data.z_student = crd_z(data.student, data.teacher_memory, data.contrast, data.temperature);
    data.z_teacher = crd_z(data.teacher, data.student_memory, data.contrast, data.temperature);
    const auto k = static_cast<double>(negatives);
    EXPECT_TRUE(close(loss_of(data).item<double>(), 2 * (std::log1p(k) + k * std::log1p(1 / k)), 0.2));
  }
}

// ---- stability ------------------------------------------------------------------------------------------------------

TEST_F(CrdLossTest, ExtremeLogits) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    Data data = data_of(dtype, 4, 16, 40);
    // e^200 is more than float32 has.
    data.temperature = 0.005;
    data.z_student = reference::crd_z(in_float64(data).student, in_float64(data).teacher_memory, data.contrast, 0.005);
    // Embeddings that hit: the positive's row, a negative's, and their opposites.
    data.student[0].copy_(data.teacher_memory[data.contrast[0][0].item<int64_t>()]);
    data.student[1].copy_(data.teacher_memory[data.contrast[1][7].item<int64_t>()]);
    data.teacher[2].copy_(-data.student_memory[data.contrast[2][0].item<int64_t>()]);
    data.teacher[3].copy_(-data.student_memory[data.contrast[3][39].item<int64_t>()]);
    EXPECT_TRUE(close(differentiate(data), expected_of(data)));
  }
}

TEST_F(CrdLossTest, LogitsBeyondTheReference) {
  // e^(+-1000): the loss is that of the logarithms.
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    Data data = data_of(dtype, 1, 2, 2, 2);
    data.temperature = 0.001;
    data.z_student = data.z_teacher = 1;
    data.contrast = rows_of({0, 1, 1}).unsqueeze(0);
    const at::Tensor axis = at::tensor({1.0, 0.0}).to(dtype);
    data.student[0].copy_(axis);
    data.teacher[0].copy_(axis);
    for (const at::Tensor& memory : {data.student_memory, data.teacher_memory}) {
      memory[0].copy_(-axis);
      memory[1].copy_(axis);
    }
    // Each side: 1000 for the missed positive, 1000 for each of two negatives; noise is 1.
    const auto actual = differentiate(data);
    EXPECT_TRUE(close(actual.loss, at::scalar_tensor(6000.0, at::kDouble), 1e-6));
    // -m_0 / T + 2 m_1 / T
    EXPECT_TRUE(close(actual.student[0], axis * 3000));
    EXPECT_TRUE(close(actual.teacher[0], axis * 3000));

    data.contrast = rows_of({1, 0, 0}).unsqueeze(0);
    const auto right = differentiate(data);
    EXPECT_TRUE(close(right.loss.item<double>(), 4 * std::log1p(1e-7), 1e-6));
    EXPECT_EQ(right.student.abs().max().item<double>(), 0.0);
  }
}

TEST_F(CrdLossTest, ExtremeZ) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    // The reference's gradients need the squares of P.
    for (double z : {1e-140, 1e-40, 1e40, 1e140}) {
      SCOPED_TRACE(c10::str(dtype, " z ", z));
      Data data = data_of(dtype);
      data.z_student = z;
      EXPECT_TRUE(close(differentiate(data), expected_of(data)));
    }
    for (double z : {std::numeric_limits<double>::denorm_min(), std::numeric_limits<double>::max()}) {
      SCOPED_TRACE(c10::str(dtype, " z ", z));
      Data data = data_of(dtype);
      data.z_student = z;
      const auto actual = differentiate(data);
      // Each negative costs |log(Z)| where Z is too small, the positive alone where it is too large.
      const double expected = std::fabs(std::log(z)) * (z < 1 ? 12 : 1);
      EXPECT_TRUE(close(actual.loss.item<double>(), expected, 0.02));
      EXPECT_TRUE(actual.student.isfinite().all().item<bool>());
      EXPECT_TRUE(close(actual.teacher, expected_of(data).teacher));
    }
  }
}

TEST_F(CrdLossTest, NanPropagates) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (int64_t place : {0, 5, 8}) {
      SCOPED_TRACE(c10::str(dtype, " at ", place));
      Data data = data_of(dtype);
      data.student[2][place] = kNan;
      const auto actual = differentiate(data);
      EXPECT_TRUE(std::isnan(actual.loss.item<double>()));
      EXPECT_TRUE(actual.student[2].isnan().all().item<bool>());
      EXPECT_TRUE(actual.student[1].isfinite().all().item<bool>());
      EXPECT_TRUE(actual.teacher.isfinite().all().item<bool>());

      Data spoilt = data_of(dtype);
      spoilt.student_memory[spoilt.contrast[1][12]][place] = kNan;
      EXPECT_TRUE(std::isnan(loss_of(spoilt).item<double>()));
    }
  }
}

// ---- autograd -------------------------------------------------------------------------------------------------------

TEST_F(CrdLossTest, LaterUpdatesOfTheMemoriesDoNotReachTheGradient) {
  Data data = data_of();
  const at::Tensor expected = student_gradient(data);
  data.student.requires_grad_();
  const at::Tensor loss = loss_of(data);
  data.student_memory.zero_();
  data.teacher_memory.zero_();
  EXPECT_TRUE(same_bits(torch::autograd::grad({loss}, {data.student})[0], expected));
}

TEST_F(CrdLossTest, CallableByName) {
  const Data data = data_of();
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::crd_loss", "");
  EXPECT_EQ(
      c10::str(op.schema()),
      "retort::crd_loss(Tensor student, Tensor teacher, Tensor student_memory, Tensor teacher_memory, "
      "Tensor contrast, float z_student, float z_teacher, float temperature) -> Tensor");
  torch::jit::Stack stack = {data.student,  data.teacher,   data.student_memory, data.teacher_memory,
                             data.contrast, data.z_student, data.z_teacher,      data.temperature};
  op.callBoxed(stack);
  EXPECT_TRUE(same_bits(stack.at(0).toTensor(), loss_of(data)));
}

TEST_F(CrdLossTest, CallableFromTorchScript) {
  torch::jit::Module module("CrdLoss");
  module.define(
      "def forward(self, student, teacher, student_memory, teacher_memory, indices):\n"
      "    contrast = retort.crd_contrast(indices, 30, 12)\n"
      "    z_student = retort.crd_z(student, teacher_memory, contrast, 0.5)\n"
      "    z_teacher = retort.crd_z(teacher, student_memory, contrast, temperature=0.5)\n"
      "    return 2 * retort.crd_loss(\n"
      "        student, teacher, student_memory, teacher_memory, contrast, z_student, z_teacher, temperature=0.5)\n",
      std::make_shared<OperatorResolver>());
  Data data = data_of();
  const at::Tensor indices = rows_of({4, 0, 29, 7, 7});
  manual_seed(5);
  data.contrast = crd_contrast(indices, 30, 12);
  data.z_student = crd_z(data.student, data.teacher_memory, data.contrast, 0.5);
  data.z_teacher = crd_z(data.teacher, data.student_memory, data.contrast, 0.5);
  const at::Tensor student = data.student.clone().requires_grad_();
  manual_seed(5);
  const at::Tensor loss =
      module.forward({student, data.teacher, data.student_memory, data.teacher_memory, indices}).toTensor();
  EXPECT_TRUE(close(loss, 2 * loss_of(data)));
  EXPECT_TRUE(close(torch::autograd::grad({loss}, {student})[0], 2 * student_gradient(data, &reference::crd_loss)));

  module.define(
      "def by_class(self, indices, classes):\n"
      "    return retort.crd_class_contrast(indices, classes, 12, relaxed=True)\n",
      std::make_shared<OperatorResolver>());
  const at::Tensor classes = at::arange(30, at::kLong).remainder(3);
  manual_seed(5);
  const at::Tensor contrast = crd_class_contrast(indices, classes, 12, /*relaxed=*/true);
  manual_seed(5);
  EXPECT_TRUE(same_bits(module.get_method("by_class")({indices, classes}).toTensor(), contrast));
}

// ---- rejected input -------------------------------------------------------------------------------------------------

/// What crd_loss says to data that were good before the change.
std::string error_after(const std::function<void(Data&)>& change) {
  Data data = data_of();
  change(data);
  return error_of([&] { loss_of(data); });
}

TEST_F(CrdLossTest, RejectsEmptyMemories) {
  EXPECT_EQ(
      error_after([](Data& data) {
        data.student_memory = data.teacher_memory = at::zeros({0, 9}, at::kDouble);
      }),
      "crd_loss: student_memory must be of shape [rows, 9] and not empty (got [0, 9])");
}

TEST_F(CrdLossTest, RejectsUndefinedConstants) {
  EXPECT_EQ(
      error_after([](Data& data) { data.student_memory = at::Tensor(); }),
      "crd_loss: student_memory must be defined (got an undefined tensor)");
  EXPECT_EQ(
      error_after([](Data& data) { data.teacher_memory = at::Tensor(); }),
      "crd_loss: teacher_memory must be defined (got an undefined tensor)");
  EXPECT_EQ(
      error_after([](Data& data) { data.contrast = at::Tensor(); }),
      "crd_loss: contrast must be given (got an undefined tensor)");
}

TEST_F(CrdLossTest, RejectsOtherDtypesOfConstants) {
  EXPECT_EQ(
      error_after([](Data& data) { data.student_memory = data.student_memory.to(at::kFloat); }),
      "crd_loss: student_memory must be Double for embeddings of Double (got Float)");
  EXPECT_EQ(
      error_after([](Data& data) { data = with_floats_of(data, at::kHalf, at::kHalf); }),
      "crd_loss: student_memory must be Float or BFloat16 for embeddings of Half (got Half)");
  EXPECT_EQ(
      error_after([](Data& data) {
        data = with_floats_of(data, at::kFloat, at::kFloat);
        data.teacher_memory = data.teacher_memory.to(at::kDouble);
      }),
      "crd_loss: teacher_memory must be Float or BFloat16 for embeddings of Float (got Double)");
  EXPECT_EQ(
      error_after([](Data& data) { data = with_floats_of(data, at::kDouble, at::kBFloat16); }),
      "crd_loss: student_memory must be Double for embeddings of Double (got BFloat16)");
  EXPECT_EQ(
      error_after([](Data& data) {
        data = with_floats_of(data, at::kFloat, at::kFloat);
        data.teacher_memory = data.teacher_memory.to(at::kBFloat16);
      }),
      "crd_loss: memories must be of the same dtype (got Float and BFloat16)");
  EXPECT_EQ(
      error_after([](Data& data) { data.contrast = data.contrast.to(at::kInt); }),
      "crd_loss: contrast must be int64 (got Int)");
}

TEST_F(CrdLossTest, RejectsSparseMemories) {
  EXPECT_EQ(
      error_after([](Data& data) { data.student_memory = data.student_memory.to_sparse(); }),
      "crd_loss: student_memory must be dense (got Sparse)");
}

TEST_F(CrdLossTest, RejectsOtherShapesOfConstants) {
  EXPECT_EQ(
      error_after([](Data& data) { data.student_memory = data.student_memory.slice(1, 1); }),
      "crd_loss: student_memory must be of shape [rows, 9] and not empty (got [30, 8])");
  EXPECT_EQ(
      error_after([](Data& data) { data.teacher_memory = data.teacher_memory[0]; }),
      "crd_loss: teacher_memory must be of shape [rows, 9] and not empty (got [9])");
  EXPECT_EQ(
      error_after([](Data& data) { data.student_memory = data.student_memory.slice(0, 1); }),
      "crd_loss: memories must have the same number of rows (got 29 and 30)");
  EXPECT_EQ(
      error_after([](Data& data) { data.contrast = data.contrast.slice(0, 1); }),
      "crd_loss: contrast must be of shape [5, negatives + 1] (got [4, 13])");
  EXPECT_EQ(
      error_after([](Data& data) { data.contrast = data.contrast.slice(1, 0, 1); }),
      "crd_loss: contrast must be of shape [5, negatives + 1] (got [5, 1])");
  EXPECT_EQ(
      error_after([](Data& data) { data.contrast = data.contrast.select(1, 0); }),
      "crd_loss: contrast must be of rank 2 and not empty (got [5])");
}

TEST_F(CrdLossTest, RejectsRowsThatAreNotThere) {
  EXPECT_EQ(
      error_after([](Data& data) { data.contrast[4][12] = 30; }),
      "crd_loss: contrast must be between 0 and 29 (got 30)");
  EXPECT_EQ(
      error_after([](Data& data) { data.contrast[0][0] = -1; }),
      "crd_loss: contrast must be between 0 and 29 (got -1)");
}

TEST_F(CrdLossTest, RejectsMemoriesOnAnotherDevice) {
  EXPECT_EQ(
      error_after([](Data& data) { data.teacher_memory = data.teacher_memory.to(at::kMeta); }),
      "crd_loss: teacher_memory must be on the embeddings' device cpu (got meta)");
}

/// Numbers that are not positive and finite, as messages have them.
const std::vector<std::pair<double, std::string>> kNotPositive = {
    {0.0, "0"}, {-1.0, "-1"}, {kInfinity, "inf"}, {kNan, "nan"}};

TEST_F(CrdLossTest, RejectsNumbers) {
  for (const auto& [number, text] : kNotPositive) {
    const std::string rest = " must be positive and finite (got " + text + ")";
    EXPECT_EQ(error_after([n = number](Data& data) { data.z_student = n; }), "crd_loss: z_student" + rest);
    EXPECT_EQ(error_after([n = number](Data& data) { data.z_teacher = n; }), "crd_loss: z_teacher" + rest);
    EXPECT_EQ(error_after([n = number](Data& data) { data.temperature = n; }), "crd_loss: temperature" + rest);
  }
}

// ---- Z --------------------------------------------------------------------------------------------------------------

TEST_F(CrdLossTest, ZMatchesReference) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (int64_t negatives : {1, 14, 15, 16, 30, 31, 32, 64, 65}) {
      for (int64_t dimension : {1, 3, 16, 17, 40, 64, 100, 128, 130}) {
        for (double temperature : {0.07, 0.5, 5.0}) {
          SCOPED_TRACE(
              c10::str(dtype, " dimension ", dimension, ", negatives ", negatives, ", temperature ", temperature));
          const Data data = data_of(dtype, 3, dimension, negatives, 50);
          const Data wide = in_float64(data);
          EXPECT_TRUE(close(
              crd_z(data.student, data.teacher_memory, data.contrast, temperature),
              reference::crd_z(wide.student, wide.teacher_memory, wide.contrast, temperature), tolerance_of(dtype)));
        }
      }
    }
  }
}

TEST_F(CrdLossTest, ZBeyondFloat32) {
  Data data = data_of(at::kFloat, 4, 16, 40);
  data.student[0].copy_(data.teacher_memory[data.contrast[0][0].item<int64_t>()]);
  const Data wide = in_float64(data);
  const double z = crd_z(data.student, data.teacher_memory, data.contrast, 0.005);
  EXPECT_GT(z, 1e80);
  EXPECT_TRUE(close(z, reference::crd_z(wide.student, wide.teacher_memory, wide.contrast, 0.005), 2e-4));
  // And beyond float64.
  EXPECT_EQ(crd_z(data.student, data.teacher_memory, data.contrast, 0.001), kInfinity);
}

TEST_F(CrdLossTest, ZOfHalfPrecision) {
  const Data data = with_floats_of(data_of(), at::kHalf, at::kFloat);
  const Data wide = in_float64(data);
  EXPECT_TRUE(close(
      crd_z(data.student, data.teacher_memory, data.contrast, 0.07),
      reference::crd_z(wide.student, wide.teacher_memory, wide.contrast, 0.07), 2e-4));
}

/// Memories in bfloat16 are computed with in float32, by any number of threads.
void expect_computed_in_float32(int64_t batch, int64_t negatives, int64_t rows) {
  for (at::ScalarType embeddings : {at::kFloat, at::kBFloat16}) {
    for (int64_t dimension : {9, 187}) {
      SCOPED_TRACE(c10::str(embeddings, " ", dimension, ", ", batch, " x ", negatives));
      const Data half =
          with_floats_of(data_of(at::kDouble, batch, dimension, negatives, rows), embeddings, at::kBFloat16);
      const Data wide = in_float64(half);
      const auto actual = differentiate(half);
      EXPECT_EQ(actual.loss.scalar_type(), at::kFloat);
      EXPECT_TRUE(close(actual, expected_of(half)));
      const double expected_z = reference::crd_z(wide.student, wide.teacher_memory, wide.contrast, 0.07);
      EXPECT_TRUE(close(crd_z(half.student, half.teacher_memory, half.contrast, 0.07), expected_z, 2e-4));
      set_threads(3);
      EXPECT_TRUE(same_bits(differentiate(half), actual));
      set_threads(1);
    }
  }
}

TEST_F(CrdLossTest, MemoriesInBFloat16AreComputedWithInFloat32) {
  expect_computed_in_float32(5, 12, 30);
  // Enough for threads to share each anchor's.
  expect_computed_in_float32(2, 1500, 700);
}

// So many that they are gone through in the order of their rows.
TEST_F(CrdLossTest, CandidatesInBFloat16ThatAreSorted) {
  expect_computed_in_float32(64, 1500, 10000);
}

TEST_F(CrdLossTest, SmallBatchesMatchReference) {
  for (int64_t batch : {1, 2, 33}) {
    for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
      SCOPED_TRACE(c10::str(dtype, " ", batch));
      const Data data = data_of(dtype, batch, 24, 3000, 5000);
      const Data wide = in_float64(data);
      set_threads(1);
      const auto one = differentiate(data);
      EXPECT_TRUE(close(one, expected_of(data)));
      const double z = crd_z(data.student, data.teacher_memory, data.contrast, 0.07);
      const double expected_z = reference::crd_z(wide.student, wide.teacher_memory, wide.contrast, 0.07);
      EXPECT_TRUE(close(z, expected_z, dtype == at::kDouble ? 1e-9 : 2e-4));
      for (int threads : {2, 3, 16}) {
        set_threads(threads);
        EXPECT_TRUE(same_bits(differentiate(data), one));
        EXPECT_EQ(crd_z(data.student, data.teacher_memory, data.contrast, 0.07), z);
      }
    }
  }
}

TEST_F(CrdLossTest, ZOfNanIsNan) {
  Data data = data_of();
  data.student[4][8] = kNan;
  EXPECT_TRUE(std::isnan(crd_z(data.student, data.teacher_memory, data.contrast, 0.07)));
}

TEST_F(CrdLossTest, ZOfNonContiguousInput) {
  const Data plain = data_of();
  const auto strided = [](const at::Tensor& tensor) { return tensor.t().contiguous().t(); };
  const at::Tensor memory = at::stack({plain.teacher_memory, plain.student_memory}, 1).select(1, 0);
  EXPECT_EQ(
      crd_z(strided(plain.student), memory, strided(plain.contrast), 0.07),
      crd_z(plain.student, plain.teacher_memory, plain.contrast, 0.07));
}

TEST_F(CrdLossTest, NumberOfThreadsChangesNoZ) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const Data data = data_of(dtype, 67, 64, 300, 500);
    set_threads(1);
    const double one = crd_z(data.student, data.teacher_memory, data.contrast, 0.07);
    set_threads(2);
    EXPECT_EQ(crd_z(data.student, data.teacher_memory, data.contrast, 0.07), one);
  }
}

TEST_F(CrdLossTest, ZTakesWhatRequiresGradients) {
  Data data = data_of();
  const double expected = crd_z(data.student, data.teacher_memory, data.contrast, 0.5);
  data.student.requires_grad_();
  data.teacher_memory.requires_grad_();
  EXPECT_EQ(crd_z(data.student, data.teacher_memory, data.contrast, 0.5), expected);
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::crd_z", "");
  EXPECT_EQ(
      c10::str(op.schema()),
      "retort::crd_z(Tensor embeddings, Tensor memory, Tensor contrast, float temperature) -> float");
  torch::jit::Stack stack = {data.student, data.teacher_memory, data.contrast, 0.5};
  op.callBoxed(stack);
  EXPECT_EQ(stack.at(0).toDouble(), expected);
}

TEST_F(CrdLossTest, ZRejects) {
  const Data good = data_of();
  const auto error_after = [&](const std::function<void(Data&)>& change) {
    Data data = good;
    change(data);
    return error_of([&] { crd_z(data.student, data.teacher_memory, data.contrast, data.temperature); });
  };
  EXPECT_EQ(
      error_after([](Data& data) { data.student = at::Tensor(); }),
      "crd_z: embeddings must be defined (got an undefined tensor)");
  EXPECT_EQ(
      error_after([](Data& data) { data.student = data.student.slice(0, 5); }),
      "crd_z: embeddings must not be empty (got [0, 9])");
  EXPECT_EQ(
      error_after([](Data& data) { data.teacher_memory = data.teacher_memory.slice(1, 1); }),
      "crd_z: memory must be of shape [rows, 9] and not empty (got [30, 8])");
  EXPECT_EQ(
      error_after([](Data& data) { data.teacher_memory = data.teacher_memory.to(at::kFloat); }),
      "crd_z: memory must be Double for embeddings of Double (got Float)");
  EXPECT_EQ(
      error_after([](Data& data) { data.contrast = data.contrast + 30; }).substr(0, 45),
      "crd_z: contrast must be between 0 and 29 (got");
  EXPECT_EQ(
      error_after([](Data& data) { data.contrast = data.contrast.slice(0, 1); }),
      "crd_z: contrast must be of shape [5, negatives + 1] (got [4, 13])");
  for (const auto& [number, text] : kNotPositive) {
    EXPECT_EQ(
        error_after([n = number](Data& data) { data.temperature = n; }),
        "crd_z: temperature must be positive and finite (got " + text + ")");
  }
}

// ---- candidates -----------------------------------------------------------------------------------------------------

TEST_F(CrdLossTest, PositiveComesFirstAndIsNoNegative) {
  for (int64_t rows : {2, 3, 5, 1000}) {
    SCOPED_TRACE(rows);
    const at::Tensor indices = at::cat({rows_of({0, rows - 1, 0}), at::randint(rows, {6}, at::kLong)});
    const at::Tensor contrast = crd_contrast(indices, rows, 300);
    EXPECT_EQ(contrast.sizes(), at::IntArrayRef({9, 301}));
    EXPECT_EQ(contrast.scalar_type(), at::kLong);
    EXPECT_TRUE(same_bits(contrast.select(1, 0), indices));
    EXPECT_FALSE(contrast.slice(1, 1).eq(indices.unsqueeze(1)).any().item<bool>());
    EXPECT_GE(contrast.min().item<int64_t>(), 0);
    EXPECT_LT(contrast.max().item<int64_t>(), rows);
  }
}

TEST_F(CrdLossTest, NegativesAreUniform) {
  constexpr int64_t kRows = 8;
  constexpr int64_t kNegatives = 14000;
  const at::Tensor contrast = crd_contrast(rows_of({0, 3, 7, 3}), kRows, kNegatives);
  for (int64_t b = 0; b < contrast.size(0); ++b) {
    const at::Tensor counts = at::bincount(contrast[b].slice(0, 1), {}, kRows).to(at::kDouble);
    EXPECT_EQ(counts[contrast[b][0]].item<double>(), 0.0);
    constexpr double kExpected = static_cast<double>(kNegatives) / (kRows - 1);
    // Chi-square with 6 degrees of freedom plus what the row that is never drawn contributes.
    const double chi_square = ((counts - kExpected).square() / kExpected).sum().item<double>() - kExpected;
    EXPECT_LT(chi_square, 40.0);
    EXPECT_GT(chi_square, 0.1);
  }
  // What a sample draws depends on its row alone.
  EXPECT_TRUE(same_bits(contrast[1], contrast[3]));
  EXPECT_FALSE(same_bits(contrast[1].slice(0, 1), contrast[0].slice(0, 1)));
  // Neighbours are no function of each other: all pairs occur.
  const at::Tensor row = contrast[0].slice(0, 1);
  const at::Tensor pairs = row.slice(0, 0, kNegatives - 1) * kRows + row.slice(0, 1);
  EXPECT_EQ(at::bincount(pairs).gt(100).sum().item<int64_t>(), (kRows - 1) * (kRows - 1));
}

TEST_F(CrdLossTest, NegativesOfALargeDataSet) {
  constexpr int64_t kRows = 1'000'000'007;
  const at::Tensor negatives = crd_contrast(rows_of({kRows - 1}), kRows, 20000).slice(1, 1).to(at::kDouble);
  EXPECT_TRUE(close(negatives.mean().item<double>(), kRows / 2.0, 0.02));
  EXPECT_LT(negatives.min().item<double>(), kRows * 0.001);
  EXPECT_GT(negatives.max().item<double>(), kRows * 0.999);
}

TEST_F(CrdLossTest, ContrastComesFromTheGenerator) {
  const at::Tensor indices = rows_of({4, 0, 9});
  const auto draw = [&](const std::optional<at::Generator>& generator) {
    return crd_contrast(indices, 1000, 50, generator);
  };
  manual_seed(5);
  const at::Tensor first = draw(std::nullopt);
  const at::Tensor second = draw(std::nullopt);
  EXPECT_FALSE(same_bits(second, first));
  manual_seed(5);
  EXPECT_TRUE(same_bits(draw(std::nullopt), first));

  const at::Tensor before = random_state();
  EXPECT_TRUE(same_bits(draw(at::detail::createCPUGenerator(5)), first));
  EXPECT_FALSE(same_bits(draw(at::detail::createCPUGenerator(6)), first));
  EXPECT_TRUE(same_bits(random_state(), before));

  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::crd_contrast", "");
  EXPECT_EQ(
      c10::str(op.schema()),
      "retort::crd_contrast(Tensor indices, int rows, int negatives, *, Generator? generator=None) -> Tensor");
  torch::jit::Stack stack = {indices, 1000, 50, at::detail::createCPUGenerator(5)};
  op.callBoxed(stack);
  EXPECT_TRUE(same_bits(stack.at(0).toTensor(), first));
}

TEST_F(CrdLossTest, NumberOfThreadsChangesNoContrast) {
  const at::Tensor indices = at::arange(100, at::kLong);
  manual_seed(5);
  set_threads(1);
  const at::Tensor one = crd_contrast(indices, 500, 3000);
  manual_seed(5);
  set_threads(2);
  EXPECT_TRUE(same_bits(crd_contrast(indices, 500, 3000), one));
}

TEST_F(CrdLossTest, ContrastOfStridedIndices) {
  const at::Tensor indices = rows_of({4, 99, 0, 99}).slice(0, 0, 4, 2);
  manual_seed(5);
  const at::Tensor expected = crd_contrast(indices.contiguous(), 10, 20);
  manual_seed(5);
  EXPECT_TRUE(same_bits(crd_contrast(indices, 10, 20), expected));
}

TEST_F(CrdLossTest, ContrastRejects) {
  const at::Tensor before = random_state();
  const auto error = [](const at::Tensor& indices, int64_t rows, int64_t negatives) {
    return error_of([&] { crd_contrast(indices, rows, negatives); });
  };
  EXPECT_EQ(error({}, 5, 3), "crd_contrast: indices must be given (got an undefined tensor)");
  EXPECT_EQ(error(rows_of({1}).to(at::kInt), 5, 3), "crd_contrast: indices must be int64 (got Int)");
  EXPECT_EQ(error(rows_of({}), 5, 3), "crd_contrast: indices must be of rank 1 and not empty (got [0])");
  EXPECT_EQ(
      error(rows_of({1}).unsqueeze(0), 5, 3), "crd_contrast: indices must be of rank 1 and not empty (got [1, 1])");
  EXPECT_EQ(error(rows_of({1, 5}), 5, 3), "crd_contrast: indices must be between 0 and 4 (got 5)");
  EXPECT_EQ(error(rows_of({1, -1}), 5, 3), "crd_contrast: indices must be between 0 and 4 (got -1)");
  EXPECT_EQ(error(rows_of({0}), 1, 3), "crd_contrast: rows must be at least 2 (got 1)");
  EXPECT_EQ(error(rows_of({0}), 5, 0), "crd_contrast: negatives must be at least 1 (got 0)");
  EXPECT_EQ(
      error(rows_of({0}), 5, std::numeric_limits<int64_t>::max()),
      "crd_contrast: negatives must be at most 2147483647 (got 9223372036854775807)");
  EXPECT_TRUE(same_bits(random_state(), before));
}

// ---- candidates by class --------------------------------------------------------------------------------------------

/// Ten rows of three classes of uneven sizes, which are numbered at will: rows 1, 2, 4, 7 and 9; 0, 3, 6 and 8; 5.
at::Tensor uneven_classes() {
  constexpr int64_t kFirst = std::numeric_limits<int64_t>::min();
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  return at::tensor(std::vector<int64_t>{-3, kLast, kLast, -3, kLast, kFirst, -3, kLast, -3, kLast}, at::kLong);
}

/// Chi-square of counts that are expected to be equal.
double chi_square(const at::Tensor& counts) {
  const at::Tensor expected = counts.to(at::kDouble).mean();
  return ((counts - expected).square() / expected).sum().item<double>();
}

/// What one sample draws in several batches.
at::Tensor drawn_often(int64_t times, int64_t own, int64_t negatives, bool relaxed) {
  std::vector<at::Tensor> drawn;
  const at::Tensor classes = uneven_classes();
  for (int64_t i = 0; i < times; ++i) {
    drawn.push_back(crd_class_contrast(rows_of({own}), classes, negatives, relaxed));
  }
  return at::cat(drawn);
}

TEST_F(CrdLossTest, WhatASampleDrawsDependsOnNoOther) {
  const auto key = [] { return at::detail::createCPUGenerator(5); };
  const at::Tensor indices = rows_of({8, 3, 5, 0}), classes = uneven_classes();
  const at::Tensor all = crd_contrast(indices, 10, 20, key());
  const at::Tensor of_classes = crd_class_contrast(indices, classes, 4, /*relaxed=*/true, key());
  for (const auto& [first, end] : {std::pair<int64_t, int64_t>{0, 1}, {1, 4}}) {
    const at::Tensor part = indices.slice(0, first, end);
    EXPECT_TRUE(same_bits(crd_contrast(part, 10, 20, key()), all.slice(0, first, end)));
    EXPECT_TRUE(same_bits(crd_class_contrast(part, classes, 4, true, key()), of_classes.slice(0, first, end)));
  }
}

TEST_F(CrdLossTest, ClassNegativesAreOfOtherClasses) {
  const at::Tensor classes = uneven_classes();
  const at::Tensor indices = at::cat({at::arange(10, at::kLong), rows_of({5, 5, 9})});
  const at::Tensor own_class = classes.index_select(0, indices);
  // The classes leave 5, 6 and 9 rows to others.
  for (int64_t negatives : {1, 4, 5, 6, 7, 9, 10, 100}) {
    for (bool relaxed : {false, true}) {
      SCOPED_TRACE(c10::str(negatives, relaxed ? " relaxed" : ""));
      const at::Tensor contrast = crd_class_contrast(indices, classes, negatives, relaxed);
      ASSERT_EQ(contrast.sizes(), at::IntArrayRef({13, negatives + 1}));
      EXPECT_EQ(contrast.scalar_type(), at::kLong);
      ASSERT_GE(contrast.min().item<int64_t>(), 0);
      ASSERT_LT(contrast.max().item<int64_t>(), 10);
      const at::Tensor of_contrast = classes.index_select(0, contrast.flatten()).view_as(contrast);
      EXPECT_TRUE(same_bits(of_contrast.select(1, 0), own_class));
      EXPECT_FALSE(of_contrast.slice(1, 1).eq(own_class.unsqueeze(1)).any().item<bool>());
      if (!relaxed) {
        EXPECT_TRUE(same_bits(contrast.select(1, 0), indices));
      }
      for (int64_t b = 0; b < 13; ++b) {
        const auto others = classes.ne(own_class[b]).sum().item<int64_t>();
        const auto most = at::bincount(contrast[b].slice(0, 1)).max().item<int64_t>();
        if (negatives <= others) {
          EXPECT_EQ(most, 1) << b;
        } else {
          EXPECT_GT(most, 1) << b;
        }
      }
    }
  }
}

TEST_F(CrdLossTest, ClassesOfOneRow) {
  const at::Tensor classes = rows_of({7, -7});
  for (int64_t negatives : {1, 3}) {
    const at::Tensor contrast = crd_class_contrast(rows_of({1, 0}), classes, negatives, /*relaxed=*/true);
    EXPECT_TRUE(same_bits(contrast.select(1, 0), rows_of({1, 0})));
    EXPECT_TRUE(same_bits(contrast.slice(1, 1), rows_of({0, 1}).unsqueeze(1).expand({2, negatives})));
  }
}

TEST_F(CrdLossTest, ClassNegativesAreUniform) {
  const at::Tensor others = rows_of({0, 3, 5, 6, 8});
  constexpr int64_t kSamples = 5000;
  // Without repetition and with.
  for (int64_t negatives : {2, 5, 9}) {
    SCOPED_TRACE(negatives);
    const at::Tensor drawn = drawn_often(kSamples, 7, negatives, /*relaxed=*/false).slice(1, 1);
    for (int64_t place = 0; place < negatives; ++place) {
      const at::Tensor counts = at::bincount(drawn.select(1, place), {}, 10).index_select(0, others);
      EXPECT_EQ(counts.sum().item<int64_t>(), kSamples);
      // 4 degrees of freedom.
      EXPECT_LT(chi_square(counts), 30.0) << place;
    }
    const at::Tensor pairs = at::bincount(drawn.select(1, 0) * 10 + drawn.select(1, 1));
    const at::Tensor occurring = pairs.masked_select(pairs.gt(0));
    EXPECT_EQ(occurring.numel(), negatives <= 5 ? 20 : 25);
    EXPECT_LT(chi_square(occurring), 70.0);
  }
}

TEST_F(CrdLossTest, ClassNegativesOfALargeDataSet) {
  constexpr int64_t kRows = 100'003;
  const at::Tensor classes = at::arange(kRows, at::kLong).remainder(100);
  const at::Tensor drawn = crd_class_contrast(rows_of({7}), classes, 5000)[0].slice(0, 1);
  EXPECT_EQ(at::bincount(drawn).max().item<int64_t>(), 1);
  EXPECT_TRUE(close(drawn.to(at::kDouble).mean().item<double>(), kRows / 2.0, 0.03));
  EXPECT_LT(drawn.min().item<double>(), kRows * 0.002);
  EXPECT_GT(drawn.max().item<double>(), kRows * 0.998);
}

TEST_F(CrdLossTest, RelaxedPositivesAreAnyOfTheClass) {
  constexpr int64_t kSamples = 2000;
  for (const auto& [own, rows] :
       std::vector<std::pair<int64_t, std::vector<int64_t>>>{{7, {1, 2, 4, 7, 9}}, {0, {0, 3, 6, 8}}, {5, {5}}}) {
    SCOPED_TRACE(own);
    const at::Tensor positives = drawn_often(kSamples, own, 3, /*relaxed=*/true).select(1, 0);
    const at::Tensor counts = at::bincount(positives, {}, 10).index_select(0, rows_of(rows));
    EXPECT_EQ(counts.sum().item<int64_t>(), kSamples);
    EXPECT_LT(chi_square(counts), 30.0);
  }
}

TEST_F(CrdLossTest, ClassContrastComesFromTheGenerator) {
  const at::Tensor indices = rows_of({4, 0, 9});
  const at::Tensor classes = uneven_classes();
  for (int64_t negatives : {5, 50}) {
    for (bool relaxed : {false, true}) {
      SCOPED_TRACE(c10::str(negatives, relaxed ? " relaxed" : ""));
      const auto draw = [&](const std::optional<at::Generator>& generator) {
        return crd_class_contrast(indices, classes, negatives, relaxed, generator);
      };
      manual_seed(5);
      const at::Tensor first = draw(std::nullopt);
      EXPECT_FALSE(same_bits(draw(std::nullopt), first));
      manual_seed(5);
      EXPECT_TRUE(same_bits(draw(std::nullopt), first));
      const at::Tensor before = random_state();
      EXPECT_TRUE(same_bits(draw(at::detail::createCPUGenerator(5)), first));
      EXPECT_FALSE(same_bits(draw(at::detail::createCPUGenerator(6)), first));
      EXPECT_TRUE(same_bits(random_state(), before));

      const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::crd_class_contrast", "");
      EXPECT_EQ(
          c10::str(op.schema()),
          "retort::crd_class_contrast(Tensor indices, Tensor classes, int negatives, *, bool relaxed=False, "
          "Generator? generator=None) -> Tensor");
      torch::jit::Stack stack = {indices, classes, negatives, relaxed, at::detail::createCPUGenerator(5)};
      op.callBoxed(stack);
      EXPECT_TRUE(same_bits(stack.at(0).toTensor(), first));
    }
  }
}

TEST_F(CrdLossTest, NumberOfThreadsChangesNoClassContrast) {
  const at::Tensor indices = at::arange(100, at::kLong);
  const at::Tensor classes = at::arange(1000, at::kLong).remainder(3);
  for (int64_t negatives : {600, 3000}) {
    const auto draw = [&](int threads) {
      set_threads(threads);
      return crd_class_contrast(indices, classes, negatives, /*relaxed=*/true, at::detail::createCPUGenerator(5));
    };
    const at::Tensor one = draw(1);
    EXPECT_TRUE(same_bits(draw(2), one)) << negatives;
    EXPECT_TRUE(same_bits(draw(16), one)) << negatives;
  }
}

TEST_F(CrdLossTest, ClassContrastOfStridedInput) {
  const at::Tensor indices = rows_of({4, 99, 0, 99}).slice(0, 0, 4, 2);
  const at::Tensor classes = at::stack({uneven_classes(), at::zeros({10}, at::kLong)}, 1).select(1, 0);
  const auto draw = [](const at::Tensor& own, const at::Tensor& of_rows) {
    return crd_class_contrast(own, of_rows, 4, true, at::detail::createCPUGenerator(5));
  };
  EXPECT_TRUE(same_bits(draw(indices, classes), draw(indices.contiguous(), classes.contiguous())));
}

TEST_F(CrdLossTest, ClassContrastRejects) {
  const at::Tensor before = random_state();
  const auto error = [](const at::Tensor& indices, const at::Tensor& classes, int64_t negatives = 3) {
    return error_of([&] { crd_class_contrast(indices, classes, negatives); });
  };
  const at::Tensor good = rows_of({0, 1, 1});
  const at::Tensor row = rows_of({0});
  EXPECT_EQ(error({}, good), "crd_class_contrast: indices must be given (got an undefined tensor)");
  EXPECT_EQ(error(row.to(at::kInt), good), "crd_class_contrast: indices must be int64 (got Int)");
  EXPECT_EQ(error(rows_of({}), good), "crd_class_contrast: indices must be of rank 1 and not empty (got [0])");
  EXPECT_EQ(error(rows_of({3}), good), "crd_class_contrast: indices must be between 0 and 2 (got 3)");
  EXPECT_EQ(error(rows_of({-1}), good), "crd_class_contrast: indices must be between 0 and 2 (got -1)");
  EXPECT_EQ(error(row, {}), "crd_class_contrast: classes must be given (got an undefined tensor)");
  EXPECT_EQ(error(row, good.to(at::kInt)), "crd_class_contrast: classes must be int64 of shape [rows] (got Int [3])");
  EXPECT_EQ(
      error(row, good.unsqueeze(0)), "crd_class_contrast: classes must be int64 of shape [rows] (got Long [1, 3])");
  EXPECT_EQ(error(row, row), "crd_class_contrast: classes must be int64 of shape [rows] (got Long [1])");
  EXPECT_EQ(
      error(row, rows_of({7, 7, 7})), "crd_class_contrast: classes must be at least two different ones (got only 7)");
  EXPECT_EQ(error(row, good, 0), "crd_class_contrast: negatives must be at least 1 (got 0)");
  EXPECT_EQ(
      error(row, good, std::numeric_limits<int64_t>::max()),
      "crd_class_contrast: negatives must be at most 2147483647 (got 9223372036854775807)");
  EXPECT_TRUE(same_bits(random_state(), before));
  EXPECT_EQ(error(row, good), "nothing was thrown");
}

// ---- memories of more than 2^31 numbers -----------------------------------------------------------------------------

TEST_F(CrdLossTest, LargeMemories) {
  constexpr int64_t kRows = 32'770;
  constexpr int64_t kDimension = 65'536;
  Data data;
  try {
    // Pages that are not touched take no memory.
    data.student_memory = at::empty({kRows, kDimension}, at::kFloat);
  } catch (const c10::Error&) {
    GTEST_SKIP() << "there is no address space for 8.6 GB";
  }
  ASSERT_GT(data.student_memory.numel(), int64_t{1} << 31);
  data.teacher_memory = data.student_memory;
  data.contrast = rows_of({kRows - 1, 0, kRows - 2, 1, 16'384, kRows - 1, 32'767, 32'768}).view({2, 4});
  for (int64_t row : {int64_t{0}, int64_t{1}, int64_t{16'384}, int64_t{32'767}, kRows - 2, kRows - 1}) {
    data.student_memory[row].copy_(directions({1, kDimension})[0]);
  }
  data.student = directions({2, kDimension}).to(at::kFloat);
  data.teacher = directions({2, kDimension}).to(at::kFloat);
  data.student[0].copy_(data.student_memory[kRows - 1]);
  data.z_student = data.z_teacher = static_cast<double>(kRows);
  Data wide = data;
  wide.student = data.student.to(at::kDouble);
  wide.teacher = data.teacher.to(at::kDouble);
  EXPECT_TRUE(close(differentiate(data), differentiate(wide, &reference::crd_loss)));
  EXPECT_TRUE(close(
      crd_z(data.student, data.teacher_memory, data.contrast, 0.5),
      reference::crd_z(wide.student, wide.teacher_memory, wide.contrast, 0.5), 2e-4));
}

// ---- criterion ------------------------------------------------------------------------------------------------------

class CrdCriterionTest : public SeededTest {
 protected:
  static CrdOptions options() {
    CrdOptions options;
    options.samples = 20;
    options.negatives = 6;
    options.dimension = 4;
    return options;
  }

  static std::shared_ptr<Criterion> build(at::ScalarType dtype = at::kDouble, const CrdOptions& given = options()) {
    const auto criterion = given.build({{{3, 2, 2}}, {{7}}});
    criterion->to(dtype);
    return criterion;
  }

  static CriterionInput batch(at::ScalarType dtype = at::kDouble) {
    CriterionInput input;
    input.student = {at::randn({5, 3, 2, 2}, dtype)};
    input.teacher = {at::randn({5, 7}, dtype)};
    input.indices = rows_of({2, 19, 0, 7, 11});
    input.contrast = crd_contrast(input.indices, 20, 6);
    return input;
  }

  static at::Tensor forward(Criterion& criterion, const CriterionInput& input) {
    criterion.draw(input);
    return criterion.forward(input);
  }

  static void step(Criterion& criterion, const CriterionInput& input) {
    criterion.snapshot();
    forward(criterion, input);
    criterion.after_step(input);
  }

  /// One network's embeddings of its features.
  static at::Tensor embed(const Criterion& criterion, const std::string& side, const at::Tensor& features) {
    const at::Tensor rows = at::linear(
        features.flatten(1), tensor_of(criterion, side + "_embedding.weight"),
        tensor_of(criterion, side + "_embedding.bias"));
    return (rows / rows.norm(2, 1, /*keepdim=*/true)).detach();
  }

  /// What crd_loss takes of a batch, with the memories as they are and Z of this batch.
  static Data expected_data(const Criterion& criterion, const CriterionInput& input) {
    Data data;
    data.student = embed(criterion, "student", input.student[0]);
    data.teacher = embed(criterion, "teacher", input.teacher[0]);
    data.student_memory = tensor_of(criterion, "student_memory.embeddings").clone();
    data.teacher_memory = tensor_of(criterion, "teacher_memory.embeddings").clone();
    data.contrast = input.contrast;
    data.temperature = 0.07;
    data.z_student = reference::crd_z(data.student, data.teacher_memory, data.contrast, 0.07);
    data.z_teacher = reference::crd_z(data.teacher, data.student_memory, data.contrast, 0.07);
    return data;
  }

  static double number_of(const Criterion& criterion, const std::string& name) {
    return tensor_of(criterion, name).item<double>();
  }
};

TEST_F(CrdCriterionTest, Defaults) {
  const CrdOptions options;
  EXPECT_EQ(options.samples, 0);
  EXPECT_EQ(options.negatives, 16384);
  EXPECT_EQ(options.dimension, 128);
  EXPECT_EQ(options.temperature, 0.07);
  EXPECT_EQ(options.momentum, 0.5);
  EXPECT_EQ(options.queue, 0);
  EXPECT_FALSE(options.classes.defined());
  EXPECT_FALSE(options.relaxed);
  EXPECT_EQ(options.z, CrdZ::kFirstBatch);
  EXPECT_EQ(options.z_momentum, 0.99);
}

TEST_F(CrdCriterionTest, Names) {
  const auto criterion = build(at::kFloat);
  const auto sizes = [](const NamedTensors& tensors) {
    std::vector<std::pair<std::string, std::vector<int64_t>>> result;
    for (const auto& entry : tensors) result.emplace_back(entry.key(), entry.value().sizes().vec());
    std::sort(result.begin(), result.end());
    return result;
  };
  using Sizes = std::vector<std::pair<std::string, std::vector<int64_t>>>;
  EXPECT_EQ(
      sizes(criterion->named_parameters()), (Sizes{
                                                {"student_embedding.bias", {4}},
                                                {"student_embedding.weight", {4, 12}},
                                                {"teacher_embedding.bias", {4}},
                                                {"teacher_embedding.weight", {4, 7}}}));
  EXPECT_EQ(
      sizes(criterion->named_buffers()), (Sizes{
                                             {"student_memory.embeddings", {20, 4}},
                                             {"teacher_memory.embeddings", {20, 4}},
                                             {"z_student", {}},
                                             {"z_teacher", {}}}));
  for (const at::Tensor& parameter : criterion->parameters()) EXPECT_TRUE(parameter.requires_grad());
  for (const at::Tensor& buffer : criterion->buffers()) EXPECT_FALSE(buffer.requires_grad());
  EXPECT_FALSE(same_bits(
      tensor_of(*criterion, "student_memory.embeddings"), tensor_of(*criterion, "teacher_memory.embeddings")));
}

TEST_F(CrdCriterionTest, IsTheLossOfTheEmbeddings) {
  const auto criterion = build();
  const CriterionInput input = batch();
  const Data data = expected_data(*criterion, input);
  const at::Tensor loss = forward(*criterion, input);
  EXPECT_TRUE(close(loss, loss_of(data, &reference::crd_loss)));
  EXPECT_TRUE(close(tensor_of(*criterion, "z_student").item<double>(), data.z_student, 1e-9));
  EXPECT_TRUE(close(tensor_of(*criterion, "z_teacher").item<double>(), data.z_teacher, 1e-9));

  // Forward has changed no memory; after_step does.
  EXPECT_TRUE(same_bits(tensor_of(*criterion, "student_memory.embeddings"), data.student_memory));
  criterion->after_step(input);
  EXPECT_TRUE(close(
      tensor_of(*criterion, "student_memory.embeddings"),
      reference::updated_memory(data.student_memory, input.indices, data.student, 0.5)));
  EXPECT_TRUE(close(
      tensor_of(*criterion, "teacher_memory.embeddings"),
      reference::updated_memory(data.teacher_memory, input.indices, data.teacher, 0.5)));
}

TEST_F(CrdCriterionTest, TrainsBothEmbeddingsAndTheStudentOnly) {
  const auto criterion = build();
  CriterionInput input = batch();
  input.student[0].requires_grad_();
  forward(*criterion, input).backward();
  EXPECT_GT(input.student[0].grad().abs().max().item<double>(), 0.0);
  EXPECT_FALSE(input.teacher[0].grad().defined());
  for (const auto& entry : criterion->named_parameters()) {
    ASSERT_TRUE(entry.value().grad().defined()) << entry.key();
    EXPECT_GT(entry.value().grad().abs().max().item<double>(), 0.0) << entry.key();
  }
}

TEST_F(CrdCriterionTest, ZIsSetOnce) {
  const auto criterion = build();
  for (const std::string name : {"z_student", "z_teacher"}) EXPECT_EQ(tensor_of(*criterion, name).item<double>(), 0.0);
  step(*criterion, batch());
  const at::Tensor z_student = tensor_of(*criterion, "z_student").clone();
  const at::Tensor z_teacher = tensor_of(*criterion, "z_teacher").clone();
  EXPECT_GT(z_student.item<double>(), 0.0);
  EXPECT_NE(z_student.item<double>(), z_teacher.item<double>());
  for (int i = 0; i < 2; ++i) step(*criterion, batch());
  EXPECT_TRUE(same_bits(tensor_of(*criterion, "z_student"), z_student));
  EXPECT_TRUE(same_bits(tensor_of(*criterion, "z_teacher"), z_teacher));

  // A Z that was loaded is kept.
  const auto loaded = build();
  set_tensor(*loaded, "z_student", at::scalar_tensor(3.0));
  step(*loaded, batch());
  EXPECT_EQ(tensor_of(*loaded, "z_student").item<double>(), 3.0);
  EXPECT_GT(tensor_of(*loaded, "z_teacher").item<double>(), 0.0);
}

TEST_F(CrdCriterionTest, FixedZ) {
  CrdOptions fixed = options();
  fixed.z = CrdZ::kFixed;
  fixed.z_student = 45;
  fixed.z_teacher = 38;
  const auto criterion = build(at::kDouble, fixed);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(number_of(*criterion, "z_student"), 45);
    EXPECT_EQ(number_of(*criterion, "z_teacher"), 38);
    const CriterionInput input = batch();
    Data data = expected_data(*criterion, input);
    data.z_student = 45;
    data.z_teacher = 38;
    criterion->snapshot();
    EXPECT_TRUE(close(forward(*criterion, input), loss_of(data, &reference::crd_loss)));
    criterion->after_step(input);
  }
}

TEST_F(CrdCriterionTest, MovingAverageOfZ) {
  CrdOptions moving = options();
  moving.z = CrdZ::kMovingAverage;
  for (double momentum : {0.0, 0.75, 0.99}) {
    SCOPED_TRACE(momentum);
    moving.z_momentum = momentum;
    const auto criterion = build(at::kDouble, moving);
    EXPECT_EQ(criterion->obstacle_to_graph(), "crd_loss: z is a moving average");
    EXPECT_EQ(build(at::kDouble, options())->obstacle_to_graph(), "");
    double z_student = 0;
    double z_teacher = 0;
    for (int i = 0; i < 4; ++i) {
      SCOPED_TRACE(i);
      const CriterionInput input = batch();
      Data data = expected_data(*criterion, input);
      data.z_student = z_student = i == 0 ? data.z_student : momentum * z_student + (1 - momentum) * data.z_student;
      data.z_teacher = z_teacher = i == 0 ? data.z_teacher : momentum * z_teacher + (1 - momentum) * data.z_teacher;
      const auto before = state_of(*criterion);
      criterion->snapshot();
      forward(*criterion, input);
      criterion->restore();
      EXPECT_TRUE(same_bits(state_of(*criterion), before));
      criterion->snapshot();
      EXPECT_TRUE(close(forward(*criterion, input), loss_of(data, &reference::crd_loss)));
      criterion->after_step(input);
      EXPECT_TRUE(close(number_of(*criterion, "z_student"), z_student, 1e-9));
      EXPECT_TRUE(close(number_of(*criterion, "z_teacher"), z_teacher, 1e-9));
    }
  }
}

TEST_F(CrdCriterionTest, MovingAverageGoesOnFromALoadedZ) {
  CrdOptions moving = options();
  moving.z = CrdZ::kMovingAverage;
  const auto criterion = build(at::kDouble, moving);
  set_tensor(*criterion, "z_teacher", at::scalar_tensor(1000.0));
  const CriterionInput input = batch();
  const Data data = expected_data(*criterion, input);
  step(*criterion, input);
  EXPECT_TRUE(close(number_of(*criterion, "z_student"), data.z_student, 1e-9));
  EXPECT_TRUE(close(number_of(*criterion, "z_teacher"), 990 + 0.01 * data.z_teacher, 1e-9));
}

TEST_F(CrdCriterionTest, NanReachesNoMovingAverage) {
  CrdOptions moving = options();
  moving.z = CrdZ::kMovingAverage;
  const auto criterion = build(at::kDouble, moving);
  step(*criterion, batch());
  const auto before = state_of(*criterion);
  CriterionInput input = batch();
  input.student[0][1].fill_(kNan);
  criterion->snapshot();
  EXPECT_EQ(error_of([&] { forward(*criterion, input); }), "crd_loss: z_student must be positive and finite (got nan)");
  criterion->restore();
  EXPECT_TRUE(same_bits(state_of(*criterion), before));
}

TEST_F(CrdCriterionTest, RestoresEveryBit) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const auto criterion = build(dtype);
    // The first time Z is unset.
    for (int i = 0; i < 3; ++i) {
      SCOPED_TRACE(c10::str(dtype, " batch ", i));
      const CriterionInput input = batch(dtype);
      const auto before = state_of(*criterion);
      criterion->snapshot();
      forward(*criterion, input);
      criterion->restore();
      EXPECT_TRUE(same_bits(state_of(*criterion), before));

      step(*criterion, input);
      const auto after = state_of(*criterion);
      EXPECT_FALSE(same_bits(after, before));
      criterion->restore();
      EXPECT_TRUE(same_bits(state_of(*criterion), before));
      criterion->restore();
      EXPECT_TRUE(same_bits(state_of(*criterion), before));

      // As if nothing had been; what the last step changed is not put back by a later one.
      step(*criterion, input);
      EXPECT_TRUE(same_bits(state_of(*criterion), after));
      criterion->snapshot();
      criterion->restore();
      EXPECT_TRUE(same_bits(state_of(*criterion), after));
    }
  }
}

TEST_F(CrdCriterionTest, RestoresRepeatedRows) {
  const auto criterion = build();
  CriterionInput input = batch();
  input.indices = rows_of({4, 4, 9, 4, 9});
  const auto before = state_of(*criterion);
  step(*criterion, input);
  criterion->restore();
  EXPECT_TRUE(same_bits(state_of(*criterion), before));
}

TEST_F(CrdCriterionTest, LastOfEqualIndicesCounts) {
  const auto criterion = build();
  const auto twin = build();
  for (const auto& entry : state_of(*criterion)) set_tensor(*twin, entry.key(), entry.value());
  CriterionInput input = batch();
  input.indices = rows_of({4, 4, 9, 4, 9});
  step(*criterion, input);
  CriterionInput last;
  last.student = {input.student[0].slice(0, 3)};
  last.teacher = {input.teacher[0].slice(0, 3)};
  last.indices = input.indices.slice(0, 3);
  last.contrast = input.contrast.slice(0, 3);
  step(*twin, last);
  for (const std::string name : {"student_memory.embeddings", "teacher_memory.embeddings"}) {
    EXPECT_TRUE(close(tensor_of(*criterion, name), tensor_of(*twin, name), 1e-14));
  }
}

TEST_F(CrdCriterionTest, DrawsContrastWhereNoneIsGiven) {
  const auto criterion = build();
  CriterionInput given = batch();
  forward(*criterion, given);
  manual_seed(7);
  given.contrast = crd_contrast(given.indices, 20, 6);
  CriterionInput drawn = given;
  drawn.contrast = at::Tensor();
  EXPECT_EQ(
      error_of([&] { build()->forward(drawn); }), "crd_loss: draw must be called before forward (got nothing drawn)");
  manual_seed(7);
  EXPECT_TRUE(same_bits(forward(*criterion, drawn), forward(*criterion, given)));

  // What is given needs neither the generator nor as many negatives.
  given.contrast = crd_contrast(given.indices, 20, 2);
  const at::Tensor before = random_state();
  forward(*criterion, given);
  EXPECT_TRUE(same_bits(random_state(), before));
}

TEST_F(CrdCriterionTest, DrawsByClass) {
  for (bool relaxed : {false, true}) {
    SCOPED_TRACE(relaxed);
    CrdOptions by_class = options();
    by_class.classes = at::arange(20, at::kLong).remainder(3) * 100;
    by_class.relaxed = relaxed;
    const auto criterion = build(at::kDouble, by_class);
    CriterionInput given = batch();
    manual_seed(7);
    given.contrast = crd_class_contrast(given.indices, by_class.classes, 6, relaxed);
    CriterionInput drawn = given;
    drawn.contrast = at::Tensor();
    // What becomes of the options later is nothing to the criterion.
    by_class.classes.zero_();
    manual_seed(7);
    const at::Tensor loss = forward(*criterion, drawn);
    EXPECT_TRUE(same_bits(forward(*criterion, given), loss));

    // What moves is the sample's own row, whatever the positive was.
    const Data data = expected_data(*criterion, given);
    criterion->after_step(given);
    EXPECT_TRUE(close(
        tensor_of(*criterion, "student_memory.embeddings"),
        reference::updated_memory(data.student_memory, given.indices, data.student, 0.5)));
  }
}

// ---- queue ----------------------------------------------------------------------------------------------------------

class CrdQueueTest : public CrdCriterionTest {
 protected:
  static CrdOptions options() {
    CrdOptions options = CrdCriterionTest::options();
    options.samples = 0;
    options.queue = 7;
    return options;
  }

  static std::shared_ptr<Criterion> build(at::ScalarType dtype = at::kDouble) {
    return CrdCriterionTest::build(dtype, options());
  }

  static CriterionInput batch(at::ScalarType dtype = at::kDouble, int64_t size = 3) {
    CriterionInput input;
    input.student = {at::randn({size, 3, 2, 2}, dtype)};
    input.teacher = {at::randn({size, 7}, dtype)};
    return input;
  }
};

TEST_F(CrdQueueTest, Names) {
  const auto criterion = options().build({{{3, 2, 2}}, {{7}}});
  std::vector<std::string> names = criterion->named_buffers().keys();
  std::sort(names.begin(), names.end());
  EXPECT_EQ(
      names, (std::vector<std::string>{
                 "oldest", "student_memory.embeddings", "teacher_memory.embeddings", "z_student", "z_teacher"}));
  EXPECT_EQ(tensor_of(*criterion, "oldest").scalar_type(), at::kLong);
  EXPECT_EQ(number_of(*criterion, "oldest"), 0);
  EXPECT_EQ(tensor_of(*criterion, "student_memory.embeddings").sizes(), at::IntArrayRef({7, 4}));
}

TEST_F(CrdQueueTest, EmbeddingsReplaceTheOldestBeforeTheyAreCompared) {
  const auto criterion = build();
  Data expected = data_of();
  expected.temperature = 0.07;
  expected.student_memory = tensor_of(*criterion, "student_memory.embeddings").clone();
  expected.teacher_memory = tensor_of(*criterion, "teacher_memory.embeddings").clone();
  int64_t oldest = 0;
  int i = 0;
  // The third batch wraps round; the fourth replaces everything.
  for (int64_t size : {3, 3, 3, 7, 1, 5}) {
    SCOPED_TRACE(c10::str("batch ", ++i, " of ", size));
    const CriterionInput input = batch(at::kDouble, size);
    std::vector<int64_t> rows;
    for (int64_t b = 0; b < size; ++b) rows.push_back((oldest + b) % 7);
    manual_seed(i);
    expected.contrast = crd_contrast(rows_of(rows), 7, 6);
    expected.student = embed(*criterion, "student", input.student[0]);
    expected.teacher = embed(*criterion, "teacher", input.teacher[0]);
    for (int64_t b = 0; b < size; ++b) {
      expected.student_memory[rows[static_cast<size_t>(b)]].copy_(expected.student[b]);
      expected.teacher_memory[rows[static_cast<size_t>(b)]].copy_(expected.teacher[b]);
    }
    if (i == 1) {
      expected.z_student = reference::crd_z(expected.student, expected.teacher_memory, expected.contrast, 0.07);
      expected.z_teacher = reference::crd_z(expected.teacher, expected.student_memory, expected.contrast, 0.07);
    }
    manual_seed(i);
    criterion->snapshot();
    const at::Tensor loss = forward(*criterion, input);
    EXPECT_TRUE(close(loss, loss_of(expected, &reference::crd_loss)));
    EXPECT_EQ(number_of(*criterion, "oldest"), static_cast<double>(oldest));
    criterion->after_step(input);
    oldest = (oldest + size) % 7;
    EXPECT_EQ(number_of(*criterion, "oldest"), static_cast<double>(oldest));
    EXPECT_TRUE(close(tensor_of(*criterion, "student_memory.embeddings"), expected.student_memory, 1e-12));
    EXPECT_TRUE(close(tensor_of(*criterion, "teacher_memory.embeddings"), expected.teacher_memory, 1e-12));
  }
}

TEST_F(CrdQueueTest, IndicesAreNothing) {
  const auto criterion = build();
  const CriterionInput plain = batch();
  CriterionInput indexed = plain;
  indexed.indices = rows_of({-1, 1000, 0});
  manual_seed(7);
  const at::Tensor loss = forward(*criterion, plain);
  manual_seed(7);
  EXPECT_TRUE(same_bits(forward(*criterion, indexed), loss));
}

TEST_F(CrdQueueTest, OnlyContrastIsChecked) {
  const auto criterion = build();
  CriterionInput input;
  input.indices = rows_of({-1, 1000, 0});
  EXPECT_NO_THROW(criterion->check_batch(input));
  input.contrast = rows_of({0, 7}).view({1, 2});
  EXPECT_EQ(error_of([&] { criterion->check_batch(input); }), "crd_loss: contrast must be between 0 and 6 (got 7)");
}

TEST_F(CrdQueueTest, GivenContrastIsTaken) {
  const auto criterion = build();
  step(*criterion, batch());
  CriterionInput input = batch();
  manual_seed(7);
  const at::Tensor loss = forward(*criterion, input);
  manual_seed(7);
  input.contrast = crd_contrast(rows_of({3, 4, 5}), 7, 6);
  const at::Tensor before = random_state();
  EXPECT_TRUE(same_bits(forward(*criterion, input), loss));
  EXPECT_TRUE(same_bits(random_state(), before));
}

TEST_F(CrdQueueTest, TrainsBothEmbeddingsAndTheStudent) {
  const auto criterion = build();
  CriterionInput input = batch();
  input.student[0].requires_grad_();
  forward(*criterion, input).backward();
  EXPECT_GT(input.student[0].grad().abs().max().item<double>(), 0.0);
  for (const auto& entry : criterion->named_parameters()) {
    EXPECT_GT(entry.value().grad().abs().max().item<double>(), 0.0) << entry.key();
  }
}

TEST_F(CrdQueueTest, RestoresEveryBit) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const auto criterion = build(dtype);
    // The first time Z is unset; the third batch wraps round.
    for (int i = 0; i < 4; ++i) {
      SCOPED_TRACE(c10::str(dtype, " batch ", i));
      const CriterionInput input = batch(dtype);
      const auto before = state_of(*criterion);
      criterion->snapshot();
      forward(*criterion, input);
      EXPECT_FALSE(same_bits(state_of(*criterion), before));
      criterion->restore();
      EXPECT_TRUE(same_bits(state_of(*criterion), before));

      step(*criterion, input);
      EXPECT_FALSE(same_bits(tensor_of(*criterion, "oldest"), before["oldest"]));
      criterion->restore();
      EXPECT_TRUE(same_bits(state_of(*criterion), before));
      step(*criterion, input);
    }
  }
}

TEST_F(CrdQueueTest, NanIsRefused) {
  for (bool student : {true, false}) {
    SCOPED_TRACE(student ? "student" : "teacher");
    const auto criterion = build();
    step(*criterion, batch());
    const auto before = state_of(*criterion);
    CriterionInput input = batch();
    (student ? input.student : input.teacher)[0][1].fill_(kNan);
    criterion->snapshot();
    EXPECT_EQ(
        error_of([&] { forward(*criterion, input); }), "ContrastMemory: embeddings must be finite (got inf or nan)");
    criterion->restore();
    EXPECT_TRUE(same_bits(state_of(*criterion), before));
  }
}

TEST_F(CrdQueueTest, RejectsBatchesThatAreTooLarge) {
  const auto criterion = build();
  const auto before = state_of(*criterion);
  const CriterionInput input = batch(at::kDouble, 8);
  EXPECT_EQ(
      error_of([&] { forward(*criterion, input); }), "crd_loss: batch must be at most the queue's 7 rows (got 8)");
  EXPECT_TRUE(same_bits(state_of(*criterion), before));
}

TEST_F(CrdQueueTest, RejectsOptions) {
  const auto error_after = [](const std::function<void(CrdOptions&)>& change) {
    CrdOptions changed = options();
    change(changed);
    return error_of([&] { changed.build({{{3, 2, 2}}, {{7}}}); });
  };
  EXPECT_EQ(error_after([](CrdOptions&) {}), "nothing was thrown");
  EXPECT_EQ(
      error_after([](CrdOptions& options) { options.queue = 1; }),
      "crd_loss: queue must be at least 2, or 0 for none (got 1)");
  EXPECT_EQ(
      error_after([](CrdOptions& options) { options.queue = -7; }),
      "crd_loss: queue must be at least 2, or 0 for none (got -7)");
  EXPECT_EQ(
      error_after([](CrdOptions& options) { options.samples = 20; }),
      "crd_loss: samples must be 0 where there is a queue (got 20)");
  EXPECT_EQ(
      error_after([](CrdOptions& options) {
        options.classes = rows_of({0, 1, 2, 3, 4, 5, 6});
      }),
      "crd_loss: classes must be undefined where there is a queue (got [7])");
}

// ---- other input ----------------------------------------------------------------------------------------------------

TEST_F(CrdCriterionTest, FlattensTaps) {
  const auto flat = options().build({{{12}}, {{7}}});
  flat->to(at::kDouble);
  const auto criterion = build();
  for (const auto& entry : state_of(*criterion)) set_tensor(*flat, entry.key(), entry.value());
  CriterionInput input = batch();
  const at::Tensor loss = forward(*criterion, input);
  // A tap in channels-last memory.
  input.student = {input.student[0].contiguous(at::MemoryFormat::ChannelsLast)};
  EXPECT_TRUE(close(forward(*criterion, input), loss, 1e-13));
  input.student = {input.student[0].flatten(1)};
  EXPECT_TRUE(close(forward(*flat, input), loss, 1e-13));
}

TEST_F(CrdCriterionTest, HalfPrecisionFeatures) {
  const auto criterion = build(at::kFloat);
  for (at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    SCOPED_TRACE(c10::toString(dtype));
    CriterionInput half = batch(dtype);
    half.student[0].requires_grad_();
    CriterionInput single = half;
    single.student = {half.student[0].detach().to(at::kFloat).requires_grad_()};
    single.teacher = {half.teacher[0].to(at::kFloat)};
    const at::Tensor loss = forward(*criterion, half);
    EXPECT_EQ(loss.scalar_type(), at::kFloat);
    EXPECT_TRUE(same_bits(loss, forward(*criterion, single)));
    loss.backward();
    forward(*criterion, single).backward();
    EXPECT_EQ(half.student[0].grad().scalar_type(), dtype);
    EXPECT_TRUE(close(half.student[0].grad(), single.student[0].grad()));
    criterion->after_step(half);
  }
}

TEST_F(CrdCriterionTest, MemoriesInBFloat16) {
  CrdOptions rounded = options();
  rounded.memory_dtype = CrdMemoryDtype::kBFloat16;
  const auto criterion = rounded.build({{{3, 2, 2}}, {{7}}});
  const auto full = build(at::kFloat);
  for (const auto& entry : state_of(*criterion)) set_tensor(*full, entry.key(), entry.value().to(at::kFloat));
  const auto memory = [](Criterion& of) { return state_of(of)["student_memory.embeddings"].clone(); };
  const at::Tensor before = memory(*criterion);
  ASSERT_EQ(before.scalar_type(), at::kBFloat16);

  const CriterionInput input = batch(at::kFloat);
  criterion->snapshot();
  // The first step reads the same rows.
  manual_seed(9);
  const at::Tensor loss = forward(*criterion, input);
  manual_seed(9);
  EXPECT_TRUE(same_bits(loss, forward(*full, input)));
  criterion->after_step(input);
  full->after_step(input);
  EXPECT_FALSE(same_bits(memory(*criterion), before));
  EXPECT_TRUE(same_bits(memory(*criterion), memory(*full).to(at::kBFloat16)));
  criterion->restore();
  EXPECT_TRUE(same_bits(memory(*criterion), before));
}

TEST_F(CrdCriterionTest, ZeroEmbeddings) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (double length : {0.0, 1e-30, 1e-7}) {
      SCOPED_TRACE(c10::str(dtype, " length ", length));
      const auto criterion = build(dtype);
      for (const std::string side : {"student", "teacher"}) {
        set_tensor(*criterion, side + "_embedding.bias", at::zeros({4}));
      }
      CriterionInput input = batch(dtype);
      input.student[0][1].mul_(length);
      input.teacher[0][2].mul_(length);
      input.student[0].requires_grad_();
      criterion->snapshot();
      const at::Tensor loss = forward(*criterion, input);
      EXPECT_TRUE(std::isfinite(loss.item<double>()));
      loss.backward();
      const at::Tensor gradient = input.student[0].grad();
      EXPECT_TRUE(gradient.isfinite().all().item<bool>());
      EXPECT_EQ(gradient[1].abs().max().item<double>(), 0.0);
      EXPECT_GT(gradient[2].abs().max().item<double>(), 0.0);
      for (const at::Tensor& parameter : criterion->parameters()) {
        EXPECT_TRUE(parameter.grad().isfinite().all().item<bool>());
      }
      // The memory's row keeps its direction.
      const at::Tensor row = tensor_of(*criterion, "student_memory.embeddings")[19].clone();
      criterion->after_step(input);
      EXPECT_TRUE(close(tensor_of(*criterion, "student_memory.embeddings")[19], row / row.norm()));
      for (const at::Tensor& buffer : criterion->buffers()) EXPECT_TRUE(buffer.isfinite().all().item<bool>());
    }
  }
}

TEST_F(CrdCriterionTest, NanReachesNoMemory) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (bool student : {true, false}) {
      SCOPED_TRACE(c10::str(dtype, student ? " student" : " teacher"));
      const auto criterion = build(dtype);
      step(*criterion, batch(dtype));
      const auto before = state_of(*criterion);
      CriterionInput input = batch(dtype);
      (student ? input.student : input.teacher)[0][3][1] = kNan;
      criterion->snapshot();
      EXPECT_TRUE(std::isnan(forward(*criterion, input).item<double>()));
      EXPECT_EQ(
          error_of([&] { criterion->after_step(input); }),
          "ContrastMemory: embeddings must be finite (got inf or nan)");
      EXPECT_TRUE(same_bits(tensor_of(*criterion, "teacher_memory.embeddings"), before["teacher_memory.embeddings"]));
      if (student) {
        EXPECT_TRUE(same_bits(state_of(*criterion), before));
      }
      criterion->restore();
      EXPECT_TRUE(same_bits(state_of(*criterion), before));
    }
  }
}

TEST_F(CrdCriterionTest, NanBecomesNoZ) {
  const auto criterion = build();
  CriterionInput input = batch();
  input.teacher[0][3][1] = kNan;
  const auto before = state_of(*criterion);
  criterion->snapshot();
  EXPECT_EQ(error_of([&] { forward(*criterion, input); }), "crd_loss: z_teacher must be positive and finite (got nan)");
  criterion->restore();
  EXPECT_TRUE(same_bits(state_of(*criterion), before));
}

TEST_F(CrdCriterionTest, InfiniteZIsRefused) {
  CrdOptions cold = options();
  // e^(1 / T) is more than float32 has, in which the buffer is.
  cold.temperature = 0.002;
  const auto criterion = cold.build({{{3, 2, 2}}, {{7}}});
  const CriterionInput input = batch(at::kFloat);
  EXPECT_EQ(error_of([&] { forward(*criterion, input); }), "crd_loss: z_student must be positive and finite (got inf)");
}

TEST_F(CrdCriterionTest, RejectsBatches) {
  const auto criterion = build();
  step(*criterion, batch());
  const auto before = state_of(*criterion);
  const auto error_after = [&](const std::function<void(CriterionInput&)>& change) {
    CriterionInput input = batch();
    change(input);
    return error_of([&] { criterion->check_batch(input); });
  };
  EXPECT_EQ(error_after([](CriterionInput&) {}), "nothing was thrown");
  EXPECT_EQ(error_after([](CriterionInput& input) { input.contrast = at::Tensor(); }), "nothing was thrown");
  EXPECT_EQ(
      error_after([](CriterionInput& input) { input.indices = at::Tensor(); }),
      "crd_loss: indices must be given (got an undefined tensor)");
  EXPECT_EQ(
      error_after([](CriterionInput& input) { input.indices[0] = 20; }),
      "crd_loss: indices must be between 0 and 19 (got 20)");
  EXPECT_EQ(
      error_after([](CriterionInput& input) { input.indices[4] = -1; }),
      "crd_loss: indices must be between 0 and 19 (got -1)");
  EXPECT_EQ(
      error_after([](CriterionInput& input) { input.contrast[4][3] = 20; }),
      "crd_loss: contrast must be between 0 and 19 (got 20)");
  EXPECT_EQ(
      error_after([](CriterionInput& input) { input.contrast[0][0] = -5; }),
      "crd_loss: contrast must be between 0 and 19 (got -5)");
  CriterionInput input = batch();
  input.contrast = input.contrast.slice(0, 1);
  EXPECT_EQ(
      error_of([&] { forward(*criterion, input); }),
      "crd_loss: contrast must be of shape [5, negatives + 1] (got [4, 7])");
  EXPECT_TRUE(same_bits(state_of(*criterion), before));
}

TEST_F(CrdCriterionTest, BatchesThatWereNotCheckedReachNoOtherMemory) {
  CrdOptions by_class = options();
  by_class.classes = at::arange(20, at::kLong).remainder(3);
  for (const CrdOptions& given : {options(), by_class}) {
    const auto criterion = build(at::kDouble, given);
    CriterionInput input = batch();
    input.indices[0] = 20;
    input.contrast = at::Tensor();
    EXPECT_THROW(forward(*criterion, input), c10::ValueError);
  }
}

TEST_F(CrdCriterionTest, ErrorsHaveClasses) {
  const auto criterion = build();
  CriterionInput input = batch();
  input.indices = at::Tensor();
  EXPECT_THROW(criterion->check_batch(input), ShapeError);
  input = batch();
  input.student[0][3][1] = kNan;
  EXPECT_THROW(forward(*criterion, input), NonFiniteError);

  Data data = data_of();
  data.teacher_memory = data.teacher_memory.slice(0, 1);
  EXPECT_THROW(loss_of(data), ShapeError);
  CrdOptions short_classes = options();
  short_classes.classes = at::arange(19, at::kLong);
  EXPECT_THROW(build(at::kDouble, short_classes), ShapeError);
}

TEST_F(CrdCriterionTest, Description) {
  CrdOptions by_class = options();
  EXPECT_EQ(
      by_class.description(),
      "crd_loss(samples=20, queue=0, classes=none, relaxed=false, negatives=6, dimension=4, temperature=0.07, "
      "momentum=0.5, memory_dtype=float32, z=first_batch, z_student=0, z_teacher=0, z_momentum=0.99)");
  by_class.classes = at::arange(20, at::kLong);
  expect_descriptions_differ(
      by_class,
      {[](CrdOptions& options) { options.samples = 21; }, [](CrdOptions& options) { options.queue = 20; },
       [](CrdOptions& options) { options.classes = at::Tensor(); },
       [](CrdOptions& options) { options.classes = options.classes.flip(0); },
       [](CrdOptions& options) { options.relaxed = true; }, [](CrdOptions& options) { options.negatives = 7; },
       [](CrdOptions& options) { options.dimension = 5; }, [](CrdOptions& options) { options.temperature = 0.08; },
       [](CrdOptions& options) { options.momentum = 0.6; },
       [](CrdOptions& options) { options.memory_dtype = CrdMemoryDtype::kBFloat16; },
       [](CrdOptions& options) { options.z = CrdZ::kFixed; },
       [](CrdOptions& options) { options.z = CrdZ::kMovingAverage; },
       [](CrdOptions& options) { options.z_student = 1; }, [](CrdOptions& options) { options.z_teacher = 1; },
       [](CrdOptions& options) { options.z_momentum = 0.9; }});
}

TEST_F(CrdCriterionTest, RejectsOptions) {
  const auto error_after = [](const std::function<void(CrdOptions&)>& change) {
    CrdOptions changed = options();
    change(changed);
    return error_of([&] { changed.build({{{3, 2, 2}}, {{7}}}); });
  };
  EXPECT_EQ(error_after([](CrdOptions&) {}), "nothing was thrown");
  EXPECT_EQ(
      error_after([](CrdOptions& options) { options.samples = CrdOptions().samples; }),
      "crd_loss: samples must be at least 2 (got 0)");
  EXPECT_EQ(
      error_after([](CrdOptions& options) { options.samples = 1; }), "crd_loss: samples must be at least 2 (got 1)");
  EXPECT_EQ(
      error_after([](CrdOptions& options) { options.negatives = 0; }),
      "crd_loss: negatives must be at least 1 (got 0)");
  EXPECT_EQ(
      error_after([](CrdOptions& options) { options.dimension = 0; }),
      "crd_loss: dimension must be at least 1 (got 0)");
  for (const auto& [number, text] : kNotPositive) {
    EXPECT_EQ(
        error_after([n = number](CrdOptions& options) { options.temperature = n; }),
        "crd_loss: temperature must be positive and finite (got " + text + ")");
  }
  for (const auto& [number, text] :
       std::vector<std::pair<double, std::string>>{{-0.5, "-0.5"}, {1.0, "1"}, {kInfinity, "inf"}, {kNan, "nan"}}) {
    EXPECT_EQ(
        error_after([n = number](CrdOptions& options) { options.momentum = n; }),
        "crd_loss: momentum must be at least 0 and below 1 (got " + text + ")");
  }
  for (const auto& [number, text] : kNotPositive) {
    EXPECT_EQ(
        error_after([n = number](CrdOptions& options) {
          options.z = CrdZ::kFixed;
          options.z_student = n;
          options.z_teacher = 1;
        }),
        "crd_loss: z_student must be positive and finite (got " + text + ")");
    EXPECT_EQ(
        error_after([n = number](CrdOptions& options) {
          options.z = CrdZ::kFixed;
          options.z_student = 1;
          options.z_teacher = n;
        }),
        "crd_loss: z_teacher must be positive and finite (got " + text + ")");
  }
  for (const auto& [number, text] :
       std::vector<std::pair<double, std::string>>{{-0.5, "-0.5"}, {1.0, "1"}, {kInfinity, "inf"}, {kNan, "nan"}}) {
    EXPECT_EQ(
        error_after([n = number](CrdOptions& options) {
          options.z = CrdZ::kMovingAverage;
          options.z_momentum = n;
        }),
        "crd_loss: z_momentum must be at least 0 and below 1 (got " + text + ")");
  }
  EXPECT_EQ(
      error_after([](CrdOptions& options) { options.z = static_cast<CrdZ>(7); }),
      "crd_loss: z must be one of CrdZ (got 7)");
  EXPECT_EQ(
      error_after([](CrdOptions& options) { options.relaxed = true; }),
      "crd_loss: classes must be given for relaxed positives (got an undefined tensor)");
  EXPECT_EQ(
      error_after([](CrdOptions& options) { options.classes = at::arange(19, at::kLong); }),
      "crd_loss: classes must be of shape [20] (got [19])");
  EXPECT_EQ(
      error_after([](CrdOptions& options) { options.classes = at::arange(20, at::kInt); }),
      "crd_loss: classes must be int64 of shape [rows] (got Int [20])");
  EXPECT_EQ(
      error_after([](CrdOptions& options) { options.classes = at::full({20}, -4, at::kLong); }),
      "crd_loss: classes must be at least two different ones (got only -4)");
}

TEST_F(CrdCriterionTest, RejectsTaps) {
  const auto error = [](const FeatureShapes& shapes) { return error_of([&] { options().build(shapes); }); };
  EXPECT_EQ(error({}), "crd_loss: taps must be one of each network (got 0 and 0)");
  EXPECT_EQ(error({{{3}}, {}}), "crd_loss: taps must be one of each network (got 1 and 0)");
  EXPECT_EQ(error({{{3}, {4}}, {{3}, {4}}}), "crd_loss: taps must be one of each network (got 2 and 2)");
}

}  // namespace
}  // namespace retort::test::crd_test
