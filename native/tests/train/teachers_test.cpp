// A step with several teachers: what its terms learn from them, and how each of them runs.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/losses/dkd.h>
#include <retort/losses/kd.h>
#include <retort/runtime.h>
#include <retort/train/training_step.h>
#include <torch/nn/functional/upsampling.h>

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "expect.h"
#include "files.h"
#include "networks.h"
#include "optimizers.h"
#include "projection_criterion.h"
#include "reference/dkd.h"
#include "reference/kd.h"
#include "seeded_test.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::close;
using test::copy_of;
using test::error_of;
using test::file_error_of;
using test::NamedTensors;
using test::same_bits;
using test::TinyNetwork;
using Names = std::vector<std::string>;

template <typename Options>
std::shared_ptr<Options> of_temperature(double temperature) {
  auto options = std::make_shared<Options>();
  options->temperature = temperature;
  return options;
}

Term kd(double weight, double temperature, Names teachers, TeacherMean mean = TeacherMean::kNone) {
  Term term;
  term.weight = weight;
  term.criterion = of_temperature<KdOptions>(temperature);
  term.teachers = std::move(teachers);
  term.teacher_mean = mean;
  return term;
}

Term projection(double weight, Names teachers) {
  Term term;
  term.weight = weight;
  term.criterion = std::make_shared<test::ProjectionOptions>();
  term.student_taps = term.teacher_taps = {"embedding"};
  term.teachers = std::move(teachers);
  return term;
}

/// Of a network in evaluation mode, in which it is left.
NetworkOutput outputs_of(Network& network, const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  network.eval();
  return network.forward(images);
}

/// Two teachers, `a` and `b`, of a student, all of them float64 and with weights of their own.
class TeachersTest : public test::SeededTest {
 protected:
  void SetUp() override {
    SeededTest::SetUp();
    student_ = tiny();
    a_ = tiny();
    b_ = tiny();
    options_.student = student_;
    options_.teachers = {a_, b_};
    options_.teachers[0].name = "a";
    options_.teachers[1].name = "b";
    for (TeacherOptions& teacher : options_.teachers) teacher.format = MemoryFormat::kContiguous;
    options_.student_format = MemoryFormat::kContiguous;
    options_.input_shape = {3, 6, 6};
    options_.optimizer = test::sgd(0.1);
    batch_.images = at::randn({6, 3, 6, 6}, at::kDouble);
    batch_.labels = at::tensor({0, 4, 1, 3, 1, 2}, at::kLong);
    batch_.indices = at::arange(6, at::kLong);
  }

  static std::shared_ptr<TinyNetwork> tiny(int64_t classes = 5) {
    auto network = std::make_shared<TinyNetwork>(classes);
    network->convert(at::kDouble);
    const at::NoGradGuard no_grad;
    for (const auto& entry : network->named_buffers()) {
      if (entry.value().is_floating_point()) entry.value().add_(at::rand_like(entry.value()));
    }
    return network;
  }

  /// Whether the image that the teacher is given is prepared as by `expected`.
  void expect_prepared(const std::function<at::Tensor(const at::Tensor&)>& expected) {
    options_.terms = {kd(1, 4, {"b"})};
    TrainingStep step(options_);
    at::Tensor seen;
    b_->at_end = [&](NetworkOutput& output) { seen = output.logits; };
    run(step);
    b_->at_end = nullptr;
    EXPECT_TRUE(close(seen, outputs_of(*b_, expected(batch_.images)).logits, 1e-12));
  }

  StepResult run(TrainingStep& step) const {
    StepResult result;
    step.run(batch_, result);
    step.finish(result);
    return result;
  }

  std::string error_of_options() {
    return error_of([&] { const TrainingStep step(options_); });
  }

  std::string error_of_terms(std::vector<Term> terms) {
    options_.terms = std::move(terms);
    return error_of_options();
  }

  std::shared_ptr<TinyNetwork> student_, a_, b_;
  TrainingStepOptions options_;
  Batch batch_;
};

// ---- what terms learn from ------------------------------------------------------------------------------------------

