#include "map_loss_test.h"

#include <c10/core/InferenceMode.h>
#include <retort/runtime.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "finite_difference.h"

namespace retort::test {

TEST_P(MapLossTest, MatchesReferenceOnSeveralMaps) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    const Maps student = student_maps(dtype);
    const Maps teacher = teacher_maps(dtype);
    const at::Tensor weights = at::tensor({0.5, -2.0, 3.0}, at::kDouble).slice(0, 0, loss()(student, teacher).size());
    const auto actual = differentiate(loss(), student, teacher, weights);
    for (const at::Tensor& one : actual.losses) EXPECT_EQ(one.scalar_type(), dtype);
    EXPECT_TRUE(close(actual, differentiate(reference(), to(student, at::kDouble), to(teacher, at::kDouble), weights)));
  }
}

TEST_P(MapLossTest, GradMatchesFiniteDifference) {
  const Maps student = student_maps(at::kDouble, 2);
  const Maps teacher = teacher_maps(at::kDouble, 2);
  const MapLoss varied = GetParam().with_constants_at ? GetParam().with_constants_at(student, teacher) : loss();
  const auto actual = differentiate(loss(), student, teacher);
  for (size_t i = 0; i < student.size(); ++i) {
    SCOPED_TRACE(i);
    const auto function_of = [&](bool of_student) {
      return [&, of_student](const at::Tensor& map) {
        Maps s = student;
        Maps t = teacher;
        (of_student ? s : t)[i] = map;
        return total(varied, s, t);
      };
    };
    EXPECT_TRUE(close(actual.student[i], finite_difference(function_of(true), student[i]), 1e-7));
    EXPECT_TRUE(close(actual.teacher[i], finite_difference(function_of(false), teacher[i]), 1e-7));
  }
}

TEST_P(MapLossTest, EqualMapsGiveZero) {
  // Few positions, many positions, more channels than are compared at once.
  const std::vector<std::vector<int64_t>> shapes = {{3, 9, 2, 2}, {3, 5, 8, 9}, {2, 70, 3, 3}, {1, 70, 13, 13}};
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const double epsilon = dtype == at::kDouble ? 0x1p-52 : 0x1p-23;
    for (const auto& shape : shapes) {
      SCOPED_TRACE(c10::str(dtype, " ", at::IntArrayRef(shape)));
      const Maps maps = {map(shape, dtype), map(shape, dtype)};
      const auto different = differentiate(loss(), maps, {map(shape, dtype), map(shape, dtype)});
      for (at::MemoryFormat format : kMemoryFormats) {
        const auto equal = differentiate(loss(), maps, in_format(format, maps));
        for (size_t i = 0; i < equal.losses.size(); ++i) {
          EXPECT_GE(equal.losses[i].item<double>(), 0);
          // Rounding is relative to what is subtracted, which for NST is up to 1 and more than the loss.
          EXPECT_LE(equal.losses[i].item<double>(), 64 * epsilon * std::max(different.losses[i].item<double>(), 0.1));
        }
        for (size_t i = 0; i < maps.size(); ++i) {
          EXPECT_LE(largest(equal.student[i]), 64 * epsilon * largest(different.student[i]));
          EXPECT_LE(largest(equal.teacher[i]), 64 * epsilon * largest(different.teacher[i]));
        }
      }
    }
  }
}

TEST_P(MapLossTest, NeverNegative) {
  const std::vector<std::vector<int64_t>> shapes = {{2, 9, 2, 2}, {2, 5, 8, 9}, {2, 70, 4, 4}, {1, 70, 13, 13}};
  for (const auto& shape : shapes) {
    // Differences from about the rounding of float32 upwards.
    for (double difference : {1e-8, 1e-7, 1e-6, 1e-4, 1e-2}) {
      SCOPED_TRACE(c10::str(at::IntArrayRef(shape), " difference ", difference));
      for (int repetition = 0; repetition < 3; ++repetition) {
        const Maps student = {map(shape, at::kFloat), map(shape, at::kFloat)};
        const Maps teacher = {
            student[0] + difference * map(shape, at::kFloat), student[1] + difference * map(shape, at::kFloat)};
        const auto expected = loss()(to(student, at::kDouble), to(teacher, at::kDouble));
        const auto actual = loss()(student, teacher);
        for (size_t i = 0; i < actual.size(); ++i) {
          EXPECT_GE(actual[i].item<float>(), 0);
          EXPECT_GE(expected[i].item<double>(), 0);
          EXPECT_NEAR(actual[i].item<double>(), expected[i].item<double>(), 1e-5 * expected[i].item<double>() + 2e-7);
        }
      }
    }
  }
}

