#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <retort/losses/crd.h>
#include <retort/losses/kd.h>
#include <retort/runtime.h>
#include <retort/train/training_step.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <functional>
#include <thread>

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
using test::NamedTensors;
using test::same_bits;
using test::TinyNetwork;

Term kd_term(double weight, double temperature) {
  auto options = std::make_shared<KdOptions>();
  options->temperature = temperature;
  return {weight, options, {}, {}};
}

/// The same network each time it is called with the same seed.
std::shared_ptr<TinyNetwork> tiny_network(uint64_t seed, double dropout = 0.0) {
  manual_seed(seed);
  return std::make_shared<TinyNetwork>(5, dropout);
}

Batch random_batch(int64_t size = 6, at::ScalarType dtype = at::kFloat) {
  Batch batch;
  batch.images = at::randn({size, 3, 6, 6}, dtype);
  batch.labels = at::randint(5, {size}, at::kLong);
  return batch;
}

TrainingStepOptions tiny_options(const std::shared_ptr<Network>& student, const std::shared_ptr<Network>& teacher) {
  TrainingStepOptions options;
  options.student = student;
  options.teachers = {teacher};
  options.input_shape = {3, 6, 6};
  options.cross_entropy.weight = 0.5;
  if (teacher) options.terms = {kd_term(0.9, 4.0)};
  options.optimizer = test::sgd(0.1);
  return options;
}

class TrainingStepTest : public test::SeededTest {};

// ---- the optimizer --------------------------------------------------------------------------------------------------

TEST_F(TrainingStepTest, GradientsOfAnyStrides) {
  const auto criterion = std::make_shared<test::ProjectionOptions>();
  TrainingStepOptions options = tiny_options(tiny_network(1), tiny_network(2));
  options.cross_entropy.weight = 0;
  options.terms = {{1.0, criterion, {"embedding"}, {"embedding"}}};
  TrainingStep step(options);
  const at::Tensor projection = step.criterion(0)->named_parameters()["projection"];
  const at::Tensor before = projection.detach().clone();
  // The gradient of a sum is a single 1, expanded with strides of 0.
  criterion->in_forward = [&](const at::Tensor&) { return projection.sum(); };
  StepResult result;
  step.run(random_batch(), result);
  EXPECT_TRUE(close(projection, before - 0.1, 1e-6));
}

TEST_F(TrainingStepTest, SharedParametersMoveOnce) {
  const auto student = tiny_network(1);
  student->register_parameter("again", student->named_parameters()["head.weight"]);
  TrainingStep step(tiny_options(student, nullptr));
  TrainingStep twin(tiny_options(tiny_network(1), nullptr));
  const Batch batch = random_batch();
  StepResult result;
  step.run(batch, result);
  twin.run(batch, result);
  EXPECT_TRUE(same_bits(step.state()["student.head.weight"], twin.state()["student.head.weight"]));
}

TEST_F(TrainingStepTest, ParametersWithoutGradientStay) {
  const auto student = tiny_network(1);
  student->named_parameters()["conv.weight"].set_requires_grad(false);
  TrainingStepOptions options = tiny_options(student, nullptr);
  options.optimizer = test::sgd(0.1, 0.9, 0.1);
  TrainingStep step(options);
  const auto before = copy_of(step.state());
  EXPECT_FALSE(before.contains("momentum.student.conv.weight"));
  StepResult result;
  step.run(random_batch(), result);
  EXPECT_TRUE(same_bits(step.state()["student.conv.weight"], before["student.conv.weight"]));
  EXPECT_FALSE(same_bits(step.state()["student.conv.bias"], before["student.conv.bias"]));
}

// ---- labels ---------------------------------------------------------------------------------------------------------

/// One step of plain gradient descent by hand: with `labels` -1 where there is none.
void descend_by_hand(TinyNetwork& network, const at::Tensor& logits_teacher, const Batch& batch, StepResult& expected) {
  network.train();
  const at::Tensor logits = network.forward(batch.images).logits;
  const at::Tensor log_q = at::log_softmax(logits, 1);
  at::Tensor sum = at::zeros({}, at::kDouble);
  expected = {};
  for (int64_t b = 0; b < batch.labels.size(0); ++b) {
    const auto label = batch.labels[b].item<int64_t>();
    if (label < 0) continue;
    sum = sum - log_q[b][label];
    expected.labeled += 1;
    expected.correct += logits[b].argmax().item<int64_t>() == label;
  }
  const at::Tensor cross_entropy = expected.labeled > 0 ? sum / expected.labeled : sum;
  const at::Tensor kd = reference::kd_loss(logits, logits_teacher, 4.0);
  const at::Tensor total = 0.5 * cross_entropy + 0.9 * kd;
  expected.total = total.item<double>();
  expected.cross_entropy = cross_entropy.item<double>();
  expected.terms = {kd.item<double>()};
  const std::vector<at::Tensor> parameters = network.parameters();
  const auto gradients = torch::autograd::grad({total}, parameters);
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters.size(); ++i) at::Tensor(parameters[i]).sub_(gradients[i], 0.1);
}