TEST_F(TeachersTest, EachTermLearnsFromItsTeacher) {
  options_.cross_entropy.weight = 0.5;
  options_.terms = {kd(0.9, 4, {"a"}), kd(0.3, 2, {"b"}), projection(0.7, {"b"}), projection(0.2, {"a"})};
  TrainingStep step(options_);
  EXPECT_EQ(step.teacher_taps("a"), Names{"embedding"});
  EXPECT_EQ(step.teacher_taps("b"), Names{"embedding"});

  // The same with plain ATen.
  const auto twin = tiny();
  {
    const at::NoGradGuard no_grad;
    for (const auto& entry : twin->state_dict()) at::Tensor(entry.value()).copy_(student_->state_dict()[entry.key()]);
  }
  const NetworkOutput a = outputs_of(*a_, batch_.images), b = outputs_of(*b_, batch_.images);
  const NetworkOutput own = twin->forward(batch_.images);
  const auto projected = [&](int64_t term, const at::Tensor& teacher) {
    const at::Tensor matrix = step.criterion(term)->named_parameters()["projection"].detach().to(at::kDouble).clone();
    return (own.features[1].matmul(matrix) - teacher).square().mean();
  };
  const std::vector<at::Tensor> terms = {
      reference::kd_loss(own.logits, a.logits, 4), reference::kd_loss(own.logits, b.logits, 2),
      projected(2, b.features[1]), projected(3, a.features[1])};
  const at::Tensor total = 0.5 * at::cross_entropy_loss(own.logits, batch_.labels) + 0.9 * terms[0] + 0.3 * terms[1] +
                           0.7 * terms[2] + 0.2 * terms[3];
  total.backward();

  const StepResult result = run(step);
  EXPECT_TRUE(close(result.total, total.item<double>(), 1e-12));
  for (size_t i = 0; i < terms.size(); ++i) EXPECT_TRUE(close(result.terms[i], terms[i].item<double>(), 1e-12)) << i;
  const auto trained = student_->named_parameters();
  for (const auto& entry : twin->named_parameters()) {
    EXPECT_TRUE(close(trained[entry.key()].detach(), (entry.value() - 0.1 * entry.value().grad()).detach(), 1e-10))
        << entry.key();
  }
}

TEST_F(TeachersTest, MeansAreThoseOfLogitsOrProbabilities) {
  options_.teachers[0].weight = 3;
  options_.teachers[1].weight = 1;
  Term dkd = kd(0.4, 4, {}, TeacherMean::kProbabilities);
  dkd.criterion = of_temperature<DkdOptions>(3);
  options_.terms = {
      kd(1, 4, {}, TeacherMean::kLogits), kd(1, 4, {}, TeacherMean::kProbabilities),
      kd(1, 2, {"b", "a"}, TeacherMean::kProbabilities), std::move(dkd), kd(1, 4, {"b"}, TeacherMean::kProbabilities)};
  TrainingStep step(options_);
  at::Tensor own;
  student_->at_end = [&](NetworkOutput& output) { own = output.logits.detach(); };
  const at::Tensor a = outputs_of(*a_, batch_.images).logits, b = outputs_of(*b_, batch_.images).logits;
  const auto mean = [&](double temperature) {
    return 0.75 * at::softmax(a / temperature, 1) + 0.25 * at::softmax(b / temperature, 1);
  };
  const StepResult result = run(step);
  const auto divergence = [&](const at::Tensor& probabilities, double temperature) {
    return reference::kd_loss(own, probabilities, temperature, {}, KdTarget::kProbabilities).item<double>();
  };
  EXPECT_TRUE(close(result.terms[0], reference::kd_loss(own, 0.75 * a + 0.25 * b, 4).item<double>(), 1e-12));
  EXPECT_TRUE(close(result.terms[1], divergence(mean(4), 4), 1e-12));
  EXPECT_TRUE(close(result.terms[2], divergence(mean(2), 2), 1e-12));
  // Any logits that are softened to the mean will do.
  const DkdOptions defaults;
  EXPECT_TRUE(close(
      result.terms[3],
      reference::dkd_loss(own, 3 * mean(3).log(), batch_.labels, defaults.alpha, defaults.beta, 3).item<double>(),
      1e-11));
  EXPECT_TRUE(close(result.terms[4], reference::kd_loss(own, b, 4).item<double>(), 1e-12));
}

TEST_F(TeachersTest, MeansOfExtremeLogitsAreFinite) {
  a_->at_end = [](NetworkOutput& output) { output.logits = output.logits * 1e6; };
  b_->at_end = [](NetworkOutput& output) {
    output.logits = at::full_like(output.logits, 0);
    output.logits.select(1, 2).fill_(-std::numeric_limits<double>::infinity());
  };
  options_.terms = {kd(1, 4, {}, TeacherMean::kProbabilities)};
  TrainingStep step(options_);
  EXPECT_TRUE(std::isfinite(run(step).total));
}

