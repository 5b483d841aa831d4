// Steps whose results are read in the next one, or on demand.
#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <retort/models/resnet.h>
#include <retort/train/adam.h>
#include <retort/train/training_step.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <functional>
#include <future>
#include <limits>
#include <thread>

#include "expect.h"
#include "seeded_test.h"
#include "step_rig.h"
#include "temporary_folder.h"
#include "train/loss_scale.h"

namespace retort {
namespace {

using test::close;
using test::error_of;
using test::same_bits;
using Rig = test::StepRig;

void late(TrainingStepOptions& options) {
  options.late_results = true;
}

void in_float16(TrainingStepOptions& options) {
  options.student_precision = Precision::kFloat16;
}

at::Tensor spoil(const at::Tensor& loss) {
  return loss * std::numeric_limits<double>::quiet_NaN();
}

class LateResultsTest : public test::SeededTest {
 protected:
  static StepResult run(Rig& rig, uint64_t seed) {
    manual_seed(seed);
    StepResult result;
    result.samples = -1;
    rig.step->run(rig.batch, result);
    return result;
  }

  static std::string error_of_run(Rig& rig) {
    return error_of([&] { run(rig, 5); });
  }
};

TEST_F(LateResultsTest, AreThoseOfTheStepBefore) {
  Rig rig(late), twin;
  EXPECT_EQ(run(rig, 1).samples, 0);
  for (uint64_t seed = 2; seed < 6; ++seed) {
    const StepResult expected = twin.run(seed - 1);
    const StepResult before = run(rig, seed);
    EXPECT_EQ(before.samples, 6);
    EXPECT_EQ(before.labeled, expected.labeled);
    EXPECT_EQ(before.correct, expected.correct);
    EXPECT_EQ(before.updated, true);
    EXPECT_GT(before.nanoseconds, 0);
    EXPECT_TRUE(close(before.total, expected.total, 1e-5));
    EXPECT_TRUE(close(before.cross_entropy, expected.cross_entropy, 1e-5));
    EXPECT_TRUE(close(before.gradient_norm, expected.gradient_norm, 1e-5));
    ASSERT_EQ(before.terms.size(), expected.terms.size());
    for (size_t i = 0; i < before.terms.size(); ++i) EXPECT_TRUE(close(before.terms[i], expected.terms[i], 1e-5)) << i;
  }
  const StepResult last = twin.run(5);
  StepResult finished;
  EXPECT_TRUE(rig.step->finish(finished));
  EXPECT_TRUE(close(finished.total, last.total, 1e-5));
  EXPECT_FALSE(rig.step->finish(finished));
  EXPECT_EQ(rig.step->steps(), 5);
  for (const auto& entry : twin.step->state()) {
    EXPECT_TRUE(close(rig.step->state()[entry.key()].to(at::kDouble), entry.value().to(at::kDouble), 1e-4))
        << entry.key();
  }
  EXPECT_FALSE(twin.step->finish(finished)) << "nothing is late";
}

TEST_F(LateResultsTest, WhoAsksIsToldOfTheStepUnderWay) {
  Rig rig(late);
  run(rig, 1);
  EXPECT_EQ(rig.step->steps(), 1);
  // What was not asked for yet is kept.
  EXPECT_EQ(run(rig, 2).samples, 6);
}

TEST_F(LateResultsTest, FailureIsToldByTheNextStep) {
  for (bool adam : {false, true}) {
    Rig rig([=](TrainingStepOptions& options) {
      late(options);
      if (adam) options.optimizer = std::make_shared<AdamOptions>();
    });
    run(rig, 1);
    const auto before = rig.photograph();
    rig.second->in_forward = spoil;
    run(rig, 2);
    rig.mend();
    EXPECT_EQ(error_of_run(rig), "TrainingStep: loss of term 4 must be finite (got nan)");
    manual_seed(77);
    auto after = rig.photograph();
    // The seed was set in between.
    after["generator"].copy_(before["generator"]);
    EXPECT_TRUE(same_bits(after, before));
    EXPECT_EQ(rig.step->steps(), 1);
    // Told once; the batch that was refused may come again.
    EXPECT_EQ(run(rig, 3).samples, 0);
    EXPECT_EQ(run(rig, 4).samples, 6);
  }
}

TEST_F(LateResultsTest, FailureIsToldOnDemand) {
  Rig rig(late);
  rig.second->in_forward = spoil;
  run(rig, 1);
  EXPECT_EQ(rig.step->steps(), 0) << "and no error, which is for run and finish";
  StepResult result;
  EXPECT_EQ(error_of([&] { rig.step->finish(result); }), "TrainingStep: loss of term 4 must be finite (got nan)");
  EXPECT_FALSE(rig.step->finish(result));
}

TEST_F(LateResultsTest, FailureIsUndoneWhereNobodyAsks) {
  Rig rig(late);
  run(rig, 1);
  const auto before = test::copy_of(rig.student->state_dict());
  rig.second->in_forward = spoil;
  rig.batch.images[0].fill_(std::numeric_limits<double>::quiet_NaN());
  run(rig, 2);
  rig.step.reset();
  EXPECT_TRUE(same_bits(rig.student->state_dict(), before));
}

TEST_F(LateResultsTest, OthersMustNotTakeOverThePendingStep) {
  Rig rig(late);
  TrainingStepOptions options;
  options.student = rig.student;
  options.input_shape = {3, 6, 6};
  TrainingStep other(options);
  run(rig, 1);
  StepResult result;
  const std::string refusal =
      "Network: late result of another training step must be finished first (got one that is pending)";
  EXPECT_EQ(error_of([&] { other.run(rig.batch, result); }), refusal);
  EXPECT_EQ(error_of([&] { rig.student->probe({3, 6, 6}); }), refusal);
  EXPECT_TRUE(rig.step->finish(result));
  other.run(rig.batch, result);
  EXPECT_EQ(result.samples, 6);
  run(rig, 2);
  rig.step.reset();
  other.run(rig.batch, result);
}

TEST_F(LateResultsTest, TeachersAreSharedUnlessTheyAreTrained) {
  Rig rig(late);
  const auto first = rig.teacher;
  TrainingStepOptions options;
  options.student = std::make_shared<test::TinyNetwork>();
  options.teachers = {first};
  options.input_shape = {3, 6, 6};
  options.terms = {{1.0, std::make_shared<KdOptions>(), {}, {}}};
  options.late_results = true;
  TrainingStep sharing(options);
  TrainingStepOptions alone;
  alone.student = first;
  alone.input_shape = {3, 6, 6};
  TrainingStep training(alone);

  rig.second->in_forward = spoil;
  run(rig, 1);
  StepResult result;
  sharing.run(rig.batch, result);
  EXPECT_TRUE(sharing.finish(result));
  training.run(rig.batch, result);
  const auto trained = test::copy_of(first->state_dict());
  EXPECT_EQ(error_of_run(rig), "TrainingStep: loss of term 4 must be finite (got nan)");
  EXPECT_TRUE(same_bits(first->state_dict(), trained));
}

TEST_F(LateResultsTest, TeacherToTrainMayBeMissing) {
  TrainingStepOptions options;
  options.student = std::make_shared<test::TinyNetwork>();
  options.input_shape = {3, 6, 6};
  options.teachers.resize(1);  // without a network
  options.teachers[0].batch_norm = TeacherBatchNorm::kTraining;
  options.late_results = true;
  TrainingStep step(options);
  const Rig rig;
  EXPECT_EQ(Rig::run(step, rig.batch).samples, 6);
}

/// What changes a network while a step on it is pending that will turn out to have failed: the failure is undone first.
TEST_F(LateResultsTest, WhoeverChangesANetworkSettlesThePendingStep) {
  const test::TemporaryFolder folder;
  const auto file = folder.file("state.pt");
  const auto checkpoint = folder.file("checkpoint");
  const auto saved = std::make_shared<test::TinyNetwork>(5);
  saved->forward(at::randn({4, 3, 6, 6}));  // moves the running statistics
  saved->save_state_dict(file);
  const test::NamedTensors loaded = test::copy_of(saved->state_dict());
  const auto with_training_teacher = [](TrainingStepOptions& options) {
    late(options);
    options.teachers[0].batch_norm = TeacherBatchNorm::kTraining;
  };
  for (const bool trains_teacher : {false, true}) {
    for (const bool of_student : {true, false}) {
      SCOPED_TRACE(c10::str("teacher trains ", trains_teacher, ", student ", of_student));
      const auto changed = [&](const std::function<void(Network&, TrainingStep&)>& change) {
        Rig rig(trains_teacher ? Rig::Change(with_training_teacher) : Rig::Change(late));
        const auto network = std::static_pointer_cast<Network>(of_student ? rig.student : rig.teacher);
        TrainingStepOptions options;
        options.student = network;
        options.input_shape = {3, 6, 6};
        TrainingStep other(options);
        other.save(checkpoint);
        network->forward(rig.batch.images);  // so that the step begins with other running statistics
        rig.second->in_forward = spoil;
        run(rig, 1);
        change(*network, other);
        const auto after = test::copy_of(network->state_dict());
        EXPECT_EQ(error_of_run(rig), "TrainingStep: loss of term 4 must be finite (got nan)");
        EXPECT_TRUE(same_bits(network->state_dict(), after)) << "the undoing must come before the change";
        return after;
      };
      EXPECT_TRUE(same_bits(changed([&](Network& network, TrainingStep&) { network.load_state_dict(file); }), loaded));
      const auto converted = changed([&](Network& network, TrainingStep&) {
        network.convert(at::kDouble);
        network.convert(at::kFloat);
        network.load_state_dict(file);
      });
      EXPECT_TRUE(same_bits(converted, loaded));
      const auto moved = changed([&](Network& network, TrainingStep&) {
        network.move_to("cpu");
        network.load_state_dict(file);
      });
      EXPECT_TRUE(same_bits(moved, loaded));
      changed([&](Network&, TrainingStep& other) { other.load(checkpoint); });
    }
  }
}

TEST_F(LateResultsTest, WhoeverReadsANetworkSeesNoStepThatFails) {
  const test::TemporaryFolder folder;
  const Rig before;
  const auto expected = test::copy_of(before.student->state_dict());
  const std::vector<std::function<void(Network&)>> reads = {
      [&](Network& network) { EXPECT_TRUE(same_bits(network.state_dict(), expected)); },
      [&](Network& network) {
        network.save_state_dict(folder.file("state.pt"));
        const auto saved = std::make_shared<test::TinyNetwork>(5);
        saved->load_state_dict(folder.file("state.pt"));
        EXPECT_TRUE(same_bits(saved->state_dict(), expected));
      },
      [&](Network& network) {
        EXPECT_TRUE(same_bits(network.predict(before.batch.images), before.student->predict(before.batch.images)));
      }};
  for (const auto& read : reads) {
    Rig rig(late);
    rig.second->in_forward = spoil;
    run(rig, 1);
    read(*rig.student);
    EXPECT_EQ(error_of_run(rig), "TrainingStep: loss of term 4 must be finite (got nan)");
  }
}

TEST_F(LateResultsTest, CheckpointOfAnotherStepHasNoStepThatFails) {
  const test::TemporaryFolder folder;
  const auto file = folder.file("checkpoint");
  Rig rig(late);
  TrainingStepOptions options;
  options.student = rig.student;
  options.input_shape = {3, 6, 6};
  TrainingStep other(options);
  const auto expected = test::copy_of(rig.student->state_dict());
  rig.second->in_forward = spoil;
  run(rig, 1);
  other.save(file);
  EXPECT_EQ(error_of_run(rig), "TrainingStep: loss of term 4 must be finite (got nan)");

  options.student = std::make_shared<test::TinyNetwork>(5);
  TrainingStep resumed(options);
  resumed.load(file);
  EXPECT_TRUE(same_bits(options.student->state_dict(), expected));
}

/// Of a network that publishes itself, though its teacher is held by another step.
TEST_F(LateResultsTest, PredictionsWaitForNobody) {
  ResNetOptions small;
  small.depth = 8;
  small.classes = 5;
  const auto student = make_resnet(small), teacher = make_resnet(small);
  TrainingStepOptions options;
  options.student = student;
  options.teachers = {teacher};
  options.input_shape = {3, 8, 8};
  options.terms = {{1, std::make_shared<KdOptions>(), {}, {}}};
  options.late_results = true;
  TrainingStep step(options);
  Batch batch;
  batch.images = at::randn({4, 3, 8, 8});
  batch.labels = at::arange(4);
  const at::Tensor before = student->predict(batch.images);
  StepResult result;
  step.run(batch, result);
  std::unique_lock<std::mutex> other(teacher->mutex());
  auto prediction = std::async(std::launch::async, [&] {
    EXPECT_TRUE(same_bits(student->predict(batch.images), before)) << "the last version";
  });
  EXPECT_EQ(prediction.wait_for(std::chrono::minutes(1)), std::future_status::ready);
  other.unlock();
  EXPECT_FALSE(same_bits(student->predict(batch.images), before));
}

/// Whether a call waits until a network, which another call works with, is free.
bool waits_for(const Network& network, const std::function<void()>& call) {
  std::unique_lock<std::mutex> other(network.mutex());
  const auto done = std::async(std::launch::async, call);
  const bool waits = done.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout;
  other.unlock();
  done.wait();
  return waits;
}

TEST_F(LateResultsTest, WhoReadsNetworksWaitsForThem) {
  Rig rig;
  EXPECT_TRUE(waits_for(*rig.student, [&] { rig.step->state(); }));
}

TEST_F(LateResultsTest, WhoSettlesAStepWaitsForItsNetworks) {
  Rig rig(late);
  run(rig, 1);
  EXPECT_TRUE(waits_for(*rig.student, [&] { EXPECT_EQ(rig.step->steps(), 1); }));
}

/// Only who moves a teacher's statistics may roll them back.
TEST_F(LateResultsTest, TeacherBelongsToTheStepThatMovesIt) {
  const auto training = [](const std::shared_ptr<test::TinyNetwork>& teacher) {
    return [teacher](TrainingStepOptions& options) {
      late(options);
      options.teachers[0].batch_norm = TeacherBatchNorm::kTraining;
      if (teacher) options.teachers[0].network = teacher;
      options.terms = {options.terms[0]};
    };
  };
  Rig moves(training(nullptr));
  Rig is_given(training(moves.teacher));
  is_given.batch.teacher_outputs = {{at::randn({6, 5}), {}}};
  const auto before = test::copy_of(moves.teacher->state_dict());
  moves.teacher->at_end = [](NetworkOutput& output) { output.logits = spoil(output.logits); };
  run(moves, 1);
  run(is_given, 1);
  is_given.step->finish(*std::make_unique<StepResult>());
  EXPECT_TRUE(same_bits(moves.teacher->state_dict(), before)) << "a reader settles the step that is pending";
}

TEST_F(LateResultsTest, ReadersDoNotWaitForEverWhileStepsGoOn) {
  Rig rig(late);
  std::atomic<bool> ends{false};
  std::thread trains([&] {
    StepResult result;
    while (!ends) rig.step->run(rig.batch, result);
  });
  for (int i = 0; i < 20; ++i) rig.student->state_dict();
  ends = true;
  trains.join();
}

TEST_F(LateResultsTest, CriteriaAreToldTheSame) {
  const auto told_of = [](const Rig::Change& change) {
    Rig rig(change);
    rig.batch.weights = at::ones({6});
    std::vector<std::string> told;
    rig.first->when_told = [&](const std::string& name, const CriterionBatch& batch) {
      EXPECT_TRUE(same_bits(batch.labels, rig.batch.labels));
      EXPECT_TRUE(same_bits(batch.indices, rig.batch.indices));
      EXPECT_TRUE(same_bits(batch.contrast, rig.batch.contrast));
      EXPECT_TRUE(same_bits(batch.weights, rig.batch.weights));
      told.push_back(name);
    };
    rig.run(1);
    return told;
  };
  const std::vector<std::string> expected = {"check_batch", "draw"};
  EXPECT_EQ(told_of({}), expected);
  EXPECT_EQ(told_of(late), expected);
  EXPECT_EQ(told_of(in_float16), expected);
}

TEST_F(LateResultsTest, CallersInferenceModeDoesNotMatter) {
  Rig rig(late), twin(late);
  {
    const c10::InferenceMode inference;
    run(rig, 1);
  }
  run(twin, 1);
  for (Rig* one : {&rig, &twin}) run(*one, 2);
  EXPECT_TRUE(same_bits(rig.step->state(), twin.step->state()));
}

TEST_F(LateResultsTest, BatchIsPassedOver) {
  Rig rig([](TrainingStepOptions& options) {
    late(options);
    options.skip_non_finite = true;
  });
  run(rig, 1);
  const auto before = rig.photograph();
  rig.second->in_forward = spoil;
  manual_seed(1);
  const StepResult skipped = rig.run(1);
  EXPECT_TRUE(skipped.skipped);
  EXPECT_FALSE(skipped.updated);
  auto after = rig.photograph();
  after["generator"].copy_(before["generator"]);
  EXPECT_TRUE(same_bits(after, before));
}

TEST_F(LateResultsTest, CheckpointIsThatOfTheStepUnderWay) {
  const test::TemporaryFolder folder;
  Rig rig(late), twin(late);
  for (Rig* one : {&rig, &twin}) run(*one, 1);
  rig.step->save(folder.file("checkpoint"));
  run(rig, 2);
  rig.step->load(folder.file("checkpoint"));
  StepResult result;
  EXPECT_FALSE(rig.step->finish(result)) << "what was loaded has run nothing";
  twin.step->finish(result);
  EXPECT_EQ(rig.run(3).total, twin.run(3).total);
  EXPECT_TRUE(same_bits(rig.photograph(), twin.photograph()));
}

TEST_F(LateResultsTest, TeachersOutputsAreRememberedOnlyIfTheStepSucceeds) {
  const auto with_cache = [](TrainingStepOptions& options) {
    late(options);
    options.teachers[0].cache.samples = 12;
  };
  Rig rig(with_cache), twin(with_cache);
  int64_t runs = 0;
  rig.teacher->at_end = [&](NetworkOutput&) { ++runs; };
  rig.second->in_forward = spoil;
  run(rig, 1);
  rig.second->in_forward = nullptr;
  EXPECT_EQ(error_of_run(rig), "TrainingStep: loss of term 4 must be finite (got nan)");
  EXPECT_EQ(runs, 1);
  for (uint64_t seed : {2, 3}) EXPECT_EQ(rig.run(seed).total, twin.run(seed).total);
  EXPECT_EQ(runs, 2);
}

// ---- float16 --------------------------------------------------------------------------------------------------------

TEST(LossScaleTest, MovesAsTorchs) {
  LossScale scale(true);
  EXPECT_EQ(scale.factor(), 65536);
  scale.note_overflow();
  EXPECT_EQ(scale.factor(), 32768);
  for (int i = 0; i < 1999; ++i) scale.note_finite();
  EXPECT_EQ(scale.factor(), 32768);
  scale.note_overflow();
  for (int i = 0; i < 2000; ++i) scale.note_finite();
  EXPECT_EQ(scale.factor(), 32768);
  for (int i = 0; i < 15; ++i) {
    EXPECT_TRUE(scale.may_overflow());
    scale.note_overflow();
  }
  EXPECT_EQ(scale.factor(), 1);
  EXPECT_FALSE(scale.may_overflow());
  EXPECT_EQ(LossScale(false).factor(), 1);
}

TEST_F(LateResultsTest, Float16StudentLearns) {
  Rig rig(in_float16), full;
  at::ScalarType dtype = at::kFloat;
  rig.student->at_end = [&](NetworkOutput& output) { dtype = output.logits.scalar_type(); };
  const StepResult first = rig.run(1), expected = full.run(1);
  EXPECT_EQ(dtype, at::kHalf);
  EXPECT_FALSE(first.skipped);
  EXPECT_TRUE(close(first.total, expected.total, 0.01));
  EXPECT_TRUE(close(first.gradient_norm, expected.gradient_norm, 0.05));
  EXPECT_NE(first.total, expected.total);
  StepResult last;
  for (int i = 0; i < 30; ++i) last = rig.run(1);
  EXPECT_LT(last.total, 0.9 * first.total);
}

TEST_F(LateResultsTest, SmallGradientsSurviveFloat16) {
  // What float16 rounds to 0: anything below 2^-25.
  const auto tiny = [](TrainingStepOptions& options) {
    in_float16(options);
    options.cross_entropy.weight = 1e-8;
    options.terms.clear();
  };
  Rig rig(tiny);
  EXPECT_GT(rig.run(1).gradient_norm, 1e-10);
}

TEST_F(LateResultsTest, OverflowIsPassedOverUntilTheFactorFits) {
  const auto huge = [](TrainingStepOptions& options) {
    in_float16(options);
    options.cross_entropy.weight = 100;
    options.terms.clear();
  };
  Rig rig(huge);
  int64_t skipped = 0;
  const auto before = rig.photograph();
  for (;;) {
    manual_seed(1);
    const StepResult result = rig.run(1);
    if (!result.skipped) break;
    EXPECT_TRUE(std::isfinite(result.total));
    EXPECT_EQ(rig.step->steps(), 0);
    ASSERT_LT(++skipped, 17);
  }
  EXPECT_GT(skipped, 0);
  EXPECT_EQ(rig.step->steps(), 1);
  EXPECT_FALSE(same_bits(rig.photograph(), before));

  // The factor is part of the checkpoint: the next step is not passed over.
  const test::TemporaryFolder folder;
  rig.step->save(folder.file("checkpoint"));
  Rig other(huge);
  other.step->load(folder.file("checkpoint"));
  EXPECT_FALSE(other.run(2).skipped);
  EXPECT_FALSE(rig.run(2).skipped);
  EXPECT_TRUE(same_bits(other.step->state(), rig.step->state()));
}

TEST_F(LateResultsTest, WhatIsNotFiniteByItselfIsAnErrorInFloat16) {
  Rig rig(in_float16);
  rig.second->in_forward = spoil;
  EXPECT_EQ(error_of([&] { rig.run(1); }), "TrainingStep: loss of term 4 must be finite (got nan)");
}

}  // namespace
}  // namespace retort