TEST_P(MapLossTest, OrderOfSamplesChangesNothing) {
  const at::Tensor order = at::tensor({2, 0, 3, 1}, at::kLong);
  const auto permuted = [&](Maps maps) {
    for (at::Tensor& map : maps) map = map.index_select(0, order);
    return maps;
  };
  const Maps student = student_maps();
  const Maps teacher = teacher_maps();
  const auto plain = differentiate(loss(), student, teacher);
  const DifferentiatedMaps expected{plain.losses, permuted(plain.student), permuted(plain.teacher)};
  EXPECT_TRUE(close(differentiate(loss(), permuted(student), permuted(teacher)), expected));
}

TEST_P(MapLossTest, MapsOfZeros) {
  for (const auto& [dtype, format] :
       {std::pair(at::kDouble, kMemoryFormats[0]), std::pair(at::kFloat, kMemoryFormats[0]),
        std::pair(at::kFloat, kMemoryFormats[1])}) {
    SCOPED_TRACE(c10::str(dtype, " ", format));
    const auto zeros = [](Maps maps) {
      for (at::Tensor& map : maps) map = at::zeros_like(map);
      return maps;
    };
    const Maps student = in_format(format, student_maps(dtype));
    const Maps teacher = in_format(format, teacher_maps(dtype));
    const auto of_student = differentiate(loss(), zeros(student), teacher);
    EXPECT_TRUE(all_finite(of_student));
    for (const at::Tensor& gradient : of_student.student) EXPECT_EQ(largest(gradient), 0);
    const auto of_teacher = differentiate(loss(), student, zeros(teacher));
    EXPECT_TRUE(all_finite(of_teacher));
    for (const at::Tensor& gradient : of_teacher.teacher) EXPECT_EQ(largest(gradient), 0);
    const auto of_both = differentiate(loss(), zeros(student), zeros(teacher));
    EXPECT_TRUE(all_finite(of_both));
    for (const at::Tensor& one : of_both.losses) EXPECT_EQ(one.item<double>(), 0);
    for (const at::Tensor& gradient : of_both.student) EXPECT_EQ(largest(gradient), 0);
    for (const at::Tensor& gradient : of_both.teacher) EXPECT_EQ(largest(gradient), 0);
  }
}

TEST_P(MapLossTest, NanPropagates) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (bool in_student : {false, true}) {
      for (size_t spoilt : {0, 1, 2}) {
        SCOPED_TRACE(c10::str(dtype, in_student ? " student " : " teacher ", spoilt));
        // Each memory format once.
        Maps student = in_format(kMemoryFormats[spoilt % 2], student_maps(dtype));
        Maps teacher = in_format(kMemoryFormats[spoilt % 2], teacher_maps(dtype));
        (in_student ? student : teacher)[spoilt][2][1][1][1] = std::numeric_limits<double>::quiet_NaN();
        const auto actual = differentiate(loss(), student, teacher);
        const auto expected = reference()(student, teacher);
        for (size_t i = 0; i < actual.losses.size(); ++i) {
          EXPECT_EQ(std::isnan(actual.losses[i].item<double>()), std::isnan(expected[i].item<double>()));
        }
        // Of the sample alone.
        for (const at::Tensor& gradient : {actual.student[spoilt], actual.teacher[spoilt]}) {
          EXPECT_TRUE(gradient[2].isnan().any().item<bool>());
          EXPECT_TRUE(gradient.index_select(0, at::tensor({0, 1, 3}, at::kLong)).isfinite().all().item<bool>());
        }
      }
    }
  }
}

