#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/memory/contrast_memory.h>

#include <cmath>
#include <limits>

#include "expect.h"
#include "reference/crd.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::close;
using test::error_of;
using test::same_bits;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

at::Tensor rows_of(std::vector<int64_t> rows) {
  return at::tensor(rows, at::kLong);
}

class ContrastMemoryTest : public test::SeededTest {
 protected:
  static ContrastMemory make(at::ScalarType dtype = at::kDouble, int64_t rows = 7, int64_t dimension = 5) {
    ContrastMemory memory(rows, dimension);
    memory.to(dtype);
    return memory;
  }
};

TEST_F(ContrastMemoryTest, StartsUniform) {
  for (int64_t dimension : {1, 3, 128}) {
    SCOPED_TRACE(dimension);
    const ContrastMemory memory(2000, dimension);
    const at::Tensor rows = memory.embeddings();
    EXPECT_EQ(rows.scalar_type(), at::kFloat);
    EXPECT_EQ(rows.sizes(), at::IntArrayRef({2000, dimension}));
    EXPECT_FALSE(rows.requires_grad());
    const double bound = std::sqrt(3.0 / static_cast<double>(dimension));
    EXPECT_LE(rows.abs().max().item<double>(), bound * (1 + 1e-6));
    EXPECT_GE(rows.max().item<double>(), bound * 0.99);
    EXPECT_LE(rows.min().item<double>(), -bound * 0.99);
    EXPECT_NEAR(rows.mean().item<double>() / bound, 0.0, 0.05);
    // The expected squared length of a row is 1.
    EXPECT_NEAR(rows.square().sum(1).mean().item<double>(), 1.0, 0.1);
  }
}

TEST_F(ContrastMemoryTest, StartsFromTheDefaultGenerator) {
  manual_seed(4);
  const ContrastMemory first(7, 5);
  const ContrastMemory second(7, 5);
  manual_seed(4);
  const ContrastMemory again(7, 5);
  EXPECT_TRUE(same_bits(again.embeddings(), first.embeddings()));
  EXPECT_FALSE(same_bits(second.embeddings(), first.embeddings()));
}

TEST_F(ContrastMemoryTest, IsABuffer) {
  const ContrastMemory memory = make();
  EXPECT_TRUE(memory.parameters().empty());
  EXPECT_EQ(memory.named_buffers().keys(), std::vector<std::string>{"embeddings"});
  EXPECT_TRUE(memory.named_buffers()["embeddings"].is_same(memory.embeddings()));
  EXPECT_EQ(memory.embeddings().scalar_type(), at::kDouble);
}

TEST_F(ContrastMemoryTest, MovesRows) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (double momentum : {0.0, 0.5, 0.9}) {
      for (int64_t dimension : {1, 2, 7, 8, 17, 128}) {
        SCOPED_TRACE(c10::str(dtype, " momentum ", momentum, ", dimension ", dimension));
        ContrastMemory memory = make(dtype, 9, dimension);
        const at::Tensor before = memory.embeddings().clone();
        const at::Tensor indices = rows_of({8, 0, 3});
        const at::Tensor embeddings = at::randn({3, dimension}, dtype);
        const MemoryRows old = memory.update(indices, embeddings, momentum);
        const at::Tensor expected =
            reference::updated_memory(before.to(at::kDouble), indices, embeddings.to(at::kDouble), momentum);
        EXPECT_TRUE(close(memory.embeddings(), expected));
        const at::Tensor others = rows_of({1, 2, 4, 5, 6, 7});
        EXPECT_TRUE(same_bits(memory.embeddings().index_select(0, others), before.index_select(0, others)));
        EXPECT_TRUE(same_bits(old.indices, indices));
        EXPECT_TRUE(same_bits(old.embeddings, before.index_select(0, indices)));
        const at::Tensor lengths = memory.embeddings().index_select(0, indices).square().sum(1).sqrt();
        EXPECT_TRUE(close(lengths, at::ones({3}, at::kDouble)));
      }
    }
  }
}

TEST_F(ContrastMemoryTest, RowsInBFloat16AreComputedInFloat32AndRounded) {
  ContrastMemory rounded(7, 5, at::kBFloat16);
  ContrastMemory full = make(at::kFloat);
  const at::Tensor before = rounded.embeddings().clone();
  full.assign({at::arange(7, at::kLong), before.to(at::kFloat)});
  const at::Tensor indices = rows_of({6, 1, 6});
  const at::Tensor embeddings = at::randn({3, 5});
  const MemoryRows old = rounded.update(indices, embeddings, 0.5);
  full.update(indices, embeddings, 0.5);
  EXPECT_EQ(rounded.embeddings().scalar_type(), at::kBFloat16);
  EXPECT_TRUE(same_bits(rounded.embeddings(), full.embeddings().to(at::kBFloat16)));
  rounded.assign(old);
  EXPECT_TRUE(same_bits(rounded.embeddings(), before));
  EXPECT_EQ(
      error_of([&] { rounded.update(indices, embeddings.to(at::kBFloat16), 0.5); }),
      "ContrastMemory: embeddings must be Float for a memory of BFloat16 (got BFloat16)");
}

