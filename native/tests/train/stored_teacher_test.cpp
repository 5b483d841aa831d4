// A step that learns from outputs that were stored, in place of a teacher.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/losses/dkd.h>
#include <retort/losses/fsp.h>
#include <retort/losses/nst.h>
#include <retort/train/stored_outputs.h>

#include <stdexcept>

#include "files.h"
#include "seeded_test.h"
#include "step_rig.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::error_of;
using test::expect_same_results;
using test::file_error_of;
using test::NamedTensors;
using test::same_bits;
using test::StepRig;
using Change = StepRig::Change;

/// As the outputs that are stored.
void contiguous(TrainingStepOptions& options) {
  options.teachers.front().format = MemoryFormat::kContiguous;
}

/// A step whose teacher is gone once its outputs for the batch were stored.
class StoredTeacherTest : public test::SeededTest {
 protected:
  /// Stores the outputs of the teacher of a rig for its batch, without the last sample of the data set.
  std::shared_ptr<StoredOutputs> store(
      const StepRig& rig, StoredOutputsOptions options = {12, 5, {{"map", {4, 6, 6}}, {"embedding", {4}}}},
      const at::Tensor& shift = at::zeros({})) const {
    const at::NoGradGuard no_gradients;
    rig.teacher->eval();
    const NetworkOutput output = rig.teacher->forward(rig.batch.images);
    rig.teacher->train();
    StoredOutputsWriter writer(path_, options);
    std::vector<at::Tensor> features;
    for (const StoredTap& tap : options.taps) {
      features.push_back(output.features[static_cast<size_t>(rig.teacher->tap_index(tap.name))]);
    }
    writer.write(rig.batch.indices, output.logits + shift, features);
    writer.finish();
    return std::make_shared<StoredOutputs>(path_);
  }

