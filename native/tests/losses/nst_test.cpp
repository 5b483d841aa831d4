#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/losses/nst.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>

#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "descriptions.h"
#include "finite_difference.h"
#include "golden.h"
#include "map_loss_test.h"
#include "nst_kernels.h"
#include "operator_resolver.h"
#include "reference/nst.h"

namespace retort::test::nst_test {
namespace {

/// nst_loss, without a limit for dead channels unless one is given.
MapLoss loss_of(NstOptions options, double dead_channel_norm = 0) {
  options.dead_channel_norm = dead_channel_norm;
  return [=](const Maps& student, const Maps& teacher) { return nst_loss(student, teacher, options); };
}

MapLoss with_default_limit(const NstOptions& options) {
  return [=](const Maps& student, const Maps& teacher) { return nst_loss(student, teacher, options); };
}

MapLoss reference_of(const NstOptions& options) {
  return [=](const Maps& student, const Maps& teacher) { return reference::nst_loss(student, teacher, options); };
}

/// The specification with the Gaussian kernel's variance as it is at these maps, for differences: gradients take it for
/// a constant, and a difference of losses would see it change.
MapLoss with_variance_at(const NstOptions& options, const Maps& student, const Maps& teacher) {
  std::vector<at::Tensor> variances;
  for (size_t i = 0; i < student.size(); ++i) {
    variances.push_back(reference::nst_variance(student[i], teacher[i], options));
  }
  return [=](const Maps& changed_student, const Maps& changed_teacher) {
    std::vector<at::Tensor> losses;
    for (size_t i = 0; i < variances.size(); ++i) {
      losses.push_back(reference::nst_loss(changed_student[i], changed_teacher[i], options, variances[i]));
    }
    return losses;
  };
}

NstOptions polynomial(int64_t degree, double offset) {
  NstOptions options;
  options.degree = degree;
  options.offset = offset;
  return options;
}

NstOptions gaussian(double variance) {
  NstOptions options = NstKernel::kGaussian;
  options.variance = variance;
  return options;
}

MapLossCase case_of(const std::string& name, const NstOptions& options) {
  MapLossCase result{name, "nst_loss", with_default_limit(options), reference_of(options), nullptr};
  if (options.kernel == NstKernel::kGaussian && !options.variance) {
    result.with_constants_at = [=](const Maps& student, const Maps& teacher) {
      return with_variance_at(options, student, teacher);
    };
  }
  return result;
}

INSTANTIATE_TEST_SUITE_P(
    Nst, MapLossTest,
    ::testing::Values(
        case_of("Linear", NstKernel::kLinear), case_of("Polynomial", NstKernel::kPolynomial),
        case_of("Gaussian", NstKernel::kGaussian), case_of("Cubic", polynomial(3, 0.25)),
        case_of("GaussianOfOneVariance", gaussian(0.5))),
    name_of_loss);

/// All variants, with the teacher's term and without.
std::vector<NstOptions> variants() {
  std::vector<NstOptions> all = {NstKernel::kLinear, NstKernel::kGaussian, gaussian(0.3)};
  for (int64_t degree = 1; degree <= 4; ++degree) {
    for (double offset : {0.0, 0.7}) all.push_back(polynomial(degree, offset));
  }
  const size_t count = all.size();
  for (size_t i = 0; i < count; ++i) {
    all.push_back(all[i]);
    all.back().teacher_term = false;
  }
  return all;
}

std::string description_of(const NstOptions& options) {
  return c10::str(
      name_of(options.kernel), " degree ", options.degree, " offset ", options.offset, " variance ",
      options.variance.value_or(0), options.teacher_term ? "" : " without the teacher's term");
}

class NstLossTest : public SeededTest {
 protected:
  static at::Tensor map(at::IntArrayRef shape, at::ScalarType dtype = at::kDouble) {
    return at::randn(shape, at::kDouble).to(dtype);
  }
};

/// The kernel that the second word of a golden case's name tells.
NstKernel kernel_of_case(const std::string& name) {
  for (const auto& [word, kernel] : std::vector<std::pair<std::string, NstKernel>>{
           {"nst_linear_", NstKernel::kLinear},
           {"nst_poly_", NstKernel::kPolynomial},
           {"nst_gaussian_", NstKernel::kGaussian}}) {
    if (name.rfind(word, 0) == 0) return kernel;
  }
  throw std::invalid_argument(name + " names no kernel");
}

/// Which of a student's channels are dead at the size at which they are compared, [B, C, 1, 1].
at::Tensor dead_channels(const at::Tensor& student, const at::Tensor& teacher) {
  const at::Tensor compared = reference::of_one_size(student, teacher).first;
  return (compared.norm(2, {2}) < 1e-6).unsqueeze(2).unsqueeze(3);
}

class NstLossGoldenTest : public GoldenTest {};

TEST_P(NstLossGoldenTest, MatchesGolden) {
  const Golden golden(GetParam());
  const NstKernel kernel = kernel_of_case(GetParam());
  const Maps student = golden.list("s");
  const Maps teacher = golden.list("t");
  const Maps gradients = golden.list("grad");
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    // The reference normalises dead channels like any other.
    const auto exact = differentiate(loss_of(kernel), to(student, dtype), to(teacher, dtype), golden["weights"]);
    EXPECT_TRUE(close(exact.losses, golden.list("loss")));
    EXPECT_TRUE(close(exact.student, gradients));
    for (const at::Tensor& loss : exact.losses) EXPECT_EQ(loss.scalar_type(), dtype);

    const auto actual =
        differentiate(with_default_limit(kernel), to(student, dtype), to(teacher, dtype), golden["weights"]);
    EXPECT_TRUE(same_bits(actual.losses, exact.losses));
    for (size_t i = 0; i < student.size(); ++i) {
      const at::Tensor dead = dead_channels(student[i], teacher[i]);
      EXPECT_TRUE(close(actual.student[i], gradients[i].masked_fill(dead, 0)));
      EXPECT_EQ(largest(actual.student[i].masked_fill(dead.logical_not(), 0)), 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Nst, NstLossGoldenTest, ::testing::ValuesIn(golden_cases("nst_")), name_of_case);

/// Whether losses and gradients are close, relative to what they would be for any other maps of this shape: where a
/// map has but one position, or all kernels are equal, 0 is expected and rounding is all there is.
void expect_close(const DifferentiatedMaps& actual, const DifferentiatedMaps& expected, const Maps& maps) {
  const auto check = [](const at::Tensor& one, const at::Tensor& truth, double usual) {
    ASSERT_EQ(one.sizes(), truth.sizes());
    const double error = largest(one.to(at::kDouble) - truth);
    EXPECT_LE(error, tolerance_of(one.scalar_type()) * std::max(largest(truth), usual));
  };
  check(actual.losses[0], expected.losses[0], 1e-3);
  // The gradient of a unit vector is at most 4 / channels and is divided by the vector's length.
  const auto usual = [](const at::Tensor& map) {
    const double shortest = map.to(at::kDouble).flatten(2).norm(2, {2}).min().item<double>();
    return 1e-3 * 4 / static_cast<double>(map.size(0) * map.size(1)) / shortest;
  };
  check(actual.student[0], expected.student[0], usual(maps[0]));
  check(actual.teacher[0], expected.teacher[0], usual(maps[1]));
}

TEST_F(NstLossTest, MatchesReference) {
  using Size = std::pair<int64_t, int64_t>;
  // Of student and teacher: equal; multiples of each other; higher but narrower; no multiples.
  const std::vector<std::pair<Size, Size>> sizes = {
      {{1, 1}, {1, 1}}, {{2, 2}, {2, 2}}, {{3, 5}, {3, 5}}, {{8, 8}, {8, 8}}, {{8, 8}, {4, 4}},
      {{1, 1}, {2, 2}}, {{7, 4}, {3, 5}}, {{3, 5}, {7, 4}}, {{7, 4}, {8, 8}}, {{3, 5}, {8, 8}}};
  // Around the widths of vector registers. With the sizes, the channels of both are more and fewer than the positions.
  const std::vector<std::pair<int64_t, int64_t>> channels = {{1, 1}, {1, 33}, {2, 3},  {7, 8},  {9, 7},
                                                             {8, 8}, {16, 9}, {3, 17}, {33, 2}, {17, 33}};
  const std::vector<int64_t> batches = {1, 2, 5};
  // Batches take turns, so that each meets all channels and all sizes.
  size_t turn = 0;
  for (NstKernel kernel : kNstKernels) {
    for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
      for (const auto& [student_channels, teacher_channels] : channels) {
        for (const auto& [s, t] : sizes) {
          const int64_t batch = batches[turn++ % batches.size()];
          const Maps student = {map({batch, student_channels, s.first, s.second}, dtype)};
          const Maps teacher = {map({batch, teacher_channels, t.first, t.second}, dtype)};
          SCOPED_TRACE(c10::str(name_of(kernel), " ", dtype, " ", student[0].sizes(), teacher[0].sizes()));
          const auto expected = differentiate(reference_of(kernel), to(student, at::kDouble), to(teacher, at::kDouble));
          const auto [pooled_student, pooled_teacher] = reference::of_one_size(student[0], teacher[0]);
          expect_close(
              differentiate(loss_of(kernel), student, teacher), expected,
              {pooled_student.unsqueeze(3), pooled_teacher.unsqueeze(3)});
        }
      }
    }
  }
}

TEST_F(NstLossTest, MatchesReferenceOnManyChannels) {
  struct Shape {
    int64_t student, teacher, height, width;
  };
  // More channels than are compared at once, one more, as many; fewer and more of both than positions.
  const std::vector<Shape> shapes = {{64, 65, 3, 4},  {65, 64, 12, 12},  {70, 150, 4, 4},
                                     {150, 70, 4, 4}, {150, 70, 15, 15}, {129, 128, 4, 3}};
  for (NstKernel kernel : kNstKernels) {
    for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
      for (const Shape& shape : shapes) {
        const Maps student = {map({1, shape.student, shape.height, shape.width}, dtype)};
        const Maps teacher = {map({1, shape.teacher, shape.height, shape.width}, dtype)};
        SCOPED_TRACE(c10::str(name_of(kernel), " ", dtype, " ", student[0].sizes(), teacher[0].sizes()));
        const auto expected = differentiate(reference_of(kernel), to(student, at::kDouble), to(teacher, at::kDouble));
        EXPECT_TRUE(close(differentiate(loss_of(kernel), student, teacher), expected));
      }
    }
  }
}

TEST_F(NstLossTest, BothWaysOfThePolynomialAgree) {
  // As many positions as channels, and one more: computed by positions and by channels.
  for (int64_t positions : {15, 16, 17}) {
    SCOPED_TRACE(positions);
    const Maps student = {map({2, 7, 1, positions})};
    const Maps teacher = {map({2, 9, 1, positions})};
    EXPECT_TRUE(close(
        differentiate(loss_of(NstKernel::kPolynomial), student, teacher),
        differentiate(reference_of(NstKernel::kPolynomial), student, teacher)));
  }
}

TEST_F(NstLossTest, VariantsMatchReference) {
  struct Shape {
    std::vector<int64_t> student, teacher;
  };
  // Fewer positions than channels and more, of one size and pooled, more channels than are compared at once.
  const std::vector<Shape> shapes = {{{3, 7, 2, 3}, {3, 9, 2, 3}},   {{3, 7, 6, 9}, {3, 9, 6, 9}},
                                     {{2, 17, 7, 4}, {2, 3, 3, 5}},  {{2, 1, 5, 5}, {2, 33, 3, 3}},
                                     {{1, 70, 3, 3}, {1, 65, 4, 3}}, {{1, 600, 2, 2}, {1, 70, 2, 2}},
                                     {{1, 70, 2, 2}, {1, 600, 2, 2}}};
  for (const NstOptions& options : variants()) {
    for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
      for (const Shape& shape : shapes) {
        const Maps student = {map(shape.student, dtype)};
        const Maps teacher = {map(shape.teacher, dtype)};
        SCOPED_TRACE(c10::str(description_of(options), " ", dtype, " ", student[0].sizes(), teacher[0].sizes()));
        EXPECT_TRUE(close(
            differentiate(loss_of(options), student, teacher),
            differentiate(reference_of(options), to(student, at::kDouble), to(teacher, at::kDouble))));
      }
    }
  }
}

TEST_F(NstLossTest, VariantsGradMatchesFiniteDifference) {
  for (const std::vector<int64_t>& size : std::vector<std::vector<int64_t>>{{2, 3}, {4, 5}}) {
    const at::Tensor student = map({2, 5, size[0], size[1]});
    const at::Tensor teacher = map({2, 4, size[0], size[1] + 1});
    for (const NstOptions& options : variants()) {
      SCOPED_TRACE(description_of(options));
      const bool is_estimated = options.kernel == NstKernel::kGaussian && !options.variance;
      const MapLoss varied = is_estimated ? with_variance_at(options, {student}, {teacher}) : loss_of(options);
      const auto actual = differentiate(loss_of(options), {student}, {teacher});
      EXPECT_TRUE(close(
          actual.student[0],
          finite_difference([&](const at::Tensor& map) { return varied({map}, {teacher})[0]; }, student), 1e-7));
      EXPECT_TRUE(close(
          actual.teacher[0],
          finite_difference([&](const at::Tensor& map) { return varied({student}, {map})[0]; }, teacher), 1e-7));
    }
  }
}

TEST_F(NstLossTest, TeachersTermIsAConstantToTheStudent) {
  for (const auto& size : std::vector<std::vector<int64_t>>{{2, 3}, {6, 9}}) {
    const Maps student = {map({3, 7, size[0], size[1]})};
    const Maps teacher = {map({3, 9, size[0], size[1]})};
    for (NstOptions options : variants()) {
      SCOPED_TRACE(description_of(options));
      options.teacher_term = true;
      const auto with = differentiate(loss_of(options), student, teacher);
      options.teacher_term = false;
      const auto without = differentiate(loss_of(options), student, teacher);
      EXPECT_TRUE(same_bits(without.student, with.student));
      EXPECT_LT(without.losses[0].item<double>(), with.losses[0].item<double>());
    }
  }
}

TEST_F(NstLossTest, WithoutTheTeachersTermALossMayBeNegative) {
  const Maps maps = {map({3, 7, 2, 3})};
  for (NstOptions options : variants()) {
    SCOPED_TRACE(description_of(options));
    options.teacher_term = false;
    EXPECT_LT(nst_loss(maps, maps, options)[0].item<double>(), 0);
  }
}

TEST_F(NstLossTest, DegreeOneIsLinear) {
  const Maps student = {map({3, 7, 2, 3})};
  const Maps teacher = {map({3, 9, 2, 3})};
  const auto linear = differentiate(loss_of(NstKernel::kLinear), student, teacher);
  // The offset is in all three means.
  for (double offset : {0.0, 3.0}) {
    EXPECT_TRUE(close(differentiate(loss_of(polynomial(1, offset)), student, teacher), linear));
  }
}

TEST_F(NstLossTest, VariantsOfTheWorkedExample) {
  const Maps student = {at::tensor({2.0, 0.0, 0.0, 5.0}, at::kDouble).view({1, 2, 1, 2})};
  const Maps teacher = {at::tensor({3.0, 4.0}, at::kDouble).view({1, 1, 1, 2})};
  const auto loss = [&](const NstOptions& options) { return nst_loss(student, teacher, options)[0].item<double>(); };
  EXPECT_NEAR(loss(polynomial(3, 1)), (8 + 1) / 2.0 + 8 - (std::pow(1.6, 3) + std::pow(1.8, 3)), 1e-14);
  const double within = (1 + std::exp(-2 / 0.5)) / 2;
  const double across = (std::exp(-0.8 / 0.5) + std::exp(-0.4 / 0.5)) / 2;
  EXPECT_NEAR(loss(gaussian(0.25)), within + 1 - 2 * across, 1e-15);
  NstOptions without;
  without.teacher_term = false;
  EXPECT_NEAR(loss(without), 0.5 - 1.0, 1e-15);
}

TEST_F(NstLossTest, WorkedExample) {
  // Unit vectors: the student's (1, 0) and (0, 1), the teacher's (0.6, 0.8).
  const Maps student = {at::tensor({2.0, 0.0, 0.0, 5.0}, at::kDouble).view({1, 2, 1, 2})};
  const Maps teacher = {at::tensor({3.0, 4.0}, at::kDouble).view({1, 1, 1, 2})};
  const auto loss = [&](NstKernel kernel) { return nst_loss(student, teacher, kernel).at(0).item<double>(); };
  EXPECT_NEAR(loss(NstKernel::kLinear), 0.5 + 1 - 1.4, 1e-15);
  EXPECT_NEAR(loss(NstKernel::kPolynomial), 0.5 + 1 - 1.0, 1e-15);
  // Squared distances: 2 within the student, 0.8 and 0.4 across, so sigma^2 = 0.6.
  const double within = (1 + std::exp(-2 / 1.2)) / 2;
  const double across = (std::exp(-0.8 / 1.2) + std::exp(-0.4 / 1.2)) / 2;
  EXPECT_NEAR(loss(NstKernel::kGaussian), within + 1 - 2 * across, 1e-15);
}

TEST_F(NstLossTest, OrderOfChannelsChangesNothing) {
  for (const auto& size : std::vector<std::vector<int64_t>>{{2, 3}, {6, 9}}) {
    const Maps student = {map({3, 7, size[0], size[1]})};
    const Maps teacher = {map({3, 9, size[0], size[1]})};
    const at::Tensor of_student = at::randperm(7);
    const at::Tensor of_teacher = at::randperm(9);
    for (NstKernel kernel : kNstKernels) {
      SCOPED_TRACE(c10::str(name_of(kernel), " ", at::IntArrayRef(size)));
      const auto plain = differentiate(loss_of(kernel), student, teacher);
      const DifferentiatedMaps expected{
          plain.losses, {plain.student[0].index_select(1, of_student)}, {plain.teacher[0].index_select(1, of_teacher)}};
      const Maps permuted_student = {student[0].index_select(1, of_student)};
      const Maps permuted_teacher = {teacher[0].index_select(1, of_teacher)};
      EXPECT_TRUE(close(differentiate(loss_of(kernel), permuted_student, permuted_teacher), expected));
    }
  }
}

TEST_F(NstLossTest, LengthOfChannelsChangesNothing) {
  const Maps student = {map({3, 7, 2, 3}), map({3, 7, 6, 9})};
  const Maps teacher = {map({3, 9, 2, 3}), map({3, 9, 6, 9})};
  const auto scaled = [](const at::Tensor& map) {
    return map * at::rand({map.size(0), map.size(1), 1, 1}, at::kDouble).mul(6).sub(3).exp();
  };
  for (NstKernel kernel : kNstKernels) {
    SCOPED_TRACE(name_of(kernel));
    const Maps longer_student = {scaled(student[0]), scaled(student[1])};
    const Maps longer_teacher = {scaled(teacher[0]), scaled(teacher[1])};
    EXPECT_TRUE(close(nst_loss(longer_student, longer_teacher, kernel), nst_loss(student, teacher, kernel)));
    // Moving along a channel changes nothing, so the gradient stands on it.
    const auto gradients = differentiate(loss_of(kernel), student, teacher);
    for (size_t i : {0, 1}) {
      EXPECT_LE(largest((gradients.student[i] * student[i]).sum({2, 3})), 1e-14);
      EXPECT_LE(largest((gradients.teacher[i] * teacher[i]).sum({2, 3})), 1e-14);
    }
  }
}

/// Heights and widths for both ways of the polynomial kernel, each in both memory formats.
const std::vector<std::pair<std::vector<int64_t>, at::MemoryFormat>> kSizesAndFormats = {
    {{2, 3}, at::MemoryFormat::Contiguous},
    {{2, 3}, at::MemoryFormat::ChannelsLast},
    {{6, 9}, at::MemoryFormat::Contiguous},
    {{6, 9}, at::MemoryFormat::ChannelsLast}};

/// Every kind of channel that dies: one, several, all of a sample, all of a map.
std::vector<at::Tensor> patterns_of_dead_channels(int64_t batch, int64_t channels) {
  std::vector<at::Tensor> patterns(4);
  for (at::Tensor& dead : patterns) dead = at::zeros({batch, channels, 1, 1}, at::kBool);
  patterns[0][0][0] = true;
  patterns[1].slice(1, 1, {}, 2).fill_(true);
  patterns[2][batch - 1].fill_(true);
  patterns[3].fill_(true);
  return patterns;
}

TEST_F(NstLossTest, DeadChannelsGetNoGradient) {
  for (const auto& [size, format] : kSizesAndFormats) {
    for (NstKernel kernel : kNstKernels) {
      for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
        for (bool in_student : {false, true}) {
          for (const at::Tensor& dead : patterns_of_dead_channels(3, 7)) {
            // Nothing at all, and less than counts.
            for (double remains : {0.0, 1e-9, 1e-30}) {
              SCOPED_TRACE(c10::str(name_of(kernel), " ", dtype, " ", at::IntArrayRef(size), " ", remains));
              Maps student = in_format(format, {map({3, 7, size[0], size[1]}, dtype)});
              Maps teacher = in_format(format, {map({3, 7, size[0], size[1]}, dtype)});
              at::Tensor& spoilt = (in_student ? student : teacher)[0];
              spoilt = at::where(dead, spoilt * remains, spoilt).contiguous(format);
              const auto expected =
                  differentiate(reference_of(kernel), to(student, at::kDouble), to(teacher, at::kDouble));
              const auto actual = differentiate(with_default_limit(kernel), student, teacher);
              EXPECT_TRUE(all_finite(actual));
              EXPECT_TRUE(close(actual.losses, expected.losses));
              const at::Tensor none = at::zeros_like(dead);
              for (const auto& [gradient, truth, mask] :
                   {std::tuple(actual.student[0], expected.student[0], in_student ? dead : none),
                    std::tuple(actual.teacher[0], expected.teacher[0], in_student ? none : dead)}) {
                EXPECT_TRUE(close(gradient, truth.masked_fill(mask, 0)));
                EXPECT_EQ(largest(gradient.masked_fill(mask.logical_not(), 0)), 0);
              }
              EXPECT_TRUE(all_finite(differentiate(loss_of(kernel), student, teacher)));
            }
          }
        }
      }
    }
  }
}