TEST_F(TeachersTest, ATeacherWithoutWeightDoesNotRun) {
  options_.teachers[0].weight = 0;
  options_.terms = {kd(1, 4, {}, TeacherMean::kLogits)};
  TrainingStep step(options_);
  a_->halfway = [] { throw std::runtime_error("the teacher ran"); };
  at::Tensor own;
  student_->at_end = [&](NetworkOutput& output) { own = output.logits.detach(); };
  const at::Tensor b = outputs_of(*b_, batch_.images).logits;
  const double term = run(step).terms[0];
  EXPECT_TRUE(close(term, reference::kd_loss(own, b, 4).item<double>(), 1e-12));
}

TEST_F(TeachersTest, AStageRunsTheTeachersThatItNeedsOnce) {
  int64_t runs_of_a = 0, runs_of_b = 0;
  options_.steps = 1;
  options_.terms = {kd(1, 4, {"b"}), projection(1, {"b"}), kd(1, 2, {"b"})};
  Stage second;
  second.optimizer = options_.optimizer;
  second.steps = 1;
  second.terms = {kd(1, 4, {}, TeacherMean::kLogits), kd(1, 2, {}, TeacherMean::kProbabilities), kd(1, 4, {"a"})};
  Stage third;
  third.optimizer = options_.optimizer;
  options_.later_stages = {second, third};
  TrainingStep step(options_);
  a_->at_end = [&](NetworkOutput&) { ++runs_of_a; };
  b_->at_end = [&](NetworkOutput&) { ++runs_of_b; };
  const auto runs_after_a_step = [&] {
    run(step);
    return std::pair(std::exchange(runs_of_a, 0), std::exchange(runs_of_b, 0));
  };
  EXPECT_EQ(runs_after_a_step(), std::pair(int64_t{0}, int64_t{1}));
  EXPECT_EQ(runs_after_a_step(), std::pair(int64_t{1}, int64_t{1}));
  EXPECT_EQ(runs_after_a_step(), std::pair(int64_t{0}, int64_t{0}));
}

TEST_F(TeachersTest, MayDifferInClassesUnlessTheirLogitsAreMixed) {
  const auto wide = tiny(7);
  options_.teachers[1].network = wide;
  options_.terms = {kd(1, 4, {"a"}), projection(1, {"b"})};
  TrainingStep step(options_);
  EXPECT_TRUE(std::isfinite(run(step).total));
  EXPECT_EQ(
      error_of_terms({kd(1, 4, {}, TeacherMean::kLogits)}),
      "TrainingStep: teachers whose logits are mixed must have the same number of classes (got 5 of a and 7 of b)");
  EXPECT_EQ(
      error_of_terms({kd(1, 4, {"b"})}),
      "kd_loss: student and teacher must have the same number of classes (got 5 and 7)");
}

// ---- how teachers run -----------------------------------------------------------------------------------------------

at::Tensor resized(const at::Tensor& images, int64_t height, int64_t width) {
  namespace F = torch::nn::functional;
  return F::interpolate(
      images, F::InterpolateFuncOptions()
                  .size(std::vector<int64_t>{height, width})
                  .mode(torch::kBilinear)
                  .align_corners(false)
                  .antialias(false));
}

at::Tensor normalized(const at::Tensor& images, const Preprocessing& preprocessing) {
  const auto column = [](const std::vector<double>& values) {
    return at::tensor(values, at::kDouble).view({-1, 1, 1});
  };
  return (images - column(preprocessing.mean)) / column(preprocessing.deviation);
}

Preprocessing preprocessing(std::vector<int64_t> input_shape, std::vector<double> mean, std::vector<double> deviation) {
  Preprocessing of;
  of.input_shape = std::move(input_shape);
  of.mean = std::move(mean);
  of.deviation = std::move(deviation);
  return of;
}

TEST_F(TeachersTest, MayHaveAnotherInputSize) {
  for (const auto& [height, width] : {std::pair(9, 14), std::pair(3, 4), std::pair(6, 12)}) {
    options_.teachers[1].preprocessing.input_shape = {3, height, width};
    expect_prepared([&, h = height, w = width](const at::Tensor& images) { return resized(images, h, w); });
    EXPECT_EQ(b_->input_shape(), (std::vector<int64_t>{3, height, width}));
  }
}

