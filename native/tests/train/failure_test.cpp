// A step that fails says why and changes nothing.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/crd.h>
#include <retort/losses/kd.h>
#include <retort/losses/ofd.h>
#include <retort/models/resnet.h>
#include <retort/runtime.h>
#include <retort/train/adam.h>
#include <retort/train/training_step.h>

#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <tuple>

#include "expect.h"
#include "networks.h"
#include "projection_criterion.h"
#include "seeded_test.h"
#include "step_rig.h"

namespace retort {
namespace {

using test::error_of;
using test::NamedTensors;
using test::same_bits;
using test::TinyNetwork;
using Rig = test::StepRig;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

void throw_no() {
  throw std::runtime_error("no");
}

constexpr const char* kNo = "not a c10::ValueError: no";

/// One way to make a step fail.
struct Failure {
  std::string name;
  std::string text;
  std::function<void(Rig& rig, Batch& batch)> cause;
};

/// One kind of step that may fail.
struct Variant {
  std::string name;
  std::function<void(TrainingStepOptions&)> change;
};

class FailedStepTest : public test::SeededTest, public ::testing::WithParamInterface<std::tuple<Variant, Failure>> {};

class FailedFirstStepTest : public test::SeededTest {};

TEST_P(FailedStepTest, ChangesNothing) {
  const auto& [variant, failure] = GetParam();
  Rig rig(variant.change);
  Rig twin(variant.change);
  // So that momentum and buffers are not what they were in the beginning.
  rig.run(1);
  twin.run(1);
  rig.student->named_children()["norm"]->eval();
  rig.teacher->train();

  Batch batch = rig.batch;
  failure.cause(rig, batch);
  manual_seed(2);
  const NamedTensors before = rig.photograph();
  StepResult result;
  result.total = 77;
  for (int attempt = 0; attempt < 2; ++attempt) {
    EXPECT_EQ(error_of([&] { result = Rig::run(*rig.step, batch); }), failure.text);
    EXPECT_TRUE(same_bits(rig.photograph(), before));
    EXPECT_EQ(result.total, 77);
    EXPECT_TRUE(result.terms.empty());
  }

  rig.mend();
  rig.student->train();
  const StepResult after_failure = rig.run(4);
  const StepResult without_failure = twin.run(4);
  EXPECT_EQ(after_failure.total, without_failure.total);
  EXPECT_EQ(after_failure.terms, without_failure.terms);
  EXPECT_EQ(after_failure.correct, without_failure.correct);
  EXPECT_TRUE(same_bits(rig.photograph(), twin.photograph()));
}

TEST_F(FailedFirstStepTest, LeavesEverythingUnset) {
  for (const bool in_forward : {true, false}) {
    Rig rig;
    Rig twin;
    manual_seed(4);
    const NamedTensors before = rig.photograph();
    if (in_forward) {
      rig.second->in_forward = [](const at::Tensor& loss) { return loss * kInfinity; };
    } else {
      rig.second->in_after_step = throw_no;
    }
    const std::string text = in_forward ? "TrainingStep: loss of term 4 must be finite (got inf)" : kNo;
    EXPECT_EQ(error_of([&] { rig.run(4); }), text);
    const NamedTensors after = rig.photograph();
    EXPECT_TRUE(same_bits(after, before));
    EXPECT_EQ(after["terms.2.z_student"].item<double>(), 0.0);
    rig.mend();
    EXPECT_EQ(rig.run(4).terms, twin.run(4).terms);
    EXPECT_TRUE(same_bits(rig.photograph(), twin.photograph()));
  }
}

std::vector<Failure> failures_of_batches() {
  return {
      {"NoImages", "TrainingStep: images must be given (got an undefined tensor)",
       [](Rig&, Batch& batch) { batch.images = at::Tensor(); }},
      {"ImagesOfAnotherRank", "TrainingStep: images must be of shape [batch, 3, 6, 6] (got [3, 6, 6])",
       [](Rig&, Batch& batch) { batch.images = batch.images[0]; }},
      {"ImagesOfAnotherShape", "TrainingStep: images must be of shape [batch, 3, 6, 6] (got [6, 3, 6, 5])",
       [](Rig&, Batch& batch) { batch.images = batch.images.slice(3, 1); }},
      {"EmptyBatch", "TrainingStep: images must not be empty (got [0, 3, 6, 6])",
       [](Rig&, Batch& batch) { batch.images = batch.images.slice(0, 6); }},
      {"ImagesOfAnotherDtype", "TrainingStep: images must be of the network's dtype Float or bytes (got Double)",
       [](Rig&, Batch& batch) { batch.images = batch.images.to(at::kDouble); }},
      {"ImagesOnAnotherDevice", "TrainingStep: images must be on the network's device cpu (got meta)",
       [](Rig&, Batch& batch) { batch.images = batch.images.to(at::kMeta); }},
      {"IndicesOfAnotherDtype", "TrainingStep: indices must be int64 (got Int)",
       [](Rig&, Batch& batch) { batch.indices = batch.indices.to(at::kInt); }},
      {"IndicesOfAnotherBatch", "TrainingStep: indices must be of rank 1 with the batch of 6 first (got [5])",
       [](Rig&, Batch& batch) { batch.indices = batch.indices.slice(0, 1); }},
      {"IndicesOfAnotherRank", "TrainingStep: indices must be of rank 1 with the batch of 6 first (got [6, 1])",
       [](Rig&, Batch& batch) { batch.indices = batch.indices.unsqueeze(1); }},
      {"ContrastOfAnotherDtype", "TrainingStep: contrast must be int64 (got Float)",
       [](Rig&, Batch& batch) { batch.contrast = batch.contrast.to(at::kFloat); }},
      {"ContrastOfAnotherRank", "TrainingStep: contrast must be of rank 2 with the batch of 6 first (got [6])",
       [](Rig&, Batch& batch) { batch.contrast = batch.indices; }},
      {"ContrastOfAnotherBatch", "TrainingStep: contrast must be of rank 2 with the batch of 6 first (got [4, 3])",
       [](Rig&, Batch& batch) { batch.contrast = batch.contrast.slice(0, 2); }},
      {"NoIndices", "crd_loss: indices must be given (got an undefined tensor)",
       [](Rig&, Batch& batch) { batch.indices = at::Tensor(); }},
      {"IndexBeyondTheMemory", "crd_loss: indices must be between 0 and 11 (got 12)",
       [](Rig&, Batch& batch) { batch.indices = at::arange(7, 13, at::kLong); }},
      {"ContrastBeyondTheMemory", "crd_loss: contrast must be between 0 and 11 (got -5)",
       [](Rig&, Batch& batch) { batch.contrast = batch.indices.unsqueeze(1) - at::arange(6, at::kLong); }},
      {"NoLabels", "TrainingStep: labels must be given (got an undefined tensor)",
       [](Rig&, Batch& batch) { batch.labels = at::Tensor(); }},
      {"LabelsOfAnotherDtype", "TrainingStep: labels must be int64 (got Int)",
       [](Rig&, Batch& batch) { batch.labels = batch.labels.to(at::kInt); }},
      {"LabelsOfAnotherBatch", "TrainingStep: labels must be of shape [6] (got [5])",
       [](Rig&, Batch& batch) { batch.labels = batch.labels.slice(0, 1); }},
      {"LabelsOfAnotherRank", "TrainingStep: labels must be of shape [6] (got [6, 1])",
       [](Rig&, Batch& batch) { batch.labels = batch.labels.unsqueeze(1); }},
      {"LabelTooLarge", "TrainingStep: labels must be between -1 and 4 (got 5 at 3)",
       [](Rig&, Batch& batch) {
         batch.labels = at::tensor({0, 1, 2, 5, 4, 0}, at::kLong);
       }},
      {"LabelTooSmall", "TrainingStep: labels must be between -1 and 4 (got -2 at 5)",
       [](Rig&, Batch& batch) {
         batch.labels = at::tensor({0, 1, 2, 3, 4, -2}, at::kLong);
       }},
      {"WeightsOfAnotherDtype", "TrainingStep: weights must be floating point of shape [6] (got Long [6])",
       [](Rig&, Batch& batch) { batch.weights = at::ones({6}, at::kLong); }},
      {"WeightsOfAnotherBatch", "TrainingStep: weights must be floating point of shape [6] (got Float [5])",
       [](Rig&, Batch& batch) { batch.weights = at::ones({5}); }},
      {"NegativeWeight", "TrainingStep: weights must be at least 0 and finite (got -1 at 2)",
       [](Rig&, Batch& batch) {
         batch.weights = at::tensor({1, 1, -1, 1, 1, 1}, at::kFloat);
       }},
      {"InfiniteWeight", "TrainingStep: weights must be at least 0 and finite (got inf at 0)",
       [](Rig&, Batch& batch) { batch.weights = at::full({6}, kInfinity); }},
      {"NoWeight", "TrainingStep: weights must not all be 0 (got only 0)",
       [](Rig&, Batch& batch) { batch.weights = at::zeros({6}); }},
  };
}

std::vector<Failure> failures_of_networks() {
  return {
      {"TeacherThrows", kNo, [](Rig& rig, Batch&) { rig.teacher->halfway = throw_no; }},
      {"TeacherMovesItsBuffersAndThrows", kNo,
       [](Rig& rig, Batch&) {
         rig.teacher->halfway = [&rig] {
           rig.teacher->named_buffers()["norm.running_mean"].add_(1);
           throw_no();
         };
       }},
      {"StudentThrowsAfterBatchNormAndDropout", kNo, [](Rig& rig, Batch&) { rig.student->halfway = throw_no; }},
      {"StudentReturnsNoLogits", "Network.forward: logits must be of shape [6, classes] (got an undefined tensor)",
       [](Rig& rig, Batch&) { rig.student->at_end = [](NetworkOutput& output) { output.logits = at::Tensor(); }; }},
      {"StudentLosesAFeature", "Network.forward: features must be one for each of 2 taps (got 1)",
       [](Rig& rig, Batch&) { rig.student->at_end = [](NetworkOutput& output) { output.features.pop_back(); }; }},
      {"TeacherHasOtherClasses", "kd_loss: student and teacher must have the same shape (got [6, 5] and [6, 4])",
       [](Rig& rig, Batch&) {
         rig.teacher->at_end = [](NetworkOutput& output) { output.logits = output.logits.slice(1, 1); };
       }},
  };
}

std::vector<Failure> failures_of_criteria() {
  return {
      {"CriterionThrowsInForward", kNo,
       [](Rig& rig, Batch&) {
         rig.second->in_forward = [](const at::Tensor& loss) {
           at::rand({3});
           throw_no();
           return loss;
         };
       }},
      {"SecondCriterionThrowsInAfterStep", kNo, [](Rig& rig, Batch&) { rig.second->in_after_step = throw_no; }},
      {"CriterionReturnsNothing", "TrainingStep: loss of term 1 must be a scalar (got an undefined tensor)",
       [](Rig& rig, Batch&) { rig.first->in_forward = [](const at::Tensor&) { return at::Tensor(); }; }},
      {"CriterionReturnsAVector", "TrainingStep: loss of term 4 must be a scalar (got [4])",
       [](Rig& rig, Batch&) { rig.second->in_forward = [](const at::Tensor& loss) { return loss.expand({4}); }; }},
      {"LossIsInfinite", "TrainingStep: loss of term 4 must be finite (got inf)",
       [](Rig& rig, Batch&) { rig.second->in_forward = [](const at::Tensor& loss) { return loss * kInfinity; }; }},
      {"LossIsNan", "TrainingStep: loss of term 1 must be finite (got nan)",
       [](Rig& rig, Batch&) { rig.first->in_forward = [](const at::Tensor& loss) { return loss * std::fabs(kNan); }; }},
      {"LossIsNegativeNan", "TrainingStep: loss of term 1 must be finite (got nan)",
       [](Rig& rig, Batch&) {
         rig.first->in_forward = [](const at::Tensor& loss) { return (loss * std::fabs(kNan)).neg(); };
       }},
      {"SumIsInfinite", "TrainingStep: loss must be finite (got inf)",
       [](Rig& rig, Batch&) {
         const auto huge = [](const at::Tensor& loss) { return loss.to(at::kDouble) * 0 + 1e308; };
         rig.first->in_forward = huge;
         rig.second->in_forward = huge;
       }},
      {"GradientIsNanThoughTheLossIsFinite",
       "TrainingStep: gradient of student.conv.weight must be finite (got inf or nan)",
       [](Rig& rig, Batch&) {
         // The slope of the root at 0 is infinite, times 0 is NaN.
         rig.second->in_forward = [](const at::Tensor& loss) { return loss + (loss * 0).sqrt(); };
       }},
  };
}

/// The same rig, in the middle of an accumulation, in its second stage and so on after the batch that precedes the
/// failure.
std::vector<Variant> variants() {
  return {
      {"Plain", {}},
      {"Accumulation", [](TrainingStepOptions& options) { options.accumulate = 2; }},
      {"Adam", [](TrainingStepOptions& options) { options.optimizer = std::make_shared<AdamOptions>(); }},
      {"TrainingTeacher",
       [](TrainingStepOptions& options) { options.teachers[0].batch_norm = TeacherBatchNorm::kTraining; }},
      {"LateResults", [](TrainingStepOptions& options) { options.late_results = true; }},
      {"LateAccumulation",
       [](TrainingStepOptions& options) {
         options.late_results = true;
         options.accumulate = 2;
       }},
      {"LateAdam",
       [](TrainingStepOptions& options) {
         options.late_results = true;
         options.optimizer = std::make_shared<AdamOptions>();
       }},
      {"LateSecondStage",
       [](TrainingStepOptions& options) {
         options.late_results = true;
         options.later_stages = {options};
         options.steps = 1;
       }},
      {"SecondStage",
       [](TrainingStepOptions& options) {
         options.later_stages = {options};
         options.steps = 1;
       }},
  };
}

std::string name_of(const ::testing::TestParamInfo<FailedStepTest::ParamType>& info) {
  return std::get<Variant>(info.param).name + std::get<Failure>(info.param).name;
}

auto in_all_variants(const std::vector<Failure>& failures) {
  return ::testing::Combine(::testing::ValuesIn(variants()), ::testing::ValuesIn(failures));
}

INSTANTIATE_TEST_SUITE_P(Batch, FailedStepTest, in_all_variants(failures_of_batches()), name_of);
INSTANTIATE_TEST_SUITE_P(Network, FailedStepTest, in_all_variants(failures_of_networks()), name_of);
INSTANTIATE_TEST_SUITE_P(Criterion, FailedStepTest, in_all_variants(failures_of_criteria()), name_of);

// ---- options --------------------------------------------------------------------------------------------------------

class TrainingStepOptionsTest : public test::SeededTest {
 protected:
  /// What the constructor says to options that were good before the change.
  static std::string error_after(const std::function<void(TrainingStepOptions&)>& change) {
    TrainingStepOptions options;
    options.student = std::make_shared<TinyNetwork>();
    options.teachers = {std::make_shared<TinyNetwork>()};
    options.input_shape = {3, 6, 6};
    options.terms = {{1.0, std::make_shared<test::ProjectionOptions>(), {"embedding"}, {"embedding"}}};
    change(options);
    return error_of([&] { TrainingStep step(options); });
  }
};

TEST_F(TrainingStepOptionsTest, AreGood) {
  EXPECT_EQ(error_after([](TrainingStepOptions&) {}), "nothing was thrown");
}

TEST_F(TrainingStepOptionsTest, RejectsNetworks) {
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.student = nullptr; }),
      "TrainingStep: student must be given (got null)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers[0].network = nullptr; }),
      "TrainingStep: teacher must be given with terms on features (got null)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers = {options.student}; }),
      "TrainingStep: teacher must be another network than the student (got the same)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) {
        for (at::Tensor& parameter : options.student->parameters()) parameter.set_requires_grad(false);
        options.terms = {{1.0, std::make_shared<KdOptions>(), {}, {}}};
      }),
      "TrainingStep: student must have a parameter that requires a gradient (got none)");
}