TEST_F(ContrastMemoryTest, WithoutMomentumTheRowIsTheEmbedding) {
  ContrastMemory memory = make();
  const at::Tensor embedding = at::randn({1, 5}, at::kDouble);
  memory.update(rows_of({2}), embedding, 0.0);
  EXPECT_TRUE(close(memory.embeddings()[2], embedding[0] / embedding.norm()));
}

TEST_F(ContrastMemoryTest, LastOfEqualIndicesCounts) {
  ContrastMemory memory = make();
  ContrastMemory single = make();
  single.assign({at::arange(7, at::kLong), memory.embeddings()});
  const at::Tensor before = memory.embeddings().clone();
  const at::Tensor embeddings = at::randn({6, 5}, at::kDouble);
  const at::Tensor indices = rows_of({3, 0, 3, 6, 0, 3});
  const MemoryRows old = memory.update(indices, embeddings, 0.5);

  const at::Tensor last = rows_of({3, 4, 5});
  single.update(indices.index_select(0, last), embeddings.index_select(0, last), 0.5);
  EXPECT_TRUE(same_bits(memory.embeddings(), single.embeddings()));
  EXPECT_TRUE(close(memory.embeddings(), reference::updated_memory(before, indices, embeddings, 0.5)));
  // Each row once, so that it can be put back.
  EXPECT_TRUE(same_bits(old.indices, rows_of({6, 0, 3})));
  memory.assign(old);
  EXPECT_TRUE(same_bits(memory.embeddings(), before));
}

TEST_F(ContrastMemoryTest, AssignRestores) {
  ContrastMemory memory = make(at::kFloat);
  const at::Tensor before = memory.embeddings().clone();
  const MemoryRows first = memory.update(rows_of({1, 4}), at::randn({2, 5}), 0.5);
  const at::Tensor between = memory.embeddings().clone();
  const MemoryRows second = memory.update(rows_of({4, 6}), at::randn({2, 5}), 0.5);
  memory.assign(second);
  EXPECT_TRUE(same_bits(memory.embeddings(), between));
  memory.assign(first);
  EXPECT_TRUE(same_bits(memory.embeddings(), before));
}

TEST_F(ContrastMemoryTest, KeepsItsStorage) {
  ContrastMemory memory = make();
  const at::Tensor view = memory.embeddings();
  memory.update(rows_of({1}), at::randn({1, 5}, at::kDouble), 0.5);
  EXPECT_TRUE(same_bits(view, memory.embeddings()));
  EXPECT_EQ(view.const_data_ptr(), memory.embeddings().const_data_ptr());
}

TEST_F(ContrastMemoryTest, ZerosStayZeros) {
  ContrastMemory memory = make();
  memory.assign({rows_of({2}), at::zeros({1, 5}, at::kDouble)});
  memory.update(rows_of({2}), at::zeros({1, 5}, at::kDouble), 0.5);
  EXPECT_EQ(memory.embeddings()[2].abs().max().item<double>(), 0.0);
  // A zero embedding leaves the direction of a row as it is.
  const at::Tensor row = memory.embeddings()[3].clone();
  memory.update(rows_of({3}), at::zeros({1, 5}, at::kDouble), 0.5);
  EXPECT_TRUE(close(memory.embeddings()[3], row / row.norm()));
}

TEST_F(ContrastMemoryTest, EmbeddingsMayHaveAGradientOrAnyStrides) {
  ContrastMemory memory = make();
  ContrastMemory plain = make();
  plain.assign({at::arange(7, at::kLong), memory.embeddings()});
  const at::Tensor embeddings = at::randn({5, 2}, at::kDouble).t();
  const at::Tensor indices = rows_of({1, 9, 5, 9}).slice(0, 0, 4, 2);
  memory.update(indices, embeddings.detach().requires_grad_(), 0.5);
  plain.update(indices.contiguous(), embeddings.contiguous(), 0.5);
  EXPECT_TRUE(same_bits(memory.embeddings(), plain.embeddings()));
  EXPECT_FALSE(memory.embeddings().requires_grad());
}