TEST_F(NstLossTest, DeadChannelNormIsTheLimit) {
  const at::Tensor two_channels = at::tensor({0.5, 0.0, 0.0, 0.25}, at::kDouble).view({1, 2, 1, 2});
  for (at::MemoryFormat format : kMemoryFormats) {
    const Maps student = {two_channels.contiguous(format)};
    const Maps teacher = {at::tensor({3.0, 4.0}, at::kDouble).view({1, 1, 1, 2})};
    for (NstKernel kernel : kNstKernels) {
      SCOPED_TRACE(name_of(kernel));
      const auto exact = differentiate(loss_of(kernel), student, teacher);
      EXPECT_TRUE(same_bits(differentiate(loss_of(kernel, 0.25), student, teacher), exact));
      const auto limited = differentiate(loss_of(kernel, 0.26), student, teacher);
      EXPECT_TRUE(same_bits(limited.losses, exact.losses));
      EXPECT_TRUE(same_bits(limited.student[0].select(1, 0), exact.student[0].select(1, 0)));
      EXPECT_GT(largest(exact.student[0].select(1, 1)), 0);
      EXPECT_EQ(largest(limited.student[0].select(1, 1)), 0);
      EXPECT_TRUE(same_bits(limited.teacher, exact.teacher));
      // The teacher's channels are measured alike.
      EXPECT_EQ(largest(differentiate(loss_of(kernel, 5.5), student, teacher).teacher[0]), 0);
    }
  }
}