TEST_F(TrainingStepOptionsTest, RejectsInputShapes) {
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.input_shape = {}; }),
      "Network.probe: input shape must have positive sizes (got [])");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) {
        options.student = make_resnet(ResNetOptions());
        options.input_shape = {1, 8, 8};
      }),
      "ResNet: images must be of shape [batch, 3, height, width] (got [2, 1, 8, 8])");
}

TEST_F(TrainingStepOptionsTest, RejectsWeights) {
  for (const auto& [weight, text] :
       std::vector<std::pair<double, std::string>>{{-0.5, "-0.5"}, {kInfinity, "inf"}, {kNan, "nan"}}) {
    EXPECT_EQ(
        error_after([&, w = weight](TrainingStepOptions& options) { options.cross_entropy.weight = w; }),
        "CrossEntropyTerm: weight must be at least 0 and finite (got " + text + ")");
    EXPECT_EQ(
        error_after([&, w = weight](TrainingStepOptions& options) { options.terms[0].weight = w; }),
        "TrainingStep: weight of a term must be at least 0 and finite (got " + text + ")");
  }
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) {
        options.cross_entropy.weight = 0;
        options.terms.clear();
      }),
      "TrainingStep: loss must have at least one part (got none)");
}

TEST_F(TrainingStepOptionsTest, RejectsTerms) {
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.terms[0].criterion = nullptr; }),
      "TrainingStep: criterion of a term must be given (got null)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.terms[0].student_taps = {"layer9"}; }),
      "TrainingStep: student's tap must be one of map, embedding (got layer9)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.terms[0].teacher_taps = {"map2"}; }),
      "TrainingStep: teacher's tap must be one of map, embedding (got map2, did you mean map?)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.terms[0].criterion = std::make_shared<KdOptions>(); }),
      "kd_loss: taps must be empty (got 2 taps)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) {
        auto kd = std::make_shared<KdOptions>();
        kd->temperature = 0;
        options.terms = {{1.0, kd, {}, {}}};
      }),
      "kd_loss: temperature must be positive and finite (got 0)");
}