TEST_P(MapLossTest, InfinityDoesNotPassForANumber) {
  for (double infinity : {HUGE_VAL, -HUGE_VAL}) {
    for (bool in_student : {false, true}) {
      Maps student = student_maps(at::kFloat);
      Maps teacher = teacher_maps(at::kFloat);
      (in_student ? student : teacher)[0][2][1][1][1] = infinity;
      // Of a maximum, -inf is no part.
      EXPECT_EQ(
          std::isfinite(loss()(student, teacher)[0].item<double>()),
          std::isfinite(reference()(student, teacher)[0].item<double>()));
    }
  }
}

TEST_P(MapLossTest, NonContiguousInput) {
  const std::vector<std::pair<std::string, std::function<at::Tensor(const at::Tensor&)>>> layouts = {
      {"transposed", [](const at::Tensor& map) { return map.transpose(2, 3).contiguous().transpose(2, 3); }},
      {"samples innermost",
       [](const at::Tensor& map) {
         return map.permute({1, 2, 3, 0}).contiguous().permute({3, 0, 1, 2});
       }},
      {"expanded samples", [](const at::Tensor& map) { return map.slice(0, 0, 1).expand(map.sizes()); }},
      {"expanded channels", [](const at::Tensor& map) { return map.slice(1, 0, 1).expand(map.sizes()); }},
      {"expanded positions", [](const at::Tensor& map) { return map.slice(3, 0, 1).expand(map.sizes()); }},
      {"every second sample",
       [](const at::Tensor& map) {
         return at::cat({map, map}).slice(0, 0, {}, 2);
       }},
      {"every second channel",
       [](const at::Tensor& map) {
         return at::cat({map, map}, 1).slice(1, 0, {}, 2);
       }},
      {"part of larger maps",
       [](const at::Tensor& map) {
         return at::constant_pad_nd(map, {1, 2, 3, 1}).slice(2, 3, 3 + map.size(2)).slice(3, 1, 1 + map.size(3));
       }},
      {"with an offset",
       [](const at::Tensor& map) {
         return at::cat({map, map}).slice(0, map.size(0));
       }},
      {"negated", [](const at::Tensor& map) { return at::_neg_view(map); }},
  };
  const auto check = [](const Maps& student, const Maps& teacher) {
    EXPECT_TRUE(same_bits(
        differentiate(loss(), student, teacher), differentiate(loss(), contiguous(student), contiguous(teacher))));
  };
  const Maps student = student_maps();
  const Maps teacher = teacher_maps();
  for (const auto& [name, layout] : layouts) {
    SCOPED_TRACE(name);
    const auto laid_out = [&lay_out = layout](Maps maps) {
      for (at::Tensor& map : maps) map = lay_out(map);
      return maps;
    };
    check(laid_out(student), laid_out(teacher));
    check(laid_out(student), teacher);
    check(student, laid_out(teacher));
    // Where strides of dimensions of size 1 mean nothing.
    const Maps narrow = {map({4, 1, 3, 2}), map({4, 1, 3, 2})};
    check(laid_out(narrow), narrow);
    const Maps points = {map({4, 6, 1, 1}), map({4, 6, 1, 1})};
    check(laid_out(points), {map({4, 6, 1, 1}), map({4, 6, 1, 1})});
    const Maps single = {map({1, 4, 3, 2}), map({1, 4, 3, 2})};
    check(laid_out(single), {map({1, 4, 3, 2}), map({1, 4, 3, 2})});
  }
}

/// The shapes of two maps of a network, which are the student's or the teacher's.
struct Shapes {
  std::vector<int64_t> first, second;

  Maps maps(at::ScalarType dtype = at::kDouble, at::MemoryFormat format = at::MemoryFormat::Contiguous) const {
    const auto map = [&](at::IntArrayRef shape) { return at::randn(shape, at::kDouble).to(dtype).contiguous(format); };
    return {map(first), map(second)};
  }
};