TEST_F(NstLossTest, LargeAndTinyNumbers) {
  for (const auto& [size, format] : kSizesAndFormats) {
    const Maps student = in_format(format, {map({3, 7, size[0], size[1]})});
    const Maps teacher = in_format(format, {map({3, 9, size[0], size[1]})});
    const auto scaled = [](const Maps& maps, double factor) { return Maps{(maps[0] * factor).to(at::kFloat)}; };
    for (NstKernel kernel : kNstKernels) {
      SCOPED_TRACE(c10::str(name_of(kernel), " ", at::IntArrayRef(size)));
      // Only the direction of a channel counts, as long as float32 holds its length.
      for (double factor : {1e-4, 1e15, 1e30, 1e36}) {
        SCOPED_TRACE(factor);
        const auto actual = differentiate(loss_of(kernel), scaled(student, factor), scaled(teacher, factor));
        EXPECT_TRUE(all_finite(actual));
        EXPECT_TRUE(close(actual.losses, nst_loss(student, teacher, kernel)));
      }
      // Shorter than 1e-12: nearly the same as dead.
      const auto tiny = differentiate(with_default_limit(kernel), scaled(student, 1e-30), scaled(teacher, 1e-30));
      EXPECT_TRUE(all_finite(tiny));
      EXPECT_NEAR(tiny.losses[0].item<double>(), 0, 1e-7);
      EXPECT_EQ(largest(tiny.student[0]), 0);
      EXPECT_EQ(largest(tiny.teacher[0]), 0);
      // One of the two alone.
      EXPECT_TRUE(all_finite(differentiate(with_default_limit(kernel), scaled(student, 1e30), scaled(teacher, 1e-30))));
    }
  }
}

