// A training of two stages, in small the one that FSP's paper and RepDistiller do: first some layers by FSP alone, then
// the whole student.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/fsp.h>
#include <retort/losses/kd.h>
#include <retort/train/adam.h>
#include <retort/train/training_step.h>
#include <torch/optim/adam.h>
#include <torch/optim/sgd.h>

#include <functional>
#include <limits>

#include "expect.h"
#include "networks.h"
#include "optimizers.h"
#include "projection_criterion.h"
#include "reference/kd.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::close;
using test::copy_of;
using test::error_of;
using test::NamedTensors;
using test::same_bits;
using test::TinyNetwork;
using Names = std::vector<std::string>;

std::shared_ptr<TinyNetwork> network_in_double(uint64_t seed) {
  manual_seed(seed);
  auto network = std::make_shared<TinyNetwork>();
  network->convert(at::kDouble);
  return network;
}

class StageTest : public test::SeededTest {
 protected:
  StageTest() {
    options_.student = student_;
    options_.teachers = {teacher_};
    options_.input_shape = {3, 6, 6};
    options_.steps = 2;
    options_.trained = {"conv"};
    options_.cross_entropy.weight = 0;
    options_.terms = {{2.0, std::make_shared<FspOptions>(), {"map", "map"}, {"map", "map"}}};
    const auto sgd = test::sgd(0.5, 0.9);
    sgd->schedule = Schedule::step(1, 0.5);
    options_.optimizer = sgd;

    Stage second;
    const auto adam = std::make_shared<AdamOptions>();
    adam->learning_rate = 0.01;
    adam->schedule = Schedule::at_milestones({1}, 0.5);
    second.optimizer = adam;
    second.cross_entropy.weight = 0.5;
    second.terms = {
        {0.9, std::make_shared<KdOptions>(), {}, {}, Schedule::step(1, 0.1)},
        {1.0, projection_, {"embedding"}, {"embedding"}}};
    options_.later_stages = {second};

    batch_.images = at::randn({6, 3, 6, 6}, at::kDouble);
    batch_.labels = at::tensor({0, 4, -1, 3, 1, 2}, at::kLong);
  }

  /// What the constructor says to options that were good before the change.
  std::string error_after(const std::function<void(TrainingStepOptions&)>& change) const {
    TrainingStepOptions options = options_;
    change(options);
    return error_of([&] { TrainingStep step(options); });
  }

  std::shared_ptr<TinyNetwork> student_ = network_in_double(1);
  std::shared_ptr<TinyNetwork> teacher_ = network_in_double(2);
  std::shared_ptr<test::ProjectionOptions> projection_ = std::make_shared<test::ProjectionOptions>();
  TrainingStepOptions options_;
  Batch batch_;
};

TEST_F(StageTest, FirstTrainsItsPartsOnly) {
  TrainingStep step(options_);
  student_->named_children()["head"]->eval();
  const NamedTensors before = copy_of(step.state());
  std::string modes;
  const auto modes_of_student = [&] {
    std::string text;
    for (const auto& part : student_->modules()) text += part->is_training() ? 't' : 'e';
    return text;
  };
  student_->halfway = [&] { modes = modes_of_student(); };
  StepResult result;
  for (int i = 0; i < 2; ++i) {
    step.run(batch_, result);
    EXPECT_EQ(result.stage, 0);
    EXPECT_EQ(result.cross_entropy, 0);
    EXPECT_EQ(result.terms.size(), 1u);
    EXPECT_EQ(modes, "etee") << "of the network, conv, norm and head";
    EXPECT_EQ(modes_of_student(), "ttte");
  }
  const NamedTensors after = step.state();
  for (const auto& entry : before) {
    // The optimizer's own is the second stage's by now.
    if (const at::Tensor* now = after.find(entry.key())) {
      const bool is_trained = entry.key().find("student.conv.") == 0;
      EXPECT_EQ(same_bits(*now, entry.value()), !is_trained) << entry.key();
    }
  }
  EXPECT_TRUE(after.contains("student.norm.running_mean"));
}