inline std::ostream& operator<<(std::ostream& out, const Shapes& shapes) {
  return out << at::IntArrayRef(shapes.first) << at::IntArrayRef(shapes.second);
}

/// Of student and teacher: channels that are no multiples of a vector's or a tile's, and whole tiles; more and fewer
/// positions than channels; maps of one size and maps that are pooled, by halves and by windows that overlap; more
/// channels, and more positions, than are multiplied at once.
inline std::vector<std::pair<Shapes, Shapes>> pairs_of_shapes() {
  return {
      {{{3, 1, 3, 2}, {3, 3, 3, 2}}, {{3, 1, 3, 2}, {3, 3, 3, 2}}},
      {{{2, 7, 5, 3}, {2, 17, 3, 7}}, {{2, 7, 4, 5}, {2, 17, 6, 2}}},
      {{{2, 33, 8, 8}, {2, 16, 4, 4}}, {{2, 33, 4, 4}, {2, 16, 8, 8}}},
      {{{1, 70, 9, 9}, {1, 64, 9, 9}}, {{1, 70, 9, 9}, {1, 64, 9, 9}}},
      {{{2, 5, 20, 20}, {2, 24, 17, 20}}, {{2, 5, 20, 20}, {2, 24, 20, 18}}},
      {{{1, 600, 2, 2}, {1, 300, 2, 1}}, {{1, 600, 2, 1}, {1, 300, 2, 2}}}};
}

inline void expect_layout_of(const Maps& gradients, const Maps& maps) {
  for (size_t i = 0; i < maps.size(); ++i) {
    EXPECT_EQ(gradients[i].strides(), maps[i].strides());
    EXPECT_EQ(gradients[i].scalar_type(), maps[i].scalar_type());
  }
}

TEST_P(MapLossTest, MemoryFormatChangesNothingButTheGradients) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (const auto& [of_student, of_teacher] : pairs_of_shapes()) {
      const Maps student = of_student.maps(dtype);
      const Maps teacher = of_teacher.maps(dtype);
      const auto expected = differentiate(reference(), to(student, at::kDouble), to(teacher, at::kDouble));
      for (at::MemoryFormat student_format : kMemoryFormats) {
        for (at::MemoryFormat teacher_format : kMemoryFormats) {
          SCOPED_TRACE(c10::str(dtype, " ", of_student, " ", student_format, ", ", of_teacher, " ", teacher_format));
          const Maps s = in_format(student_format, student);
          const Maps t = in_format(teacher_format, teacher);
          const auto actual = differentiate(loss(), s, t);
          EXPECT_TRUE(close(actual, expected));
          expect_layout_of(actual.student, s);
          expect_layout_of(actual.teacher, t);
        }
      }
    }
  }
}

TEST_P(MapLossTest, MapsOfOneNetworkMayLieDifferently) {
  const auto [of_student, of_teacher] = pairs_of_shapes()[1];
  const Maps student = of_student.maps();
  const Maps teacher = of_teacher.maps();
  const Maps mixed = {student[0], student[1].contiguous(at::MemoryFormat::ChannelsLast)};
  const auto actual = differentiate(loss(), mixed, teacher);
  EXPECT_TRUE(close(actual, differentiate(reference(), student, teacher)));
  expect_layout_of(actual.student, mixed);
}

TEST_P(MapLossTest, HalfPrecisionIsThatOfFloat32Rounded) {
  for (at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    for (at::MemoryFormat format : kMemoryFormats) {
      for (const auto& [of_student, of_teacher] : pairs_of_shapes()) {
        SCOPED_TRACE(c10::str(dtype, " ", format, " ", of_student, of_teacher));
        const Maps student = of_student.maps(dtype, format);
        const Maps teacher = of_teacher.maps(dtype, format);
        const auto actual = differentiate(loss(), student, teacher);
        const auto wide = differentiate(loss(), to(student, at::kFloat), to(teacher, at::kFloat));
        EXPECT_TRUE(same_bits(actual.losses, wide.losses));
        EXPECT_TRUE(same_bits(actual.student, to(wide.student, dtype)));
        EXPECT_TRUE(same_bits(actual.teacher, to(wide.teacher, dtype)));
        expect_layout_of(actual.student, student);
        expect_layout_of(actual.teacher, teacher);
      }
    }
  }
}