  static Change learning_from(std::shared_ptr<const StoredOutputs> outputs, const Change& change = {}) {
    return [=](TrainingStepOptions& options) {
      options.teachers = {outputs};
      if (change) change(options);
    };
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_.file("outputs");
};

TEST_F(StoredTeacherTest, StoredOutputsAreAsGoodAsComputedOnes) {
  StepRig computing(contiguous);
  StepRig rig(learning_from(store(computing)));
  EXPECT_EQ(rig.step->teacher_taps(), (std::vector<std::string>{"embedding", "map"}));
  for (uint64_t seed : {1, 2, 3}) {
    expect_same_results(rig.run(seed), computing.run(seed));
    EXPECT_TRUE(same_bits(rig.step->state(), computing.step->state()));
  }
}

TEST_F(StoredTeacherTest, EveryLossOnLogitsAndMapsTakesThem) {
  const auto others = [](TrainingStepOptions& options) {
    options.terms = {
        {0.9, std::make_shared<DkdOptions>(), {}, {}},
        {0.5, std::make_shared<FspOptions>(), {"map", "map"}, {"map", "map"}},
        {0.1, std::make_shared<NstOptions>(), {"map"}, {"map"}}};
    contiguous(options);
  };
  const auto labelled = [](StepRig& rig) { rig.batch.labels = at::tensor({0, 4, 2, 3, 1, 2}, at::kLong); };
  StepRig computing(others);
  StepRig rig(learning_from(store(computing), others));
  labelled(rig);
  labelled(computing);
  expect_same_results(rig.run(1), computing.run(1));
  EXPECT_TRUE(same_bits(rig.step->state(), computing.step->state()));
}

TEST_F(StoredTeacherTest, RowsAreTakenByIndex) {
  StepRig computing(contiguous);
  StepRig rig(learning_from(store(computing)));
  const at::Tensor order = at::tensor({5, 0, 3, 1, 2, 4}, at::kLong);
  for (StepRig* one : {&rig, &computing}) {
    one->batch.images = one->batch.images.index_select(0, order).contiguous();
    one->batch.labels = one->batch.labels.index_select(0, order);
    one->batch.indices = order;
  }
  const StepResult result = rig.run(1), expected = computing.run(1);
  for (size_t i = 0; i < expected.terms.size(); ++i) {
    EXPECT_TRUE(test::close(result.terms[i], expected.terms[i], 1e-5)) << i;
  }
}

TEST_F(StoredTeacherTest, TheLargestLogitsServeTheLossesOnLogits) {
  const auto logits_only = [](TrainingStepOptions& options) { options.terms.resize(1); };
  StepRig computing(logits_only);
  const auto outputs = store(computing, {12, 5, {}, at::kDouble, 2});
  StepRig rig(learning_from(outputs, logits_only));
  computing.batch.teacher_outputs = {outputs->read(rig.batch.indices)};
  expect_same_results(rig.run(1), computing.run(1));
}

TEST_F(StoredTeacherTest, HalfPrecisionIsClose) {
  StepRig computing;
  StepRig rig(learning_from(store(computing, {12, 5, {{"map", {4, 6, 6}}, {"embedding", {4}}}, at::kHalf})));
  const StepResult result = rig.run(1), expected = computing.run(1);
  for (size_t i = 0; i < expected.terms.size(); ++i) {
    EXPECT_TRUE(test::close(result.terms[i], expected.terms[i], 0.01)) << i;
  }
}

TEST_F(StoredTeacherTest, StudentsMayBeOfFloat64) {
  StepRig storing;
  StepRig rig(
      learning_from(store(storing), [](TrainingStepOptions& options) { options.student->convert(at::kDouble); }));
  rig.batch.images = rig.batch.images.to(at::kDouble);
  EXPECT_GT(rig.run(1).terms[0], 0);
}

TEST_F(StoredTeacherTest, OutputsWithTheBatchComeFirst) {
  StepRig storing;
  StepRig rig(learning_from(store(storing), [](TrainingStepOptions& options) { options.terms.resize(1); }));
  const double stored = rig.run(1).terms[0];
  rig.batch.teacher_outputs = {{at::zeros({6, 5}), {}}};
  rig.batch.indices = at::Tensor();
  EXPECT_NE(rig.run(1).terms[0], stored);
}

TEST_F(StoredTeacherTest, ResultsMayBeLate) {
  StepRig storing;
  const auto outputs = store(storing);
  StepRig rig(learning_from(outputs)), late(learning_from(outputs, [](TrainingStepOptions&options) {
    options.late_results = true;
    // Without effect.
    options.teachers.front().format = MemoryFormat::kAuto;
    options.teachers.front().preprocessing = {{3, 12, 12}, {0.5}, {2}};
  }));
  for (uint64_t seed : {1, 2}) expect_same_results(late.run(seed), rig.run(seed));
}

TEST_F(StoredTeacherTest, AStageWithoutTermsNeedsNoIndices) {
  StepRig storing;
  StepRig rig(learning_from(store(storing), [](TrainingStepOptions& options) { options.terms.clear(); }));
  rig.batch.indices = at::Tensor();
  EXPECT_GT(rig.run(1).total, 0);
}

/// Learning from two teachers: "first", that of the rig unless its outputs are given, and "second".
Change learning_from_two(std::shared_ptr<const StoredOutputs> outputs, std::shared_ptr<Network> second) {
  return [=](TrainingStepOptions& options) {
    if (outputs) options.teachers = {outputs};
    options.teachers.emplace_back(second);
    options.teachers[0].name = "first";
    options.teachers[0].weight = 3;
    options.teachers[1].name = "second";
    options.terms = {
        {0.9, std::make_shared<KdOptions>(), {}, {}},
        {0.5, std::make_shared<FspOptions>(), {"map", "map"}, {"map", "map"}},
        {0.1, std::make_shared<NstOptions>(), {"map"}, {"map"}}};
    options.terms[0].teacher_mean = TeacherMean::kProbabilities;
    options.terms[1].teachers = {"first"};
    options.terms[2].teachers = {"second"};
    contiguous(options);
  };
}

TEST_F(StoredTeacherTest, StoredOutputsMayBeOneOfSeveralTeachers) {
  const auto second = std::make_shared<test::TinyNetwork>(5);
  StepRig computing(learning_from_two(nullptr, second));
  StepRig rig(learning_from_two(store(computing), second));
  EXPECT_EQ(rig.step->teacher_taps("first"), (std::vector<std::string>{"map"}));
  for (uint64_t seed : {1, 2}) {
    expect_same_results(rig.run(seed), computing.run(seed));
    EXPECT_TRUE(same_bits(rig.step->state(), computing.step->state()));
  }
  rig.batch.indices = at::Tensor();
  EXPECT_EQ(error_of([&] { rig.run(1); }), "TrainingStep: indices must be given (got an undefined tensor)");
}

TEST_F(StoredTeacherTest, SeveralTeachersMayAllBeStored) {
  StepRig storing;
  const auto logits_only = [](TrainingStepOptions& options) {
    options.terms.resize(1);
    options.terms[0].teacher_mean = TeacherMean::kLogits;
  };
  const auto outputs = store(storing, {12, 5, {}}), others = store(storing, {12, 5, {}}, at::arange(5));
  StepRig rig([&](TrainingStepOptions& options) {
    options.teachers = {outputs, others};
    options.teachers[0].name = "first";
    logits_only(options);
  });
  StepRig mixed(logits_only);
  mixed.batch.teacher_outputs = {{outputs->read(rig.batch.indices).logits + at::arange(5) / 2, {}}};
  EXPECT_TRUE(test::close(rig.run(1).terms[0], mixed.run(1).terms[0], 1e-5));
}

TEST_F(StoredTeacherTest, TheOtherTeachersSayHowImagesAreNormalised) {
  StepRig storing;
  const auto outputs = store(storing);
  const auto second = std::make_shared<test::TinyNetwork>(5);
  second->set_preprocessing({{3, 6, 6}, {0.5}, {2}});
  const StepRig rig(learning_from_two(outputs, second));
  EXPECT_EQ(rig.student->preprocessing().mean, std::vector<double>{0.5});
}

// ---- errors ---------------------------------------------------------------------------------------------------------

TEST_F(StoredTeacherTest, RejectsBatchesWithoutRows) {
  StepRig storing;
  StepRig rig(learning_from(store(storing), [](TrainingStepOptions& options) { options.terms.resize(1); }));
  const NamedTensors before = test::copy_of(rig.step->state());
  const auto error_with = [&](const at::Tensor& indices) {
    rig.batch.indices = indices;
    return error_of([&] { rig.run(1); });
  };
  EXPECT_EQ(error_with({}), "TrainingStep: indices must be given (got an undefined tensor)");
  EXPECT_EQ(error_with(at::arange(7, 13, at::kLong)), "TrainingStep: indices must be between 0 and 11 (got 12)");
  rig.batch.indices = at::arange(3, 9, at::kLong);
  EXPECT_EQ(
      file_error_of([&] { rig.run(1); }),
      "StoredOutputs.read: sample must have a row (got 6, which has none in " + path_ + ")");
  EXPECT_TRUE(same_bits(rig.step->state(), before));
  EXPECT_EQ(rig.step->steps(), 0);
  rig.batch.indices = at::arange(6, at::kLong);
  EXPECT_GT(rig.run(1).total, 0);
}

TEST_F(StoredTeacherTest, RejectsOptions) {
  StepRig storing;
  const auto outputs = store(storing, {12, 5, {{"map", {4, 6, 6}}}});
  const auto error_after = [&](const Change& change) {
    return error_of([&] { StepRig rig(learning_from(outputs, change)); });
  };
  EXPECT_EQ(error_after({}), "TrainingStep: teacher's tap must be one of map (got embedding)");
  EXPECT_EQ(
      error_after([&](TrainingStepOptions& options) { options.teachers.front().network = storing.teacher; }),
      "TrainingStep: network of teacher must not be given with stored outputs (got both)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers.front().cache.samples = 12; }),
      "TrainingStep: cache of teacher must not be given with stored outputs (got one of 12 samples)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) {
        options.terms = {{1, std::make_shared<KdOptions>(), {}, {}}};
        options.student = std::make_shared<test::TinyNetwork>(4);
      }),
      "kd_loss: student and teacher must have the same number of classes (got 4 and 5)");
}