TEST_F(TrainingStepTest, SamplesWithoutLabelAreOnlyDistilled) {
  for (const auto& labels :
       std::vector<std::vector<int64_t>>{{0, 4, 2, 3, 1}, {0, -1, 2, -1, 1}, {-1, -1, -1, -1, -1}}) {
    SCOPED_TRACE(c10::str(labels));
    const auto student = tiny_network(1);
    const auto twin = tiny_network(1);
    const auto teacher = tiny_network(2);
    for (const auto& network : {student, twin, teacher}) network->convert(at::kDouble);
    TrainingStep step(tiny_options(student, teacher));
    for (int i = 0; i < 3; ++i) {
      Batch batch = random_batch(5, at::kDouble);
      batch.labels = at::tensor(labels, at::kLong);
      StepResult expected;
      descend_by_hand(*twin, teacher->predict(batch.images), batch, expected);
      StepResult result;
      step.run(batch, result);
      EXPECT_TRUE(close(result.total, expected.total, 1e-9));
      EXPECT_TRUE(close(result.cross_entropy, expected.cross_entropy, 1e-9));
      ASSERT_EQ(result.terms.size(), 1u);
      EXPECT_TRUE(close(result.terms[0], expected.terms[0], 1e-9));
      EXPECT_EQ(result.labeled, expected.labeled);
      EXPECT_EQ(result.samples, batch.images.size(0));
      EXPECT_EQ(result.correct, expected.correct);
      for (const auto& entry : twin->state_dict()) {
        EXPECT_TRUE(close(student->state_dict()[entry.key()].to(at::kDouble), entry.value())) << entry.key();
      }
    }
  }
}

TEST_F(TrainingStepTest, LabelsMayBeAbsentWithoutCrossEntropy) {
  TrainingStepOptions options = tiny_options(tiny_network(1), tiny_network(2));
  options.cross_entropy.weight = 0;
  TrainingStep step(options);
  Batch batch = random_batch();
  StepResult labeled;
  step.run(batch, labeled);
  EXPECT_EQ(labeled.labeled, 6);
  EXPECT_EQ(labeled.cross_entropy, 0.0);
  EXPECT_DOUBLE_EQ(labeled.total, 0.9 * labeled.terms[0]);

  batch.labels = at::Tensor();
  StepResult result;
  result.correct = 77;
  step.run(batch, result);
  EXPECT_EQ(result.labeled, 0);
  EXPECT_EQ(result.correct, 0);
  EXPECT_LT(result.terms[0], labeled.terms[0]) << "a step downhill on the same images must help";
}

TEST_F(TrainingStepTest, NothingToLearnFromMovesNoParameter) {
  TrainingStepOptions options = tiny_options(tiny_network(1), nullptr);
  options.optimizer = test::sgd(0.1, 0.9, 0.1);
  TrainingStep step(options);
  Batch batch = random_batch();
  StepResult result;
  step.run(batch, result);
  const auto before = copy_of(step.state());
  batch.labels.fill_(-1);
  step.run(batch, result);
  EXPECT_EQ(result.total, 0.0);
  EXPECT_EQ(result.labeled, 0);
  EXPECT_EQ(step.steps(), 2);
  // As torch.optim.SGD does, which skips parameters without a gradient.
  for (const auto& entry : options.student->named_parameters()) {
    EXPECT_TRUE(same_bits(entry.value(), before["student." + entry.key()])) << entry.key();
  }
}

// ---- networks and criteria ------------------------------------------------------------------------------------------

/// Shows its images as they are, and has nothing to train.
class FixedNetwork final : public Network {
 public:
  FixedNetwork() : Network({"embedding"}) {}

 protected:
  NetworkOutput compute(const at::Tensor& images) override {
    const at::Tensor embedding = images.flatten(1).narrow(1, 0, 5);
    return {embedding, {embedding}};
  }
};