TEST_P(MapLossTest, HalfPrecision) {
  for (at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    SCOPED_TRACE(c10::toString(dtype));
    const Maps student = student_maps(dtype);
    const Maps teacher = teacher_maps(dtype);
    const auto actual = differentiate(loss(), student, teacher);
    for (const at::Tensor& one : actual.losses) EXPECT_EQ(one.scalar_type(), at::kFloat);
    EXPECT_TRUE(close(actual, differentiate(reference(), to(student, at::kDouble), to(teacher, at::kDouble))));
  }
}

TEST_P(MapLossTest, TeacherGetsNoGradient) {
  Maps student = student_maps();
  for (at::Tensor& map : student) map.requires_grad_();
  const Maps teacher = teacher_maps();
  total(loss(), student, teacher).backward();
  for (const at::Tensor& map : student) EXPECT_TRUE(map.grad().defined());
  for (const at::Tensor& map : teacher) EXPECT_FALSE(map.grad().defined());
}

TEST_P(MapLossTest, OneMapAloneRequiresGradient) {
  for (bool of_student : {false, true}) {
    for (size_t i : {0, 1, 2}) {
      SCOPED_TRACE(c10::str(of_student ? "student " : "teacher ", i));
      const Maps student = student_maps();
      const Maps teacher = teacher_maps();
      const auto expected = differentiate(loss(), student, teacher);
      const at::Tensor trained = (of_student ? student : teacher)[i].requires_grad_();
      total(loss(), student, teacher).backward();
      EXPECT_TRUE(same_bits(trained.grad(), (of_student ? expected.student : expected.teacher)[i]));
      for (const Maps& maps : {student, teacher}) {
        for (const at::Tensor& map : maps) EXPECT_EQ(map.grad().defined(), map.is_same(trained));
      }
    }
  }
}

TEST_P(MapLossTest, OneLossOfSeveralIsUsed) {
  Maps student = student_maps();
  const Maps teacher = teacher_maps();
  for (at::Tensor& map : student) map.requires_grad_();
  loss()(student, teacher)[0].backward();
  EXPECT_TRUE(student[0].grad().defined());
  EXPECT_FALSE(student[2].grad().defined());
  Maps others;
  for (const at::Tensor& map : student) others.push_back(map.detach().requires_grad_());
  reference()(others, teacher)[0].backward();
  EXPECT_TRUE(close(student[0].grad(), others[0].grad()));
  EXPECT_EQ(student[1].grad().defined(), others[1].grad().defined());
  if (others[1].grad().defined()) {
    EXPECT_TRUE(close(student[1].grad(), others[1].grad()));
  }
}

TEST_P(MapLossTest, OneMapAsStudentAndTeacher) {
  // Its gradients as the one and as the other cancel.
  const at::Tensor map = MapLossTest::map({3, 4, 5, 2}).requires_grad_();
  total(loss(), {map, map}, {map, map}).backward();
  EXPECT_LE(largest(map.grad()), 1e-14);
}

TEST_P(MapLossTest, ValueOnlyWhereNoGradientIsAskedFor) {
  const Maps student = student_maps();
  const Maps teacher = teacher_maps();
  Maps trained;
  for (const at::Tensor& map : student) trained.push_back(map.clone().requires_grad_());
  const auto expected = loss()(trained, teacher);
  for (const at::Tensor& one : expected) EXPECT_TRUE(one.requires_grad());

  const auto constant = loss()(student, teacher);
  for (const at::Tensor& one : constant) EXPECT_FALSE(one.requires_grad());
  EXPECT_TRUE(same_bits(constant, expected));
  {
    const at::NoGradGuard no_grad;
    const auto losses = loss()(trained, teacher);
    for (const at::Tensor& one : losses) EXPECT_FALSE(one.requires_grad());
    EXPECT_TRUE(same_bits(losses, expected));
  }
  {
    const c10::InferenceMode inference;
    const auto losses = loss()(trained, teacher);
    for (const at::Tensor& one : losses) EXPECT_TRUE(one.is_inference());
    EXPECT_TRUE(same_bits(losses, expected));
  }
}