TEST_F(TrainingStepOptionsTest, RejectsOptimizers) {
  const auto error_of_sgd = [](const std::function<void(SgdOptions&)>& change) {
    return error_after([&](TrainingStepOptions& options) {
      const auto sgd = std::make_shared<SgdOptions>();
      change(*sgd);
      options.optimizer = sgd;
    });
  };
  for (const auto& [value, text] :
       std::vector<std::pair<double, std::string>>{{-0.1, "-0.1"}, {kInfinity, "inf"}, {kNan, "nan"}}) {
    const double bad = value;
    EXPECT_EQ(
        error_of_sgd([bad](SgdOptions& sgd) { sgd.learning_rate = bad; }),
        "Sgd: learning rate must be positive and finite (got " + text + ")");
    EXPECT_EQ(
        error_of_sgd([bad](SgdOptions& sgd) { sgd.momentum = bad; }),
        "Sgd: momentum must be at least 0 and below 1 (got " + text + ")");
    EXPECT_EQ(
        error_of_sgd([bad](SgdOptions& sgd) { sgd.weight_decay = bad; }),
        "Sgd: weight decay must be at least 0 and finite (got " + text + ")");
    EXPECT_EQ(
        error_of_sgd([bad](SgdOptions& sgd) { sgd.schedule = Schedule::at_milestones({2}, bad); }),
        "Sgd: factor must be positive and finite (got " + text + ")");
  }
  EXPECT_EQ(
      error_of_sgd([](SgdOptions& sgd) { sgd.learning_rate = 0; }),
      "Sgd: learning rate must be positive and finite (got 0)");
  EXPECT_EQ(
      error_of_sgd([](SgdOptions& sgd) { sgd.momentum = 1; }), "Sgd: momentum must be at least 0 and below 1 (got 1)");
  EXPECT_EQ(
      error_of_sgd([](SgdOptions& sgd) {
        sgd.schedule = Schedule::at_milestones({5, 3}, 0.1);
      }),
      "Sgd: milestones must be positive and ascending (got [5, 3])");
  EXPECT_EQ(
      error_of_sgd([](SgdOptions& sgd) {
        sgd.schedule = Schedule::at_milestones({0, 3}, 0.1);
      }),
      "Sgd: milestones must be positive and ascending (got [0, 3])");
}

TEST(ConvertedStudentTest, IsRejected) {
  Rig rig;
  rig.student->convert(at::kDouble);
  EXPECT_EQ(
      test::error_of([&] { rig.run(1); }),
      "TrainingStep: student must keep the dtype it had when the step was built, Float (got Double)");
  rig.student->convert(at::kFloat);
  EXPECT_EQ(rig.run(1).labeled, 5);
}

TEST_F(TrainingStepOptionsTest, RejectsGraphsOnTheCpu) {
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.cuda_graph = true; }),
      "TrainingStep: student must be on a GPU for a CUDA graph (got cpu)");
}

TEST_F(TrainingStepOptionsTest, RejectsTermsThatAreNotThere) {
  const Rig rig;
  EXPECT_EQ(error_of([&] { rig.step->criterion(5); }), "TrainingStep: term must be between 0 and 4 (got 5)");
  EXPECT_EQ(error_of([&] { rig.step->criterion(-1); }), "TrainingStep: term must be between 0 and 4 (got -1)");
}

}  // namespace
}  // namespace retort