TEST_F(NstLossTest, GaussianOfNearlyEqualVectorsIsExact) {
  for (double noise : {0.1, 0.01, 0.001}) {
    for (at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      SCOPED_TRACE(c10::str(noise, " ", format));
      const at::Tensor pattern = at::rand({2, 1, 6, 7}, at::kDouble) + 1;
      const auto noisy = [&](int64_t channels) {
        return (pattern + noise * at::randn({2, channels, 6, 7}, at::kDouble)).to(at::kFloat).contiguous(format);
      };
      const Maps student = {noisy(20)};
      const Maps teacher = {noisy(30)};
      const auto actual = differentiate(loss_of(NstKernel::kGaussian), student, teacher);
      const auto expected =
          differentiate(loss_of(NstKernel::kGaussian), to(student, at::kDouble), to(teacher, at::kDouble));
      EXPECT_TRUE(close(actual, expected));
    }
  }
}

TEST_F(NstLossTest, GaussianOfEqualVectorsIsOne) {
  // All distances are 0 and so is their mean, by which they are divided.
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (const auto& shape : std::vector<std::vector<int64_t>>{{2, 5, 3, 3}, {2, 5, 1, 1}, {2, 70, 13, 13}}) {
      SCOPED_TRACE(c10::str(dtype, " ", at::IntArrayRef(shape)));
      const at::Tensor map = at::rand(shape, at::kDouble).slice(1, 0, 1).add(0.1).expand(shape).to(dtype);
      const auto actual = differentiate(loss_of(NstKernel::kGaussian), {map}, {map * 3});
      EXPECT_EQ(actual.losses[0].item<double>(), 0);
      EXPECT_EQ(largest(actual.student[0]), 0);
      EXPECT_EQ(largest(actual.teacher[0]), 0);
    }
  }
}