TEST_P(MapLossTest, TeacherFromInferenceMode) {
  const Maps teacher = teacher_maps();
  Maps inferred;
  {
    const c10::InferenceMode inference;
    inferred = contiguous(teacher);
  }
  const auto gradients = [student = student_maps()](const Maps& constants) {
    Maps trained;
    for (const at::Tensor& map : student) trained.push_back(map.detach().requires_grad_());
    return torch::autograd::grad({total(loss(), trained, constants)}, trained);
  };
  EXPECT_TRUE(inferred[0].is_inference());
  EXPECT_TRUE(same_bits(gradients(inferred), gradients(teacher)));
}

TEST_P(MapLossTest, RetainGraph) {
  Maps student = student_maps();
  for (at::Tensor& map : student) map.requires_grad_();
  expect_graph_is_retained(total(loss(), student, teacher_maps()), student);
}

TEST_P(MapLossTest, DoubleBackwardIsRefused) {
  Maps inputs = {map({2, 3, 4, 4}), map({2, 2, 4, 4}), map({2, 3, 4, 4}), map({2, 2, 4, 4})};
  for (at::Tensor& input : inputs) input.requires_grad_();
  const at::Tensor first = loss()({inputs[0], inputs[1]}, {inputs[2], inputs[3]})[0];
  expect_double_backward_is_refused(
      first, {inputs[0], inputs[2]}, message("the gradient must not be differentiated again"));
}

TEST_P(MapLossTest, PartOfALargerGraph) {
  const at::Tensor images = map({4, 3, 5, 5});
  const at::Tensor weight = map({6, 3, 3, 3}).requires_grad_();
  const Maps teacher = {map({4, 6, 3, 3}), map({4, 6, 2, 2})};
  const auto gradient = [&](const MapLoss& loss) {
    const at::Tensor features = at::conv2d(images, weight);
    const Maps student = {features, at::avg_pool2d(features, {2, 2}, {1, 1})};
    return torch::autograd::grad({0.3 * total(loss, student, teacher) + features.square().mean()}, {weight})[0];
  };
  EXPECT_TRUE(close(gradient(loss()), gradient(reference())));
}

TEST_P(MapLossTest, NumberOfThreadsChangesNothing) {
  const Shapes of_student = {{13, 20, 8, 8}, {13, 90, 5, 5}};
  const Shapes of_teacher = {{13, 20, 8, 8}, {13, 90, 6, 4}};
  for (at::ScalarType dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    for (at::MemoryFormat format : kMemoryFormats) {
      SCOPED_TRACE(c10::str(dtype, " ", format));
      const Maps student = of_student.maps(dtype, format);
      const Maps teacher = of_teacher.maps(dtype, format);
      set_threads(1);
      const auto one = differentiate(loss(), student, teacher);
      for (int threads : {2, 3, 16}) {
        set_threads(threads);
        EXPECT_TRUE(same_bits(differentiate(loss(), student, teacher), one));
      }
    }
  }
}

TEST_P(MapLossTest, LeavesItsInputAlone) {
  const Maps student = student_maps();
  const Maps teacher = teacher_maps();
  const Maps student_before = contiguous(student);
  const Maps teacher_before = contiguous(teacher);
  differentiate(loss(), student, teacher);
  EXPECT_TRUE(same_bits(student, student_before));
  EXPECT_TRUE(same_bits(teacher, teacher_before));
}

TEST_P(MapLossTest, RejectsOtherNumbersOfMaps) {
  Maps fewer = student_maps();
  fewer.pop_back();
  EXPECT_EQ(
      error(student_maps(), fewer), message("student and teacher must have the same number of maps (got 3 and 2)"));
  EXPECT_EQ(
      error(fewer, student_maps()), message("student and teacher must have the same number of maps (got 2 and 3)"));
  EXPECT_EQ(error({}, fewer), message("student and teacher must have the same number of maps (got 0 and 2)"));
}