TEST_F(TrainingStepTest, TrainsACriterionAloneIfTheStudentHasNoParameters) {
  TrainingStepOptions options = tiny_options(std::make_shared<FixedNetwork>(), tiny_network(2));
  options.cross_entropy.weight = 0;
  options.terms = {{1.0, std::make_shared<test::ProjectionOptions>(), {"embedding"}, {"embedding"}}};
  TrainingStep step(options);
  const at::Tensor before = step.state()["terms.0.projection"].clone();
  StepResult result;
  step.run(random_batch(), result);
  EXPECT_FALSE(step.state()["terms.0.projection"].equal(before));
}

TEST_F(TrainingStepTest, TrainsAUsersCriterion) {
  const auto student = tiny_network(1);
  const auto teacher = tiny_network(2);
  TrainingStepOptions options = tiny_options(student, teacher);
  options.optimizer = test::sgd(0.1, 0.9);
  options.terms.push_back({2.0, std::make_shared<test::ProjectionOptions>(), {"embedding"}, {"embedding"}});
  TrainingStep step(options);
  ASSERT_EQ(step.term_count(), 2);

  const NamedTensors state = step.state();
  std::vector<std::string> names;
  for (const std::string& name : student->state_dict().keys()) names.push_back("student." + name);
  for (const char* name : {"terms.1.projection", "terms.1.calls", "terms.1.memory"}) names.emplace_back(name);
  for (const std::string& name : student->named_parameters().keys()) names.push_back("momentum.student." + name);
  names.emplace_back("momentum.terms.1.projection");
  std::vector<std::string> actual = state.keys();
  std::sort(names.begin(), names.end());
  std::sort(actual.begin(), actual.end());
  EXPECT_EQ(actual, names);
  EXPECT_EQ(state["terms.1.calls"].scalar_type(), at::kLong);
  EXPECT_TRUE(step.criterion(1)->named_parameters()["projection"].is_alias_of(state["terms.1.projection"]));

  const at::Tensor projection = state["terms.1.projection"].clone().requires_grad_();
  const Batch batch = random_batch();
  NetworkOutput learned;
  student->at_end = [&](NetworkOutput& output) { learned = output; };
  StepResult result;
  step.run(batch, result);
  teacher->eval();
  const at::Tensor taught = teacher->forward(batch.images).features[1].detach();
  const at::Tensor loss = (learned.features[1].detach().matmul(projection) - taught).square().mean();
  EXPECT_TRUE(close(result.terms[1], loss.item<double>(), 1e-5));
  EXPECT_TRUE(close(result.total, 0.5 * result.cross_entropy + 0.9 * result.terms[0] + 2 * result.terms[1], 1e-5));
  const at::Tensor gradient = 2 * torch::autograd::grad({loss}, {projection})[0];
  EXPECT_TRUE(close(state["terms.1.projection"], projection - 0.1 * gradient, 1e-5));
  EXPECT_TRUE(close(state["momentum.terms.1.projection"], gradient, 1e-5));
  EXPECT_EQ(state["terms.1.calls"].item<int64_t>(), 1);
  EXPECT_TRUE(close(state["terms.1.memory"], taught.mean(0), 1e-5));
}

TEST_F(TrainingStepTest, WorksWithoutTeacher) {
  TrainingStep step(tiny_options(tiny_network(1), nullptr));
  const Batch batch = random_batch();
  StepResult first, last;
  step.run(batch, first);
  for (int i = 0; i < 20; ++i) step.run(batch, last);
  EXPECT_LT(last.total, first.total);
  EXPECT_TRUE(last.terms.empty());
  EXPECT_EQ(step.steps(), 21);
  EXPECT_EQ(step.input_shape(), (std::vector<int64_t>{3, 6, 6}));
}

TEST_F(TrainingStepTest, TeacherWithoutTermsDoesNotRun) {
  const auto teacher = tiny_network(2);
  TrainingStepOptions options = tiny_options(tiny_network(1), teacher);
  options.terms.clear();
  TrainingStep step(options);
  int runs = 0;
  teacher->halfway = [&] { ++runs; };
  StepResult result;
  step.run(random_batch(), result);
  EXPECT_EQ(runs, 0);
}