TEST_F(NstLossTest, CallableByName) {
  const Maps student = {map({3, 4, 3, 5}), map({3, 7, 2, 2})};
  const Maps teacher = {map({3, 6, 3, 5}), map({3, 7, 3, 3})};
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::nst_loss", "");
  EXPECT_EQ(
      c10::str(op.schema()),
      "retort::nst_loss(Tensor[] student, Tensor[] teacher, str kernel=\"polynomial\", *, int degree=2, float "
      "offset=0., "
      "float? variance=None, bool teacher_term=True, float dead_channel_norm=9.9999999999999995e-07) -> Tensor[]");
  for (NstOptions options : variants()) {
    SCOPED_TRACE(description_of(options));
    torch::jit::Stack stack = {
        c10::List<at::Tensor>(student),
        c10::List<at::Tensor>(teacher),
        name_of(options.kernel),
        options.degree,
        options.offset,
        options.variance,
        options.teacher_term,
        0.3};
    op.callBoxed(stack);
    EXPECT_TRUE(same_bits(stack.at(0).toTensorVector(), loss_of(options, 0.3)(student, teacher)));
  }
}

TEST_F(NstLossTest, CallableFromTorchScript) {
  const Maps student = {map({3, 4, 3, 5}), map({3, 7, 2, 2})};
  const Maps teacher = {map({3, 6, 3, 5}), map({3, 7, 3, 3})};
  for (NstKernel kernel : kNstKernels) {
    for (const std::string limit : {"", ", dead_channel_norm=2.0"}) {
      SCOPED_TRACE(name_of(kernel) + limit);
      torch::jit::Module module("NstLoss");
      module.define(
          "def forward(self, s0, s1, t0, t1):\n"
          "    losses = retort.nst_loss([s0, s1], [t0, t1], '" +
              name_of(kernel) + "'" + limit +
              ")\n"
              "    return 2 * (losses[0] + losses[1])\n",
          std::make_shared<OperatorResolver>());
      const MapLoss scripted = [&](const Maps& s, const Maps& t) {
        return Maps{module.forward({s[0], s[1], t[0], t[1]}).toTensor() / 2};
      };
      const auto actual = differentiate(scripted, student, teacher);
      const auto expected = differentiate(loss_of(kernel, limit.empty() ? 1e-6 : 2.0), student, teacher);
      EXPECT_TRUE(close(actual.losses[0], expected.losses[0] + expected.losses[1]));
      EXPECT_TRUE(close(actual.student, expected.student));
      EXPECT_TRUE(close(actual.teacher, expected.teacher));
    }
  }
}

