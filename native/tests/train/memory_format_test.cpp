// Ways of a step that change how it computes, not what: memory formats, precision; and what it does about values that
// are not finite.
#include <ATen/Functions.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <retort/losses/fsp.h>
#include <retort/losses/nst.h>

#include <functional>
#include <limits>
#include <set>

#include "reference/kd.h"
#include "seeded_test.h"
#include "step_rig.h"
#include "train/format_choice.h"

namespace retort {
namespace {

using test::close;
using test::error_of;
using test::NamedTensors;
using test::same_bits;
using test::StepRig;
using test::TinyNetwork;
using Change = std::function<void(TrainingStepOptions&)>;

constexpr MemoryFormat kFormats[] = {MemoryFormat::kContiguous, MemoryFormat::kChannelsLast};

class MemoryFormatTest : public test::SeededTest {};

// ---- memory formats -------------------------------------------------------------------------------------------------

/// A rig with losses on maps, without dropout, which draws in the order of memory.
StepRig rig_of_formats(MemoryFormat student, MemoryFormat teacher, at::ScalarType dtype) {
  return StepRig([=](TrainingStepOptions& options) {
    options.student = std::make_shared<TinyNetwork>();
    options.student->convert(dtype);
    options.teachers[0].network->convert(dtype);
    options.terms.resize(4);
    options.terms.push_back({0.8, std::make_shared<FspOptions>(), {"map", "map"}, {"map", "map"}});
    options.terms.push_back({0.6, std::make_shared<NstOptions>(), {"map"}, {"map"}});
    options.student_format = student;
    options.teachers[0].format = teacher;
  });
}

TEST_F(MemoryFormatTest, ResultsAreTheSame) {
  for (const auto& [dtype, tolerance] : {std::pair{at::kFloat, 1e-5}, std::pair{at::kDouble, 1e-12}}) {
    for (MemoryFormat student : kFormats) {
      for (MemoryFormat teacher : kFormats) {
        StepRig rig = rig_of_formats(student, teacher, dtype);
        StepRig plain = rig_of_formats(MemoryFormat::kContiguous, MemoryFormat::kContiguous, dtype);
        rig.batch.images = plain.batch.images = plain.batch.images.to(dtype);
        for (uint64_t seed : {1, 2, 3}) {
          const StepResult result = rig.run(seed), expected = plain.run(seed);
          EXPECT_EQ(result.student_format, student);
          EXPECT_EQ(result.teacher_formats[0], teacher);
          EXPECT_TRUE(close(result.total, expected.total, tolerance));
          for (size_t i = 0; i < expected.terms.size(); ++i) {
            EXPECT_TRUE(close(result.terms[i], expected.terms[i], tolerance)) << i;
          }
        }
        const NamedTensors expected = plain.step->state();
        for (const auto& entry : rig.step->state()) {
          // BatchNorm leaves conv.bias a gradient of rounding alone.
          if (entry.key() == "momentum.student.conv.bias") continue;
          EXPECT_TRUE(close(entry.value(), expected[entry.key()], tolerance)) << entry.key();
        }
      }
    }
  }
}

TEST_F(MemoryFormatTest, MapsLieInIt) {
  // Images of one channel are contiguous in both formats.
  for (int64_t channels : {1, 3}) {
    for (MemoryFormat student : kFormats) {
      for (MemoryFormat teacher : kFormats) {
        const auto students = std::make_shared<TinyNetwork>(5, /*dropout=*/0.0, channels);
        const auto teachers = std::make_shared<TinyNetwork>(5, /*dropout=*/0.0, channels);
        StepRig rig([&](TrainingStepOptions& options) {
          options.student = students;
          options.teachers = {teachers};
          options.input_shape[0] = channels;
          options.student_format = student;
          options.teachers[0].format = teacher;
        });
        const auto expect_format = [](TinyNetwork& network, MemoryFormat format) {
          network.at_end = [format](NetworkOutput& output) {
            EXPECT_TRUE(output.features[0].is_contiguous(to_aten(format)));
          };
        };
        expect_format(*students, student);
        expect_format(*teachers, teacher);
        rig.batch.images = at::randn({6, channels, 6, 6});
        rig.run(1);
      }
    }
  }
}

TEST_F(MemoryFormatTest, ChoiceIsTheFastest) {
  // The first batch of each format does not count, and one slow batch does no harm.
  for (size_t fastest : {0, 1}) {
    FormatChoice choice(MemoryFormat::kAuto);
    for (size_t batch = 0; batch < 8; ++batch) {
      EXPECT_EQ(choice.chosen(), MemoryFormat::kAuto);
      EXPECT_EQ(choice.next(), kFormats[batch % 2]);
      EXPECT_EQ(choice.next(), kFormats[batch % 2]) << "asking is no turn";
      const bool is_fast = batch % 2 == fastest;
      choice.note(batch < 2 ? (is_fast ? 9000 : 1) : batch < 4 ? 700 : is_fast ? 100 : 101);
    }
    EXPECT_EQ(choice.chosen(), kFormats[fastest]);
    choice.note(1000000);
    EXPECT_EQ(choice.next(), kFormats[fastest]);
  }
}

TEST_F(MemoryFormatTest, AutoTakesTurnsAndSettles) {
  StepRig rig([](TrainingStepOptions& options) {
    options.student_format = MemoryFormat::kAuto;
    options.teachers[0].format = MemoryFormat::kAuto;
  });
  for (size_t i = 0; i < 8; ++i) {
    if (i == 3) {
      rig.second->in_after_step = [] { throw std::runtime_error("no"); };
      EXPECT_ANY_THROW(rig.run(i)) << "and a step that fails has no turn";
      rig.mend();
    }
    const StepResult result = rig.run(i);
    EXPECT_EQ(result.student_format, kFormats[i % 2]);
    EXPECT_EQ(result.teacher_formats[0], kFormats[i % 2]);
  }
  std::set<MemoryFormat> student, teacher;
  for (size_t i = 8; i < 12; ++i) {
    const StepResult result = rig.run(i);
    student.insert(result.student_format);
    teacher.insert(result.teacher_formats[0]);
  }
  EXPECT_EQ(student.size(), 1u);
  EXPECT_EQ(teacher.size(), 1u);
  EXPECT_EQ(student.count(MemoryFormat::kAuto) + teacher.count(MemoryFormat::kAuto), 0u);
}

TEST_F(MemoryFormatTest, NeedsImages) {
  for (MemoryFormat format : {MemoryFormat::kChannelsLast, MemoryFormat::kAuto}) {
    for (bool is_students : {true, false}) {
      TrainingStepOptions options;
      options.student = std::make_shared<test::LinearNetwork>(7, 4);
      options.input_shape = {7};
      options.teachers.resize(1);
      (is_students ? options.student_format : options.teachers[0].format) = format;
      EXPECT_EQ(
          error_of([&] { TrainingStep step(options); }),
          "TrainingStep: input shape must be [channels, height, width] for memory formats (got [7])");
    }
  }
}

// ---- precision ------------------------------------------------------------------------------------------------------

TEST_F(MemoryFormatTest, BFloat16StudentLearns) {
  const auto rig_of = [](Precision precision) {
    return StepRig([=](TrainingStepOptions& options) { options.student_precision = precision; });
  };
  StepRig rig = rig_of(Precision::kBFloat16), full = rig_of(Precision::kFull);
  at::ScalarType dtype = at::kFloat;
  rig.student->at_end = [&](NetworkOutput& output) { dtype = output.logits.scalar_type(); };
  const StepResult first = rig.run(1), expected = full.run(1);
  EXPECT_EQ(dtype, at::kBFloat16);
  EXPECT_TRUE(close(first.cross_entropy, expected.cross_entropy, 0.02));
  EXPECT_TRUE(close(first.total, expected.total, 0.02));
  EXPECT_NE(first.total, expected.total);
  StepResult last;
  for (int i = 0; i < 30; ++i) last = rig.run(1);
  EXPECT_LT(last.total, 0.9 * first.total);
  EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
  for (const auto& entry : rig.step->state()) {
    if (entry.value().is_floating_point()) {
      EXPECT_EQ(entry.value().scalar_type(), at::kFloat) << entry.key();
    }
  }
}

TEST_F(MemoryFormatTest, CallersAutocastDoesNotMatter) {
  for (Precision precision : {Precision::kFull, Precision::kBFloat16}) {
    const auto in_precision = [=](TrainingStepOptions& options) { options.student_precision = precision; };
    StepRig rig(in_precision), twin(in_precision);
    // As Python's torch.autocast does, whose copies of weights live until it ends.
    at::autocast::set_autocast_enabled(at::kCPU, true);
    at::autocast::increment_nesting();
    std::string error = error_of([&] {
      for (uint64_t seed : {1, 2}) rig.run(seed);
    });
    EXPECT_TRUE(at::autocast::is_autocast_enabled(at::kCPU));
    at::autocast::decrement_nesting();
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(at::kCPU, false);
    EXPECT_EQ(error, "nothing was thrown");
    for (uint64_t seed : {1, 2}) {
      twin.run(seed);
      at::autocast::clear_cache();
    }
    EXPECT_TRUE(same_bits(rig.photograph(), twin.photograph()));
  }
}

// ---- values that are not finite -------------------------------------------------------------------------------------

struct NotFinite {
  std::string name;
  std::function<void(StepRig&, Batch&)> cause;
};

class SkippedStepTest : public test::SeededTest, public ::testing::WithParamInterface<NotFinite> {};

TEST_P(SkippedStepTest, ChangesNothing) {
  const auto skip = [](TrainingStepOptions& options) { options.skip_non_finite = true; };
  StepRig rig(skip), twin(skip);
  rig.run(1);
  twin.run(1);
  Batch batch = rig.batch;
  GetParam().cause(rig, batch);
  manual_seed(2);
  const NamedTensors before = rig.photograph();
  StepResult result;
  rig.step->run(batch, result);
  EXPECT_TRUE(result.skipped);
  EXPECT_FALSE(result.updated);
  EXPECT_EQ(result.labeled, 5);
  EXPECT_TRUE(same_bits(rig.photograph(), before));

  rig.mend();
  result = rig.run(3);
  EXPECT_FALSE(result.skipped);
  EXPECT_TRUE(result.updated);
  EXPECT_EQ(result.total, twin.run(3).total);
  EXPECT_TRUE(same_bits(rig.photograph(), twin.photograph()));
}

INSTANTIATE_TEST_SUITE_P(
    Step, SkippedStepTest,
    ::testing::Values(
        NotFinite{
            "NanImage",
            [](StepRig&, Batch& batch) {
              batch.images = batch.images.clone();
              batch.images[2][1][3][4] = std::numeric_limits<float>::quiet_NaN();
            }},
        NotFinite{
            "NanLoss",
            [](StepRig& rig, Batch&) {
              rig.second->in_forward = [](const at::Tensor& loss) {
                return loss * std::numeric_limits<double>::quiet_NaN();
              };
            }},
        NotFinite{
            "InfiniteGradient",
            [](StepRig& rig, Batch&) {
              // The slope of the root at 0.
              rig.second->in_forward = [](const at::Tensor& loss) { return loss + (loss - loss.detach()).sqrt(); };
            }}),
    [](const ::testing::TestParamInfo<NotFinite>& of) { return of.param.name; });

TEST_F(SkippedStepTest, OtherErrorsAreErrors) {
  StepRig rig([](TrainingStepOptions& options) { options.skip_non_finite = true; });
  rig.second->in_after_step = [] { throw std::runtime_error("no"); };
  EXPECT_EQ(error_of([&] { rig.run(1); }), "not a c10::ValueError: no");
}

// ---- results --------------------------------------------------------------------------------------------------------

TEST_F(MemoryFormatTest, WeightsOfSamplesReachTheLosses) {
  StepRig rig([](TrainingStepOptions& options) {
    options.student->convert(at::kDouble);
    options.teachers[0].network->convert(at::kDouble);
  });
  rig.batch.images = rig.batch.images.to(at::kDouble);
  rig.batch.weights = at::tensor({0.5, 0.0, 4.0, 2.0, 1.0, 0.25}, at::kFloat);
  at::Tensor learned, taught;
  rig.student->at_end = [&](NetworkOutput& output) { learned = output.logits.detach(); };
  rig.teacher->at_end = [&](NetworkOutput& output) { taught = output.logits; };
  const StepResult result = rig.run(1);
  const at::Tensor kd = reference::kd_loss(learned, taught, 4.0, rig.batch.weights);
  EXPECT_TRUE(close(result.terms[0], kd.item<double>(), 1e-12));
  const at::Tensor log_p = at::log_softmax(learned, 1);
  double sum = 0;
  for (int64_t b : {0, 1, 3, 4, 5}) {
    const auto label = rig.batch.labels[b].item<int64_t>();
    sum -= rig.batch.weights[b].item<double>() * log_p[b][label].item<double>();
  }
  EXPECT_TRUE(close(result.cross_entropy, sum / 3.75, 1e-12));
}

TEST_F(MemoryFormatTest, TimeIsMeasured) {
  StepRig rig;
  EXPECT_GT(rig.run(1).nanoseconds, 0);
}

}  // namespace
}  // namespace retort