TEST_F(TeachersTest, MayHaveAnotherNormalization) {
  options_.preprocessing = preprocessing({3, 6, 6}, {0.5, 0.4, 0.3}, {0.2, 0.3, 0.5});
  options_.teachers[1].preprocessing = preprocessing({3, 9, 14}, {0.1, 0.2, 0.3}, {2, 3, 4});
  expect_prepared(
      [&](const at::Tensor& images) { return resized(normalized(images, options_.teachers[1].preprocessing), 9, 14); });
  EXPECT_EQ(student_->preprocessing(), options_.preprocessing);
  EXPECT_EQ(a_->preprocessing(), options_.preprocessing);
  EXPECT_EQ(b_->preprocessing(), options_.teachers[1].preprocessing);

  options_.teachers[1].preprocessing = preprocessing({}, {0}, {1});
  expect_prepared([&](const at::Tensor& images) { return resized(images, 9, 14); });
}

TEST_F(TeachersTest, ImagesMayBeBytesWithChannelsLast) {
  options_.preprocessing = preprocessing({3, 6, 6}, {0.5}, {0.2});
  options_.preprocessing.channels_last = true;
  options_.teachers[1].preprocessing = preprocessing({3, 9, 14}, {0.1, 0.2, 0.3}, {2, 3, 4});
  options_.teachers[1].format = MemoryFormat::kChannelsLast;
  batch_.images = at::randint(256, {6, 6, 6, 3}, at::kByte);
  expect_prepared([&](const at::Tensor& images) {
    const at::Tensor first = images.permute({0, 3, 1, 2}).to(at::kDouble) / 255;
    return resized(normalized(first, options_.teachers[1].preprocessing), 9, 14);
  });
}

TEST_F(TeachersTest, KeepThePreprocessingThatTheyWereTrainedWith) {
  const Preprocessing own = preprocessing({3, 9, 14}, {0.1, 0.2, 0.3}, {2, 3, 4});
  b_->set_preprocessing(own);
  options_.preprocessing = preprocessing({3, 6, 6}, {0.5}, {0.2});
  expect_prepared([&](const at::Tensor& images) { return resized(normalized(images, own), 9, 14); });
  EXPECT_EQ(b_->preprocessing(), own);
  EXPECT_EQ(student_->preprocessing(), options_.preprocessing);
}

/// What only one of them was trained with, the student must not take.
TEST_F(TeachersTest, StudentTakesAPreprocessingThatAllAgreeOn) {
  const Preprocessing own = preprocessing({3, 6, 6}, {0.1, 0.2, 0.3}, {2, 3, 4});
  options_.terms = {kd(1, 4, {"a"})};
  b_->set_preprocessing(own);
  { const TrainingStep step(options_); }
  EXPECT_TRUE(student_->preprocessing().is_identity());
  EXPECT_TRUE(a_->preprocessing().is_identity());

  options_.teachers[0].preprocessing = own;
  { const TrainingStep step(options_); }
  EXPECT_TRUE(student_->preprocessing().is_identity());
  options_.teachers[0].preprocessing = {};
  const TrainingStep step(options_);
  EXPECT_EQ(student_->preprocessing(), own);
}

TEST_F(TeachersTest, HavePrecisionsAndFormatsOfTheirOwn) {
  options_.teachers[0].precision = Precision::kBFloat16;
  options_.teachers[0].format = MemoryFormat::kChannelsLast;
  options_.terms = {kd(1, 4, {"a"}), kd(1, 4, {"b"})};
  TrainingStep step(options_);
  at::ScalarType of_a = at::kByte, of_b = at::kByte;
  bool is_last_of_a = false, is_last_of_b = false;
  const auto note = [](at::ScalarType& dtype, bool& is_last) {
    return [&](NetworkOutput& output) {
      dtype = output.logits.scalar_type();
      is_last = output.features[0].is_contiguous(at::MemoryFormat::ChannelsLast);
    };
  };
  a_->convert(at::kFloat);  // autocast leaves float64 alone
  a_->at_end = note(of_a, is_last_of_a);
  b_->at_end = note(of_b, is_last_of_b);
  const StepResult result = run(step);
  EXPECT_EQ(of_a, at::kBFloat16);
  EXPECT_EQ(of_b, at::kDouble);
  EXPECT_TRUE(is_last_of_a);
  EXPECT_FALSE(is_last_of_b);
  EXPECT_EQ(
      result.teacher_formats, (std::vector<MemoryFormat>{MemoryFormat::kChannelsLast, MemoryFormat::kContiguous}));
}