TEST_F(NstLossTest, VariantsCallableFromTorchScript) {
  torch::jit::Module module("NstLoss");
  module.define(
      "def forward(self, s, t):\n"
      "    cubic = retort.nst_loss([s], [t], 'polynomial', degree=3, offset=0.5, teacher_term=False)[0]\n"
      "    return cubic, retort.nst_loss([s], [t], 'gaussian', variance=0.3)[0]\n",
      std::make_shared<OperatorResolver>());
  const at::Tensor student = map({3, 4, 3, 5});
  const at::Tensor teacher = map({3, 6, 3, 5});
  const auto losses = module.forward({student, teacher}).toTupleRef().elements().vec();
  NstOptions cubic = polynomial(3, 0.5);
  cubic.teacher_term = false;
  EXPECT_TRUE(same_bits(losses.at(0).toTensor(), nst_loss({student}, {teacher}, cubic)[0]));
  EXPECT_TRUE(same_bits(losses.at(1).toTensor(), nst_loss({student}, {teacher}, gaussian(0.3))[0]));
}

TEST_F(NstLossTest, CriterionIsTheSumOfTheLosses) {
  NstOptions options;
  EXPECT_EQ(options.kernel, NstKernel::kPolynomial);
  EXPECT_EQ(options.degree, 2);
  EXPECT_EQ(options.offset, 0);
  EXPECT_FALSE(options.variance.has_value());
  EXPECT_TRUE(options.teacher_term);
  EXPECT_EQ(options.dead_channel_norm, 1e-6);
  CriterionInput input;
  input.student = {map({3, 4, 5, 5}), map({3, 7, 2, 2})};
  input.teacher = {map({3, 6, 5, 5}), map({3, 9, 3, 3})};
  for (at::Tensor& map : input.student) map.requires_grad_();
  for (const NstOptions& variant : variants()) {
    SCOPED_TRACE(description_of(variant));
    options = variant;
    options.dead_channel_norm = 5;
    const auto criterion = options.build({{{4, 5, 5}, {7, 2, 2}}, {{6, 5, 5}, {9, 3, 3}}});
    const auto losses = nst_loss(input.student, input.teacher, options);
    const at::Tensor actual = criterion->forward(input);
    EXPECT_TRUE(same_bits(actual, losses[0] + losses[1]));
    // The limit has an effect on gradients alone.
    EXPECT_TRUE(same_bits(
        torch::autograd::grad({actual}, input.student), torch::autograd::grad({losses[0] + losses[1]}, input.student)));
    EXPECT_TRUE(criterion->parameters().empty());
    EXPECT_TRUE(criterion->buffers().empty());
  }
}