// ---- checkpoints ----------------------------------------------------------------------------------------------------

std::string contents_of(const StoredOutputs& outputs) {
  const std::string text = outputs.description();
  return text.substr(text.rfind('=') + 1, text.size() - text.rfind('=') - 2);
}

TEST_F(StoredTeacherTest, ResumesOnTheSameBits) {
  StepRig storing;
  const std::string checkpoint = folder_.file("checkpoint");
  StepRig rig(learning_from(store(storing)));
  rig.run(1);
  rig.step->save(checkpoint);
  const StepResult expected = StepRig::run(*rig.step, rig.batch);
  const NamedTensors state = test::copy_of(rig.step->state());
  StepRig resumed(learning_from(std::make_shared<StoredOutputs>(path_, FileAccess::kMapped)));
  resumed.step->load(checkpoint);
  expect_same_results(StepRig::run(*resumed.step, resumed.batch), expected);
  EXPECT_TRUE(same_bits(resumed.step->state(), state));
}

TEST_F(StoredTeacherTest, ACheckpointIsOfOneTeacher) {
  StepRig computing;
  const auto outputs = store(computing);
  const auto others = store(computing, outputs->options(), at::ones({}));
  const std::string checkpoint = folder_.file("checkpoint");
  const auto error_of_loading = [&](StepRig& rig) { return file_error_of([&] { rig.step->load(checkpoint); }); };
  StepRig rig(learning_from(outputs)), other(learning_from(others));
  rig.step->save(checkpoint);
  EXPECT_EQ(
      error_of_loading(other), "TrainingStep.load: contents of stored_outputs must be " + contents_of(*others) +
                                   ", as in this step (got " + contents_of(*outputs) + " in " + checkpoint + ")");
  StepRig live(contiguous);
  EXPECT_EQ(
      error_of_loading(live),
      "TrainingStep.load: stored_outputs must be nothing, as in this step (got stored_outputs in " + checkpoint + ")");
  live.step->save(checkpoint);
  EXPECT_EQ(
      error_of_loading(rig),
      "TrainingStep.load: stored_outputs must be stored_outputs, as in this step (got nothing in " + checkpoint + ")");
}