TEST_F(StageTest, EachHasItsOwnOptimizerAndRate) {
  TrainingStep step(options_);
  const auto of_the_optimizer = [&] {
    Names names;
    for (const std::string& name : step.state().keys()) {
      if (name.find("student.") != 0 && name.find("terms.") != 0) names.push_back(name);
    }
    return names;
  };
  StepResult result;
  for (double rate : {0.5, 0.25}) {
    EXPECT_EQ(step.stage(), 0);
    EXPECT_EQ(of_the_optimizer(), (Names{"momentum.student.conv.weight", "momentum.student.conv.bias"}));
    EXPECT_EQ(step.learning_rate(), rate);
    step.run(batch_, result);
    EXPECT_EQ(result.stage, 0);
    EXPECT_EQ(result.learning_rate, rate);
  }
  for (double rate : {0.01, 0.005, 0.005}) {
    EXPECT_EQ(step.stage(), 1);
    EXPECT_EQ(step.learning_rate(), rate);
    step.run(batch_, result);
    EXPECT_EQ(result.stage, 1);
    EXPECT_EQ(result.learning_rate, rate);
    EXPECT_EQ(result.terms.size(), 2u);
  }
  EXPECT_EQ(step.steps(), 5);
  const Names names = of_the_optimizer();
  EXPECT_EQ(names.size(), 3 * 7u) << "three tensors for each of the student's six parameters and the projection";
  EXPECT_EQ(names.front(), "exp_avg.student.conv.weight");
  EXPECT_EQ(names.back(), "step.terms.2.projection");
}

TEST_F(StageTest, TermsAreCountedThroughAllStages) {
  TrainingStep step(options_);
  EXPECT_EQ(step.term_count(), 3);
  EXPECT_EQ(step.criterion(0)->name(), FspOptions().build({{{4, 6, 6}, {4, 6, 6}}, {{4, 6, 6}, {4, 6, 6}}})->name());
  EXPECT_TRUE(step.criterion(2)->named_parameters().contains("projection"));
  EXPECT_TRUE(step.state().contains("terms.2.projection"));
  EXPECT_EQ(step.teacher_taps(), (Names{"map", "embedding"}));
  StepResult result;
  for (int i = 0; i < 2; ++i) step.run(batch_, result);
  EXPECT_EQ(step.state()["terms.2.calls"].item<int64_t>(), 0);
  step.run(batch_, result);
  EXPECT_EQ(step.state()["terms.2.calls"].item<int64_t>(), 1);
}

TEST_F(StageTest, MatchesATrainingByHand) {
  options_.later_stages[0].terms.pop_back();
  TrainingStep step(options_);
  const auto twin = network_in_double(1);
  const auto parameters = twin->named_parameters();
  torch::optim::SGD sgd(
      {parameters["conv.weight"], parameters["conv.bias"]}, torch::optim::SGDOptions(0.5).momentum(0.9));
  torch::optim::Adam adam(twin->parameters(), torch::optim::AdamOptions(0.01));
  teacher_->eval();
  const NetworkOutput taught = teacher_->forward(batch_.images);
  const at::Tensor taught_map = taught.features[0].detach();
  const auto check_step = [&](torch::optim::Optimizer& optimizer, double rate, const at::Tensor& loss) {
    optimizer.param_groups()[0].options().set_lr(rate);
    twin->zero_grad();
    loss.backward();
    optimizer.step();
    StepResult result;
    step.run(batch_, result);
    EXPECT_TRUE(close(result.total, loss.item<double>(), 1e-10));
    for (const auto& entry : twin->state_dict()) {
      // BatchNorm leaves conv.bias a gradient of rounding alone, which Adam enlarges.
      EXPECT_TRUE(close(student_->state_dict()[entry.key()], entry.value(), 1e-8)) << entry.key();
    }
  };
  twin->eval();
  for (double rate : {0.5, 0.25}) {
    const at::Tensor map = twin->forward(batch_.images).features[0];
    check_step(sgd, rate, 2 * fsp_loss({map, map}, {taught_map, taught_map})[0]);
  }
  twin->train();
  double weight = 0.9;
  for (double rate : {0.01, 0.005, 0.005}) {
    const at::Tensor logits = twin->forward(batch_.images).logits;
    const at::Tensor cross_entropy = at::cross_entropy_loss(logits, batch_.labels, {}, at::Reduction::Mean, -1);
    check_step(adam, rate, 0.5 * cross_entropy + weight * reference::kd_loss(logits, taught.logits.detach(), 4.0));
    weight *= 0.1;
  }
}