TEST_F(NstLossTest, Description) {
  EXPECT_EQ(
      NstOptions().description(),
      "nst_loss(kernel=polynomial, degree=2, offset=0, variance=none, teacher_term=true, dead_channel_norm=1e-06)");
  const NstOptions options = gaussian(0.3);
  EXPECT_EQ(
      options.description(),
      "nst_loss(kernel=gaussian, degree=2, offset=0, variance=0.3, teacher_term=true, dead_channel_norm=1e-06)");
  expect_descriptions_differ(
      options,
      {[](NstOptions& changed) { changed.kernel = NstKernel::kLinear; },
       [](NstOptions& changed) { changed.kernel = NstKernel::kPolynomial; },
       [](NstOptions& changed) { changed.degree = 3; }, [](NstOptions& changed) { changed.offset = 1; },
       [](NstOptions& changed) { changed.variance.reset(); }, [](NstOptions& changed) { changed.variance = 0.4; },
       [](NstOptions& changed) { changed.teacher_term = false; },
       [](NstOptions& changed) { changed.dead_channel_norm = 0; }});
}

TEST_F(NstLossTest, WrongShapesAreErrorsOfTheirOwn) {
  EXPECT_THROW(nst_loss({}, {}), ShapeError);
  EXPECT_THROW(nst_loss({map({2, 3, 4, 4})}, {map({1, 3, 4, 4})}), ShapeError);
  EXPECT_THROW(NstOptions().build({{{64}}, {{64}}}), ShapeError);
}