TEST_F(TeachersTest, HaveCachesOfTheirOwn) {
  const test::TemporaryFolder folder;
  options_.teachers[0].cache = {12, folder.file("a")};
  options_.teachers[1].cache = {12, {}};
  options_.teachers[1].preprocessing.input_shape = {3, 9, 14};
  options_.terms = {kd(1, 4, {}, TeacherMean::kProbabilities), projection(1, {"b"})};
  int64_t seen_by_a = 0, seen_by_b = 0;
  const auto count = [](int64_t& seen) { return [&](NetworkOutput& output) { seen += output.logits.size(0); }; };
  const auto seen = [&] { return std::pair(std::exchange(seen_by_a, 0), std::exchange(seen_by_b, 0)); };
  options_.optimizer = test::sgd(1e-300);  // too small to move anything
  std::vector<double> first;
  manual_seed(7);
  {
    TrainingStep step(options_);
    a_->at_end = count(seen_by_a);
    b_->at_end = count(seen_by_b);
    first = run(step).terms;
    EXPECT_EQ(seen(), std::pair(int64_t{6}, int64_t{6}));
    EXPECT_EQ(run(step).terms, first);
    EXPECT_EQ(seen(), std::pair(int64_t{0}, int64_t{0}));
  }
  manual_seed(7);
  {
    TrainingStep step(options_);
    seen();
    EXPECT_EQ(run(step).terms, first);
    EXPECT_EQ(seen(), std::pair(int64_t{0}, int64_t{6}));
  }
  options_.teachers[1].cache.file = folder.file("a");
  EXPECT_EQ(
      error_of_options(),
      "TrainingStep: cache of teacher b must have a file of its own (got " + folder.file("a") + ")");
  options_.teachers[1].cache = {};
  const auto error_at = [&](int64_t height, int64_t width) {
    options_.teachers[0].preprocessing.input_shape = {3, height, width};
    return file_error_of([&] { const TrainingStep step(options_); });
  };
  const std::string error = "TeacherCache: file must be of the same teacher (got another in ";
  EXPECT_EQ(error_at(9, 14), error + folder.file("a") + ")");
  options_.teachers[0].cache.file = folder.file("resized");
  { const TrainingStep step(options_); }
  EXPECT_EQ(error_at(14, 9), error + folder.file("resized") + ")");
}

// ---- outputs that are given -----------------------------------------------------------------------------------------

TEST_F(TeachersTest, OutputsMayBeGivenForSomeOfThem) {
  options_.terms = {kd(1, 4, {}, TeacherMean::kLogits), projection(1, {"b"}), kd(1, 4, {"a"})};
  TrainingStep step(options_);
  const NetworkOutput b = outputs_of(*b_, batch_.images);
  at::Tensor own;
  student_->at_end = [&](NetworkOutput& output) { own = output.logits.detach(); };
  b_->halfway = [] { throw std::runtime_error("the teacher ran"); };
  batch_.teacher_outputs = {{}, {b.logits, {b.features[1]}}};
  const at::Tensor a = outputs_of(*a_, batch_.images).logits;
  const StepResult result = run(step);
  EXPECT_TRUE(close(result.terms[0], reference::kd_loss(own, (a + b.logits) / 2, 4).item<double>(), 1e-12));
  EXPECT_TRUE(close(result.terms[2], reference::kd_loss(own, a, 4).item<double>(), 1e-12));

  const auto error = [&] { return error_of([&] { run(step); }); };
  batch_.teacher_outputs[1].features.clear();
  EXPECT_EQ(error(), "TrainingStep: teacher b's features must be one for each of 1 taps (got 0)");
  batch_.teacher_outputs.resize(3);
  EXPECT_EQ(error(), "TrainingStep: outputs of teachers must be at most one for each of 2 (got 3)");
}