TEST_F(TrainingStepTest, TeacherIsInEvaluationModeAndStaysAsItWas) {
  const auto student = tiny_network(1);
  const auto teacher = tiny_network(2);
  TrainingStep step(tiny_options(student, teacher));
  const auto before = copy_of(teacher->state_dict());
  student->eval();
  teacher->train();
  teacher->named_children()["norm"]->eval();
  bool student_trained = false;
  bool teacher_trained = true;
  student->halfway = [&] { student_trained = student->is_training(); };
  teacher->halfway = [&] { teacher_trained = teacher->is_training(); };
  StepResult result;
  step.run(random_batch(), result);
  EXPECT_TRUE(student_trained);
  EXPECT_FALSE(teacher_trained);
  EXPECT_FALSE(student->is_training());
  EXPECT_TRUE(teacher->is_training());
  EXPECT_FALSE(teacher->named_children()["norm"]->is_training());
  EXPECT_TRUE(teacher->named_children()["conv"]->is_training());
  EXPECT_TRUE(same_bits(teacher->state_dict(), before));
}

TEST_F(TrainingStepTest, TeacherOfAnotherDtype) {
  const auto student = tiny_network(1);
  const auto teacher = tiny_network(2);
  teacher->convert(at::kDouble);
  TrainingStep step(tiny_options(student, teacher));
  TrainingStep twin(tiny_options(tiny_network(1), tiny_network(2)));
  const Batch batch = random_batch();
  StepResult result, expected;
  step.run(batch, result);
  twin.run(batch, expected);
  EXPECT_TRUE(close(result.total, expected.total, 1e-5));
}

TEST_F(TrainingStepTest, GradientsOfTheParametersAreNotTouched) {
  const auto student = tiny_network(1);
  for (at::Tensor& parameter : student->parameters()) parameter.mutable_grad() = at::full_like(parameter, 3.0);
  TrainingStep step(tiny_options(student, tiny_network(2)));
  TrainingStep twin(tiny_options(tiny_network(1), tiny_network(2)));
  const Batch batch = random_batch();
  StepResult result;
  step.run(batch, result);
  twin.run(batch, result);
  EXPECT_TRUE(same_bits(step.state(), twin.state()));
  for (const at::Tensor& parameter : student->parameters()) {
    EXPECT_TRUE(same_bits(parameter.grad(), at::full_like(parameter, 3.0)));
  }
}

TEST_F(TrainingStepTest, TrainsWhateverModeTheCallerIsIn) {
  TrainingStep step(tiny_options(tiny_network(1), tiny_network(2)));
  TrainingStep twin(tiny_options(tiny_network(1), tiny_network(2)));
  const Batch batch = random_batch();
  StepResult result;
  {
    const at::NoGradGuard no_grad;
    step.run(batch, result);
  }
  {
    const c10::InferenceMode inference;
    step.run(batch, result);
  }
  twin.run(batch, result);
  twin.run(batch, result);
  EXPECT_TRUE(same_bits(step.state(), twin.state()));
}

TEST_F(TrainingStepTest, TakesBatchesThatWereMadeInInferenceMode) {
  TrainingStep step(tiny_options(tiny_network(1), tiny_network(2)));
  TrainingStep twin(tiny_options(tiny_network(1), tiny_network(2)));
  const Batch batch = random_batch();
  Batch inferred = batch;
  {
    const c10::InferenceMode inference;
    for (at::Tensor* tensor : {&inferred.images, &inferred.labels, &inferred.indices, &inferred.contrast}) {
      if (tensor->defined()) *tensor = tensor->clone();
    }
  }
  StepResult result;
  step.run(inferred, result);
  twin.run(batch, result);
  EXPECT_TRUE(same_bits(step.state(), twin.state()));
}

TEST_F(TrainingStepTest, HalfPrecisionStudent) {
  const auto student = tiny_network(1);
  student->convert(at::kBFloat16);
  TrainingStep step(tiny_options(student, tiny_network(2)));
  Batch batch = random_batch(6, at::kBFloat16);
  StepResult first, last;
  step.run(batch, first);
  for (int i = 0; i < 30; ++i) step.run(batch, last);
  EXPECT_LT(last.total, first.total);
}