TEST_F(NstLossTest, RejectsNoMaps) {
  for (NstKernel kernel : kNstKernels) {
    EXPECT_EQ(error_of([&] { nst_loss({}, {}, kernel); }), "nst_loss: student must have at least 1 map (got 0)");
  }
}

TEST_F(NstLossTest, RejectsOtherKernels) {
  const Maps maps = {map({2, 3, 4, 4})};
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::nst_loss", "");
  for (const std::string name : {"cubic", "", "Linear", "poly"}) {
    torch::jit::Stack stack = {c10::List<at::Tensor>(maps), c10::List<at::Tensor>(maps), name, 2, 0.0, {}, true, 1e-6};
    EXPECT_EQ(
        error_of([&] { op.callBoxed(stack); }),
        "nst_loss: kernel must be linear, polynomial or gaussian (got " + name + ")");
  }
  const std::string expected = "nst_loss: kernel must be one of NstKernel (got 7)";
  EXPECT_EQ(error_of([&] { nst_loss(maps, maps, static_cast<NstKernel>(7)); }), expected);
  NstOptions options;
  options.kernel = static_cast<NstKernel>(7);
  EXPECT_EQ(error_of([&] { options.build({{{3, 4, 4}}, {{3, 4, 4}}}); }), expected);
}

TEST_F(NstLossTest, RejectsOptions) {
  const Maps maps = {map({2, 3, 4, 4})};
  const auto rejects = [&](const std::function<void(NstOptions&)>& change, const std::string& rule) {
    NstOptions options;
    change(options);
    EXPECT_EQ(error_of([&] { nst_loss(maps, maps, options); }), "nst_loss: " + rule);
    EXPECT_EQ(error_of([&] { options.build({{{3, 4, 4}}, {{3, 4, 4}}}); }), "nst_loss: " + rule);
  };
  for (int64_t degree : {-1, 0, 17}) {
    rejects(
        [=](NstOptions& options) { options.degree = degree; },
        c10::str("degree must be between 1 and 16 (got ", degree, ")"));
  }
  for (const auto& [value, text] : std::vector<std::pair<double, std::string>>{
           {-1.0, "-1"}, {HUGE_VAL, "inf"}, {-HUGE_VAL, "-inf"}, {std::numeric_limits<double>::quiet_NaN(), "nan"}}) {
    const double bad = value;
    rejects(
        [=](NstOptions& options) { options.offset = bad; }, "offset must be at least 0 and finite (got " + text + ")");
    rejects(
        [=](NstOptions& options) { options.dead_channel_norm = bad; },
        "dead_channel_norm must be at least 0 and finite (got " + text + ")");
    rejects(
        [=](NstOptions& options) { options.variance = bad; },
        "variance must be positive and finite (got " + text + ")");
  }
  rejects([](NstOptions& options) { options.variance = 0; }, "variance must be positive and finite (got 0)");
}

TEST_F(NstLossTest, RejectsTaps) {
  const auto error = [](const FeatureShapes& shapes) { return error_of([&] { NstOptions().build(shapes); }); };
  EXPECT_EQ(error({}), "nst_loss: taps must be at least 1 (got 0)");
  EXPECT_EQ(
      error({{{4, 2, 2}, {4, 2, 2}}, {{4, 2, 2}}}),
      "nst_loss: student and teacher must have the same number of taps (got 2 and 1)");
  EXPECT_EQ(error({{{64}}, {{64}}}), "nst_loss: tap student[0] must be a map [channels, height, width] (got [64])");
  EXPECT_EQ(
      error({{{4, 2, 2}, {4, 2, 2}}, {{4, 2, 2}, {8, 2}}}),
      "nst_loss: tap teacher[1] must be a map [channels, height, width] (got [8, 2])");
}

}  // namespace
}  // namespace retort::test::nst_test