TEST_F(TeachersTest, ATeacherMayBeElsewhere) {
  options_.teachers[1].network = nullptr;
  options_.terms = {kd(1, 4, {}, TeacherMean::kProbabilities)};
  TrainingStep step(options_);
  EXPECT_EQ(
      error_of([&] { run(step); }),
      "TrainingStep: teacher b's logits must be given without its network (got an undefined tensor)");
  at::Tensor own;
  student_->at_end = [&](NetworkOutput& output) { own = output.logits.detach(); };
  const at::Tensor a = outputs_of(*a_, batch_.images).logits, b = at::randn({6, 5}, at::kDouble);
  batch_.teacher_outputs = {{}, {b, {}}};
  const at::Tensor mean = (at::softmax(a / 4, 1) + at::softmax(b / 4, 1)) / 2;
  const double term = run(step).terms[0];
  EXPECT_TRUE(close(term, reference::kd_loss(own, mean, 4, {}, KdTarget::kProbabilities).item<double>(), 1e-12));
  const NamedTensors before = copy_of(step.state());
  batch_.teacher_outputs[1].logits = at::randn({6, 4}, at::kDouble);
  EXPECT_EQ(
      error_of([&] { run(step); }),
      "TrainingStep: logits of teachers that are mixed must have the same shape (got [6, 5] and [6, 4])");
  EXPECT_TRUE(same_bits(step.state(), before));
  EXPECT_EQ(
      error_of_terms({projection(1, {"b"})}),
      "TrainingStep: teacher b must be given with terms on features (got null)");
}

// ---- transactions and checkpoints -----------------------------------------------------------------------------------

class ChangingTeachersTest : public TeachersTest {
 protected:
  void SetUp() override {
    TeachersTest::SetUp();
    for (TeacherOptions& teacher : options_.teachers) teacher.batch_norm = TeacherBatchNorm::kTraining;
    options_.terms = {kd(1, 4, {}, TeacherMean::kProbabilities), projection(1, {"b"})};
    options_.optimizer = test::sgd(0.1, 0.9);
  }

  NamedTensors photograph(const TrainingStep& step) const {
    NamedTensors all = copy_of(step.state());
    for (const auto& [name, network] : {std::pair("a.", a_), std::pair("b.", b_)}) {
      for (const auto& entry : network->state_dict()) all.insert(name + entry.key(), entry.value().clone());
    }
    return all;
  }
};

TEST_F(ChangingTeachersTest, AFailedStepIsRolledBack) {
  for (const bool is_late : {false, true}) {
    options_.late_results = is_late;
    TrainingStep step(options_);
    run(step);
    const NamedTensors before = photograph(step);
    b_->halfway = [] { throw std::runtime_error("no"); };
    EXPECT_ANY_THROW(run(step));
    b_->halfway = nullptr;
    EXPECT_TRUE(same_bits(photograph(step), before));
    b_->at_end = [](NetworkOutput& output) { output.logits = output.logits * std::nan(""); };
    EXPECT_THROW(run(step), NonFiniteError);
    b_->at_end = nullptr;
    EXPECT_TRUE(same_bits(photograph(step), before));
    run(step);
    const NamedTensors after = photograph(step);
    for (const std::string name : {"a.norm.running_mean", "b.norm.running_mean"}) {
      EXPECT_FALSE(same_bits(after[name], before[name])) << name;
    }
  }
}

TEST_F(ChangingTeachersTest, CheckpointGoesOnBitForBit) {
  options_.teachers[1].format = MemoryFormat::kAuto;
  std::stringstream file;
  NamedTensors expected;
  StepResult result;
  {
    TrainingStep step(options_);
    for (int i = 0; i < 9; ++i) run(step);
    step.save(file);
    result = run(step);
    expected = photograph(step);
  }
  {
    const at::NoGradGuard no_grad;
    for (const auto& entry : student_->state_dict()) at::Tensor(entry.value()).zero_();
    for (const auto& teacher : {a_, b_}) {
      for (const at::Tensor& buffer : teacher->buffers()) buffer.zero_();
    }
  }
  TrainingStep step(options_);
  step.load(file);
  const StepResult resumed = run(step);
  EXPECT_EQ(resumed.total, result.total);
  EXPECT_EQ(resumed.teacher_formats, result.teacher_formats);
  EXPECT_TRUE(same_bits(photograph(step), expected));
}