TEST_F(ContrastMemoryTest, AllOrNothing) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    ContrastMemory memory = make(dtype);
    const at::Tensor before = memory.embeddings().clone();
    for (double bad : {kNan, kInfinity, -kInfinity}) {
      for (int64_t place : {0, 2}) {
        SCOPED_TRACE(c10::str(dtype, " ", bad, " at ", place));
        at::Tensor embeddings = at::randn({3, 5}, dtype);
        embeddings[place][4] = bad;
        EXPECT_EQ(
            error_of([&] {
              memory.update(rows_of({6, 1, 2}), embeddings, 0.5);
            }),
            "ContrastMemory: embeddings must be finite (got inf or nan)");
        EXPECT_TRUE(same_bits(memory.embeddings(), before));
      }
    }
  }
}

TEST_F(ContrastMemoryTest, ErrorsHaveClasses) {
  ContrastMemory memory = make();
  const at::Tensor good = at::randn({2, 5}, at::kDouble);
  EXPECT_THROW(memory.update(rows_of({1}), good, 0.5), ShapeError);
  EXPECT_THROW(memory.update(rows_of({1, 2}), good.to(at::kFloat), 0.5), ShapeError);
  EXPECT_THROW(memory.update(rows_of({1, 2}), good / 0, 0.5), NonFiniteError);
}

TEST_F(ContrastMemoryTest, RejectsItsShape) {
  EXPECT_EQ(error_of([] { ContrastMemory(0, 5); }), "ContrastMemory: rows must be at least 1 (got 0)");
  EXPECT_EQ(error_of([] { ContrastMemory(-3, 5); }), "ContrastMemory: rows must be at least 1 (got -3)");
  EXPECT_EQ(error_of([] { ContrastMemory(5, 0); }), "ContrastMemory: dimension must be at least 1 (got 0)");
}

TEST_F(ContrastMemoryTest, RejectsUpdates) {
  ContrastMemory memory = make();
  const at::Tensor before = memory.embeddings().clone();
  const at::Tensor good = at::randn({2, 5}, at::kDouble);
  const auto error = [&](const at::Tensor& indices, const at::Tensor& embeddings, double momentum = 0.5) {
    return error_of([&] { memory.update(indices, embeddings, momentum); });
  };
  EXPECT_EQ(error({}, good), "ContrastMemory: indices must be given (got an undefined tensor)");
  EXPECT_EQ(error(rows_of({1, 2}).to(at::kInt), good), "ContrastMemory: indices must be int64 (got Int)");
  EXPECT_EQ(
      error(rows_of({1, 2}).unsqueeze(0), good),
      "ContrastMemory: indices must be of rank 1 and not empty (got [1, 2])");
  EXPECT_EQ(error(rows_of({}), good), "ContrastMemory: indices must be of rank 1 and not empty (got [0])");
  EXPECT_EQ(error(rows_of({1, 7}), good), "ContrastMemory: indices must be between 0 and 6 (got 7)");
  EXPECT_EQ(error(rows_of({-1, 2}), good), "ContrastMemory: indices must be between 0 and 6 (got -1)");
  EXPECT_EQ(error(rows_of({1, 2}), {}), "ContrastMemory: embeddings must be of shape [2, 5] (got an undefined tensor)");
  EXPECT_EQ(
      error(rows_of({1, 2}), at::zeros({2, 4})), "ContrastMemory: embeddings must be of shape [2, 5] (got [2, 4])");
  EXPECT_EQ(
      error(rows_of({1, 2}), at::zeros({3, 5})), "ContrastMemory: embeddings must be of shape [2, 5] (got [3, 5])");
  EXPECT_EQ(error(rows_of({1, 2}), at::zeros({5})), "ContrastMemory: embeddings must be of shape [2, 5] (got [5])");
  EXPECT_EQ(
      error(rows_of({1, 2}), good.to(at::kFloat)),
      "ContrastMemory: embeddings must be Double for a memory of Double (got Float)");
  for (const auto& [momentum, text] :
       std::vector<std::pair<double, std::string>>{{1.0, "1"}, {-0.1, "-0.1"}, {kInfinity, "inf"}}) {
    EXPECT_EQ(
        error(rows_of({1, 2}), good, momentum),
        "ContrastMemory: momentum must be at least 0 and below 1 (got " + text + ")");
  }
  EXPECT_EQ(error(rows_of({1, 2}), good, kNan), "ContrastMemory: momentum must be at least 0 and below 1 (got nan)");
  EXPECT_TRUE(same_bits(memory.embeddings(), before));
}

}  // namespace
}  // namespace retort