TEST_P(MapLossTest, RejectsUndefinedMaps) {
  for (size_t i : {0, 1, 2}) {
    Maps maps = student_maps();
    maps[i] = at::Tensor();
    const std::string rule = c10::str("[", i, "] must be defined (got an undefined tensor)");
    EXPECT_EQ(error(maps, teacher_maps()), message("student" + rule));
    EXPECT_EQ(error(student_maps(), maps), message("teacher" + rule));
  }
  EXPECT_EQ(error({{}, {}}, {{}, {}}), message("student[0] must be defined (got an undefined tensor)"));
}

TEST_P(MapLossTest, RejectsOtherDtypes) {
  Maps maps = student_maps();
  maps[1] = maps[1].to(at::kLong);
  EXPECT_EQ(error(maps, teacher_maps()), message("student[1] must be floating point (got Long)"));
  EXPECT_EQ(error(student_maps(), maps), message("teacher[1] must be floating point (got Long)"));
  maps[1] = maps[1].to(at::kComplexDouble);
  EXPECT_EQ(error(maps, teacher_maps()), message("student[1] must be floating point (got ComplexDouble)"));
  maps[1] = at::real(maps[1]).to(at::kFloat);
  EXPECT_EQ(
      error(maps, teacher_maps()),
      message("student[0] and student[1] must have the same dtype (got Double and Float)"));
  EXPECT_EQ(
      error(student_maps(), maps),
      message("student[0] and teacher[1] must have the same dtype (got Double and Float)"));
}

TEST_P(MapLossTest, RejectsSparseMaps) {
  Maps maps = student_maps();
  maps[2] = maps[2].to_sparse();
  EXPECT_EQ(error(maps, teacher_maps()), message("student[2] must be dense (got Sparse)"));
  EXPECT_EQ(error(student_maps(), maps), message("teacher[2] must be dense (got Sparse)"));
}

TEST_P(MapLossTest, RejectsOtherRanks) {
  for (const std::vector<int64_t>& shape :
       std::vector<std::vector<int64_t>>{{}, {4}, {4, 5}, {4, 5, 2}, {4, 5, 2, 2, 2}}) {
    Maps maps = student_maps();
    maps[1] = map(shape);
    const std::string rule =
        c10::str("[1] must be of shape [batch, channels, height, width] (got ", at::IntArrayRef(shape), ")");
    EXPECT_EQ(error(maps, teacher_maps()), message("student" + rule));
    EXPECT_EQ(error(student_maps(), maps), message("teacher" + rule));
  }
}

TEST_P(MapLossTest, RejectsEmptyMaps) {
  for (const std::vector<int64_t>& shape :
       std::vector<std::vector<int64_t>>{{0, 3, 2, 2}, {4, 0, 2, 2}, {4, 3, 0, 2}, {4, 3, 2, 0}}) {
    Maps maps = student_maps();
    maps[0] = map(shape);
    const std::string rule = c10::str("[0] must not be empty (got ", at::IntArrayRef(shape), ")");
    EXPECT_EQ(error(maps, maps), message("student" + rule));
    EXPECT_EQ(error(student_maps(), maps), message("teacher" + rule));
  }
}

TEST_P(MapLossTest, RejectsOtherBatches) {
  Maps maps = student_maps();
  maps[2] = map({1, 2, 3, 2});
  EXPECT_EQ(error(maps, teacher_maps()), message("student[0] and student[2] must have the same batch (got 4 and 1)"));
  EXPECT_EQ(error(student_maps(), maps), message("student[0] and teacher[2] must have the same batch (got 4 and 1)"));
}

TEST_P(MapLossTest, RejectsAnotherDevice) {
  Maps maps = student_maps();
  maps[1] = maps[1].to(at::kMeta);
  EXPECT_EQ(
      error(maps, teacher_maps()), message("student[0] and student[1] must be on the same device (got cpu and meta)"));
  EXPECT_EQ(
      error(student_maps(), maps), message("student[0] and teacher[1] must be on the same device (got cpu and meta)"));
}

}  // namespace retort::test