TEST_F(TeachersTest, CheckpointOfOtherTeachersIsRefused) {
  options_.terms = {kd(1, 4, {"a"})};
  std::stringstream saved;
  TrainingStep(options_).save(saved);
  const auto error_after = [&](const std::function<void(TrainingStepOptions&)>& change) {
    TrainingStepOptions options = options_;
    change(options);
    TrainingStep step(options);
    return file_error_of([&] {
      std::stringstream file(saved.str());
      step.load(file);
    });
  };
  const std::string of = " in the stream)";
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers.pop_back(); }),
      "TrainingStep.load: teachers must be [a], as in this step (got [a, b]" + of);
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers[1].weight = 2; }),
      "TrainingStep.load: weight of teacher b must be 2, as in this step (got 1" + of);
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers[1].batch_norm = TeacherBatchNorm::kTraining; }),
      "TrainingStep.load: batch_norm of teacher b must be training, as in this step (got evaluation" + of);
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.terms[0].teachers = {"b"}; }),
      "TrainingStep.load: teachers of term 0 must be [b], as in this step (got [a]" + of);
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) {
        options.teachers.resize(1);
        options.teachers[0].name = "teacher";
        options.terms[0].teachers = {};
      }),
      "TrainingStep.load: teachers must be nothing, as in this step (got [a, b]" + of);
}

// ---- errors ---------------------------------------------------------------------------------------------------------

TEST_F(TeachersTest, RejectsTermsThatDoNotSayWhom) {
  EXPECT_EQ(
      error_of_terms({kd(1, 4, {})}),
      "TrainingStep: teacher of a term must be named where there are several, a, b (got no name)");
  EXPECT_EQ(
      error_of_terms({kd(1, 4, {"another"})}), "TrainingStep: teacher of a term must be one of a, b (got another)");
  EXPECT_EQ(
      error_of_terms({kd(1, 4, {"a", "b"})}),
      "TrainingStep: teacher of a term must be one, unless a mean is taken of them (got a, b)");
  EXPECT_EQ(
      error_of_terms({kd(1, 4, {"a", "a"}, TeacherMean::kLogits)}),
      "TrainingStep: teachers of a term must be named once (got a twice)");
  Term mixed = projection(1, {});
  mixed.teacher_mean = TeacherMean::kLogits;
  EXPECT_EQ(error_of_terms({mixed}), "TrainingStep: teacher of a term with taps must be one (got a mean)");
}

TEST_F(TeachersTest, RejectsMeansOfProbabilitiesWithoutATemperature) {
  for (const auto& [target, name] :
       {std::pair(KdTarget::kProbabilities, "probabilities"),
        std::pair(KdTarget::kStandardisedLogits, "standardised_logits")}) {
    Term term = kd(1, 4, {}, TeacherMean::kProbabilities);
    std::static_pointer_cast<KdOptions>(term.criterion)->target = target;
    EXPECT_EQ(
        error_of_terms({term}),
        std::string(
            "TrainingStep: mean of a loss that does not soften the teacher's logits by a temperature must be of "
            "logits (got probabilities for kd_loss(temperature=4, target=") +
            name + "))");
  }
}

TEST_F(TeachersTest, RejectsOptions) {
  const auto error_after = [&](const std::function<void(TrainingStepOptions&)>& change) {
    TrainingStepOptions options = options_;
    options.terms = {kd(1, 4, {}, TeacherMean::kLogits)};
    change(options);
    return error_of([&] { const TrainingStep step(options); });
  };
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers[1].name = "a"; }),
      "TrainingStep: name of a teacher must be that of no other (got a twice)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers[1].name = "a.b"; }),
      "TrainingStep: name of a teacher must be of letters, digits, _ and - (got a.b)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers[1].name = ""; }),
      "TrainingStep: name of a teacher must be of letters, digits, _ and - (got nothing)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers[1].network = options.teachers[0].network; }),
      "TrainingStep: teacher b must be another network than the teachers before (got the same)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers[1].network = options.student; }),
      "TrainingStep: teacher b must be another network than the student (got the same)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers[1].weight = -1; }),
      "TrainingStep: weight of a teacher must be at least 0 and finite (got -1)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers[0].weight = options.teachers[1].weight = 0; }),
      "TrainingStep: weights of teachers that are mixed must have a positive and finite sum (got 0)");
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) {
        options.teachers[1].preprocessing.input_shape = {1, 6, 6};
      }),
      "TrainingStep: input shape of teacher b must be [3, height, width], to which images [3, 6, 6] can be resized "
      "(got "
      "[1, 6, 6])");
  TrainingStep step([&] {
    options_.terms = {kd(1, 4, {"a"})};
    return options_;
  }());
  EXPECT_EQ(error_of([&] { step.teacher_taps("another"); }), "TrainingStep: teacher must be one of a, b (got another)");
}

}  // namespace
}  // namespace retort