TEST_F(StageTest, AccumulationCountsUpdates) {
  options_.accumulate = 2;
  TrainingStep step(options_);
  StepResult result;
  for (int64_t i = 0; i < 6; ++i) {
    EXPECT_EQ(step.stage(), i / 4);
    step.run(batch_, result);
    EXPECT_EQ(result.stage, i / 4);
    EXPECT_EQ(step.steps(), (i + 1) / 2);
  }
}

TEST_F(StageTest, LossThatReachesNoTrainedPartIsAnError) {
  options_.trained = {"head"};
  TrainingStep step(options_);
  const NamedTensors before = copy_of(step.state());
  StepResult result;
  EXPECT_EQ(
      error_of([&] { step.run(batch_, result); }),
      "TrainingStep: loss must depend on a parameter that is trained (got a constant)");
  EXPECT_TRUE(same_bits(step.state(), before));
}

TEST_F(StageTest, RejectsStages) {
  EXPECT_EQ(error_after([](TrainingStepOptions&) {}), "nothing was thrown");
  for (int64_t steps : {0, -1}) {
    EXPECT_EQ(
        error_after([=](TrainingStepOptions& options) { options.steps = steps; }),
        c10::str("TrainingStep: steps of a stage must be positive for all but the last (got ", steps, ")"));
  }
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.later_stages.back().steps = 3; }),
      "TrainingStep: steps of a stage must be 0 for the last (got 3)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.later_stages.clear(); }),
      "TrainingStep: steps of a stage must be 0 for the last (got 2)");
  for (const char* name : {"layer9", "con", "conv.weight.more", "student.conv", ""}) {
    EXPECT_EQ(
        error_after([=](TrainingStepOptions& options) {
          options.trained = {"conv", name};
        }),
        c10::str(
            "TrainingStep: trained part must be a parameter of the student or a module with one (got ", name, ")"));
  }
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.later_stages[0].optimizer = nullptr; }),
      "TrainingStep: optimizer must be given (got null)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.terms.clear(); }),
      "TrainingStep: loss must have at least one part (got none)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) {
        const auto sgd = test::sgd(0.1);
        sgd->groups = {{{"student.head"}}};
        options.optimizer = sgd;
      }),
      "Optimizer: name of a group must be that of a trained parameter or module (got student.head)");
}

/// With running statistics that move in the first stage, which is the only one that needs the teacher.
TEST_F(StageTest, AStageWithoutTermsLeavesTheTeacherAsItIs) {
  options_.teachers[0].batch_norm = TeacherBatchNorm::kTraining;
  options_.steps = 1;
  options_.later_stages[0].terms.clear();
  TrainingStep step(options_);
  StepResult result;
  const NamedTensors before = copy_of(teacher_->state_dict());
  step.run(batch_, result);
  ASSERT_EQ(step.stage(), 1);
  const NamedTensors moved = copy_of(teacher_->state_dict());
  ASSERT_FALSE(same_bits(moved, before));

  Batch bad = batch_;
  bad.images = bad.images * std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(error_of([&] { step.run(bad, result); }), "TrainingStep: cross-entropy must be finite (got nan)");
  EXPECT_TRUE(same_bits(teacher_->state_dict(), moved));
}

}  // namespace
}  // namespace retort