TEST_F(TrainingStepTest, MemoriesInBFloat16StaySoUnlessTheStudentIsFloat64) {
  const std::string name = "terms.0.student_memory.embeddings";
  const auto crd = std::make_shared<CrdOptions>();
  crd->samples = 12;
  crd->dimension = 5;
  crd->negatives = 4;
  crd->memory_dtype = CrdMemoryDtype::kBFloat16;
  for (at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kDouble}) {
    SCOPED_TRACE(c10::toString(dtype));
    const auto student = tiny_network(1);
    student->convert(dtype);
    TrainingStepOptions options = tiny_options(student, tiny_network(2));
    options.terms = {{0.1, crd, {"embedding"}, {"embedding"}}};
    TrainingStep step(options);
    const at::Tensor before = step.state()[name].clone();
    EXPECT_EQ(before.scalar_type(), dtype == at::kDouble ? at::kDouble : at::kBFloat16);
    Batch batch = random_batch(6, dtype);
    batch.indices = at::arange(6, at::kLong);
    StepResult result;
    step.run(batch, result);
    EXPECT_EQ(step.state()[name].scalar_type(), before.scalar_type());
    EXPECT_FALSE(same_bits(step.state()[name], before));
  }
}

TEST_F(TrainingStepTest, SeedDecidesEverything) {
  const auto train = [] {
    const auto student = tiny_network(1, /*dropout=*/0.4);
    TrainingStep step(tiny_options(student, tiny_network(2)));
    manual_seed(5);
    StepResult result;
    for (int i = 0; i < 3; ++i) step.run(random_batch(), result);
    return copy_of(step.state());
  };
  EXPECT_TRUE(same_bits(train(), train()));
}

// ---- threads --------------------------------------------------------------------------------------------------------

/// Runs both at the same time.
void together(const std::function<void()>& first, const std::function<void()>& second) {
  std::thread other(second);
  first();
  other.join();
}

TEST_F(TrainingStepTest, TwoThreadsShareATeacher) {
  const auto teacher = tiny_network(9);
  const std::vector<Batch> batches = {random_batch(), random_batch(), random_batch()};
  const auto train = [&](TrainingStep& step) {
    StepResult result;
    for (int i = 0; i < 30; ++i) step.run(batches[static_cast<size_t>(i % 3)], result);
  };
  TrainingStep first(tiny_options(tiny_network(1), teacher));
  TrainingStep second(tiny_options(tiny_network(2), teacher));
  together([&] { train(first); }, [&] { train(second); });

  TrainingStep first_alone(tiny_options(tiny_network(1), teacher));
  TrainingStep second_alone(tiny_options(tiny_network(2), teacher));
  train(first_alone);
  train(second_alone);
  EXPECT_TRUE(same_bits(first.state(), first_alone.state()));
  EXPECT_TRUE(same_bits(second.state(), second_alone.state()));
  EXPECT_TRUE(teacher->is_training());
}

TEST_F(TrainingStepTest, NetworksMayTeachEachOther) {
  const auto one = tiny_network(1);
  const auto two = tiny_network(2);
  TrainingStep forth(tiny_options(one, two));
  TrainingStep back(tiny_options(two, one));
  const Batch batch = random_batch();
  const auto train = [&](TrainingStep& step) {
    StepResult result;
    for (int i = 0; i < 1000; ++i) step.run(batch, result);
  };
  together([&] { train(forth); }, [&] { train(back); });
  EXPECT_EQ(forth.steps(), 1000);
  EXPECT_EQ(back.steps(), 1000);
}

TEST_F(TrainingStepTest, PredictsWhileItTrains) {
  const auto student = tiny_network(1);
  TrainingStep step(tiny_options(student, tiny_network(2)));
  TrainingStep twin(tiny_options(tiny_network(1), tiny_network(2)));
  const Batch batch = random_batch();
  const auto train = [&](TrainingStep& trained) {
    StepResult result;
    for (int i = 0; i < 30; ++i) trained.run(batch, result);
  };
  bool finite = true;
  together(
      [&] { train(step); },
      [&] {
        for (int i = 0; i < 60; ++i) finite = finite && student->predict(batch.images).isfinite().all().item<bool>();
      });
  EXPECT_TRUE(finite);
  EXPECT_TRUE(student->is_training());
  train(twin);
  EXPECT_TRUE(same_bits(step.state(), twin.state()));
}

TEST_F(TrainingStepTest, TwoThreadsShareAStep) {
  TrainingStep step(tiny_options(tiny_network(1), tiny_network(2)));
  TrainingStep twin(tiny_options(tiny_network(1), tiny_network(2)));
  const Batch batch = random_batch();
  const auto train = [&](TrainingStep& trained) {
    StepResult result;
    for (int i = 0; i < 20; ++i) trained.run(batch, result);
  };
  together([&] { train(step); }, [&] { train(step); });
  train(twin);
  train(twin);
  EXPECT_EQ(step.steps(), 40);
  EXPECT_TRUE(same_bits(step.state(), twin.state()));
}

}  // namespace
}  // namespace retort