TEST_F(StoredTeacherTest, ACheckpointIsOfTheSameTeachers) {
  StepRig storing;
  const auto outputs = store(storing);
  const auto others = store(storing, outputs->options(), at::ones({}));
  const auto second = std::make_shared<test::TinyNetwork>(5);
  const std::string checkpoint = folder_.file("checkpoint");
  StepRig rig(learning_from_two(outputs, second)), same(learning_from_two(outputs, second));
  StepRig other(learning_from_two(others, second)), live(learning_from_two(nullptr, second));
  rig.run(1);
  rig.step->save(checkpoint);
  same.step->load(checkpoint);
  EXPECT_TRUE(same_bits(same.step->state(), rig.step->state()));
  const auto error_of_loading = [&](StepRig& into) { return file_error_of([&] { into.step->load(checkpoint); }); };
  EXPECT_EQ(
      error_of_loading(other), "TrainingStep.load: contents of outputs of teacher first must be " +
                                   contents_of(*others) + ", as in this step (got " + contents_of(*outputs) + " in " +
                                   checkpoint + ")");
  EXPECT_EQ(
      error_of_loading(live),
      "TrainingStep.load: outputs of teacher first must be nothing, as in this step (got stored_outputs in " +
          checkpoint + ")");
}

}  // namespace
}  // namespace retort
