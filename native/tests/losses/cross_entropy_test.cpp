// The cross-entropy, as a function and as a part of steps.
#include <ATen/Functions.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <gtest/gtest.h>
#include <retort/losses/cross_entropy.h>
#include <retort/train/training_step.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>
#include <vector>

#include "expect.h"
#include "finite_difference.h"
#include "networks.h"
#include "optimizers.h"
#include "seeded_test.h"

namespace retort::cross_entropy_test {
namespace {

using test::close;
using test::error_of;
using test::same_bits;

constexpr int64_t kClasses = 4;

/// The loss as its formula says.
at::Tensor reference(
    const CrossEntropyOptions& options, const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weights) {
  const auto weight_of = [&](int64_t c) {
    return options.class_weights.empty() ? 1.0 : options.class_weights[static_cast<size_t>(c)];
  };
  const at::Tensor log_p = at::log_softmax(logits, 1);
  const double s = options.label_smoothing;
  at::Tensor sum = at::zeros({}, at::kDouble);
  double norm = 0;
  for (int64_t b = 0; b < logits.size(0); ++b) {
    const auto y = labels[b].item<int64_t>();
    if (y < 0) continue;
    const double u = weights.defined() ? weights[b].item<double>() : 1.0;
    at::Tensor all = at::zeros({}, at::kDouble);
    for (int64_t c = 0; c < kClasses; ++c) all = all + weight_of(c) * log_p[b][c];
    sum = sum - u * ((1 - s) * weight_of(y) * log_p[b][y] + s / kClasses * all);
    norm += u * weight_of(y);
  }
  return sum / norm;
}

struct Inputs {
  at::Tensor logits = at::randn({6, kClasses}, at::kDouble) * 3;
  at::Tensor labels = at::tensor({1, 0, -1, 3, 2, 1}, at::kLong);
  at::Tensor weights;
};

std::vector<CrossEntropyOptions> all_options() {
  std::vector<CrossEntropyOptions> all;
  for (const std::vector<double>& class_weights : {std::vector<double>{}, {0.5, 2, 0, 1.25}}) {
    for (double smoothing : {0.0, 0.2, 1.0}) {
      all.emplace_back();
      all.back().class_weights = class_weights;
      all.back().label_smoothing = smoothing;
    }
  }
  return all;
}

struct Result {
  double loss;
  at::Tensor gradient;
};

at::Tensor cross_entropy(
    const CrossEntropyOptions& options, const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weights) {
  const at::Tensor class_weights =
      options.class_weights.empty() ? at::Tensor() : at::tensor(options.class_weights, at::kDouble);
  return retort::cross_entropy_loss(logits, labels, weights, class_weights, options.label_smoothing);
}

Result differentiate(
    const CrossEntropyOptions& options, const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weights) {
  const at::Tensor leaf = logits.detach().requires_grad_();
  const at::Tensor loss = cross_entropy(options, leaf, labels, weights);
  return {loss.item<double>(), torch::autograd::grad({loss}, {leaf})[0]};
}

class CrossEntropyTest : public test::SeededTest {
 protected:
  static std::string error_after(const std::function<void(CrossEntropyTerm&)>& change) {
    TrainingStepOptions options = linear_options();
    change(options.cross_entropy);
    return error_of([&] { TrainingStep step(options); });
  }

  /// A step of a linear network with the cross-entropy alone.
  static TrainingStepOptions linear_options() {
    TrainingStepOptions options;
    options.student = std::make_shared<test::LinearNetwork>(7, kClasses);
    options.input_shape = {7};
    return options;
  }

  static Batch random_batch() {
    Batch batch;
    batch.images = at::randn({6, 7});
    batch.labels = at::tensor({1, 0, -1, 3, 2, 1}, at::kLong);
    return batch;
  }
};

TEST_F(CrossEntropyTest, MatchesReference) {
  for (const CrossEntropyOptions& options : all_options()) {
    for (bool weighted : {false, true}) {
      SCOPED_TRACE(c10::str(options.description(), weighted ? ", weighted" : ""));
      Inputs in;
      if (weighted) in.weights = at::tensor({0.5, 0.0, 9.0, 2.0, 1.0, 0.25}, at::kDouble);
      for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
        const auto result = differentiate(options, in.logits.to(dtype), in.labels, in.weights);
        const at::Tensor truth = in.logits.detach().clone().requires_grad_();
        const at::Tensor expected = reference(options, truth, in.labels, in.weights);
        const double tolerance = dtype == at::kDouble ? 1e-12 : 1e-5;
        EXPECT_TRUE(close(result.loss, expected.item<double>(), tolerance));
        EXPECT_EQ(result.gradient.scalar_type(), dtype);
        EXPECT_TRUE(close(result.gradient, torch::autograd::grad({expected}, {truth})[0], tolerance));
      }
    }
  }
}

TEST_F(CrossEntropyTest, IsTorchsWithoutWeightsOfSamples) {
  // Enough for several threads.
  const at::Tensor logits = at::randn({999, 100}, at::kDouble).mul(5).requires_grad_();
  const at::Tensor labels = at::randint(-1, 100, {999}, at::kLong);
  for (double smoothing : {0.0, 0.1}) {
    CrossEntropyOptions options;
    options.label_smoothing = smoothing;
    const auto result = differentiate(options, logits, labels, {});
    const at::Tensor expected =
        at::cross_entropy_loss(logits, labels, {}, at::Reduction::Mean, /*ignore_index=*/-1, smoothing);
    EXPECT_TRUE(close(result.loss, expected.item<double>(), 1e-12));
    EXPECT_TRUE(close(result.gradient, torch::autograd::grad({expected}, {logits})[0], 1e-12));
  }
}

TEST_F(CrossEntropyTest, GradMatchesFiniteDifference) {
  Inputs in;
  in.weights = at::tensor({0.5, 0.0, 9.0, 2.0, 1.0, 0.25}, at::kDouble);
  const CrossEntropyOptions options = all_options()[4];
  const auto loss = [&](const at::Tensor& logits) { return cross_entropy(options, logits, in.labels, in.weights); };
  EXPECT_TRUE(close(
      differentiate(options, in.logits, in.labels, in.weights).gradient, test::finite_difference(loss, in.logits),
      1e-7));
}

TEST_F(CrossEntropyTest, IsTheSameWithoutAGradient) {
  // Few classes and many, which are computed otherwise.
  for (int64_t classes : {2, 10, 63, 64, 65, 200}) {
    const at::Tensor logits = at::randn({6, classes});
    const at::Tensor labels = at::randint(classes, {6}, at::kLong);
    const auto result = differentiate({}, logits, labels, {});
    EXPECT_TRUE(close(cross_entropy({}, logits, labels, {}).item<double>(), result.loss, 1e-7)) << classes;
    const at::Tensor leaf = logits.to(at::kDouble).requires_grad_();
    const at::Tensor expected = at::cross_entropy_loss(leaf, labels);
    EXPECT_TRUE(close(result.loss, expected.item<double>(), 1e-6)) << classes;
    EXPECT_TRUE(close(result.gradient.to(at::kDouble), torch::autograd::grad({expected}, {leaf})[0], 1e-6)) << classes;
  }
}

TEST_F(CrossEntropyTest, GraphMayBeRetained) {
  const Inputs in;
  const at::Tensor logits = in.logits.clone().requires_grad_();
  test::expect_graph_is_retained(cross_entropy({}, logits, in.labels, {}), {logits});
  test::expect_double_backward_is_refused(
      cross_entropy({}, logits, in.labels, {}), {logits},
      "cross_entropy_loss: the gradient must not be differentiated again");
}

TEST_F(CrossEntropyTest, LogitsMayBeOfAnyDtypeAndStrides) {
  const Inputs in;
  const at::Tensor strided = in.logits.t().contiguous().t();
  const auto expected = differentiate({}, in.logits, in.labels, {});
  EXPECT_TRUE(same_bits(differentiate({}, strided, in.labels, {}).gradient, expected.gradient));
  for (at::ScalarType half : {at::kHalf, at::kBFloat16}) {
    const auto rounded = differentiate({}, in.logits.to(half), in.labels, {});
    const auto full = differentiate({}, in.logits.to(half).to(at::kFloat), in.labels, {});
    EXPECT_EQ(rounded.loss, full.loss);
    EXPECT_TRUE(same_bits(rounded.gradient, full.gradient.to(half)));
  }
}

TEST_F(CrossEntropyTest, LargeLogitsDoNotOverflow) {
  const at::Tensor logits = at::tensor({1e30, 0.0, -1e30, 0.0}, at::kFloat).view({1, kClasses});
  const auto right = differentiate({}, logits, at::tensor({0}, at::kLong), {});
  EXPECT_EQ(right.loss, 0);
  EXPECT_TRUE(same_bits(right.gradient, at::zeros({1, kClasses})));
  const auto wrong = differentiate({}, logits, at::tensor({1}, at::kLong), {});
  EXPECT_TRUE(close(wrong.loss, 1e30, 1e-6));
  EXPECT_TRUE(same_bits(wrong.gradient, at::tensor({1, -1, 0, 0}, at::kFloat).view({1, kClasses})));
}

TEST_F(CrossEntropyTest, WhatIsNotFiniteIsSeen) {
  for (double value : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const Inputs in;
    in.logits[3][1] = value;
    EXPECT_FALSE(std::isfinite(differentiate({}, in.logits, in.labels, {}).loss));
  }
}

TEST_F(CrossEntropyTest, SamplesThatDoNotCountMayHoldAnything) {
  Inputs in;
  in.weights = at::tensor({0.5, 0.0, 9.0, 2.0, 1.0, 0.25}, at::kDouble);
  const auto expected = differentiate({}, in.logits, in.labels, in.weights);
  in.logits[1].fill_(std::numeric_limits<double>::quiet_NaN());
  in.logits[2].fill_(std::numeric_limits<double>::infinity());
  const auto result = differentiate({}, in.logits, in.labels, in.weights);
  EXPECT_EQ(result.loss, expected.loss);
  EXPECT_TRUE(same_bits(result.gradient, expected.gradient));
}

TEST_F(CrossEntropyTest, WeightsMayBeOfAnyDtypeAndStrides) {
  const Inputs in;
  const at::Tensor weights = at::tensor({0.5, 0.0, 4.0, 2.0, 1.0, 0.25}, at::kDouble);
  const auto expected = differentiate({}, in.logits, in.labels, weights);
  const at::Tensor strided = at::zeros({6, 2}, at::kDouble).select(1, 0).copy_(weights);
  for (const at::Tensor& other : {weights.to(at::kHalf), strided}) {
    const auto result = differentiate({}, in.logits, in.labels, other);
    EXPECT_EQ(result.loss, expected.loss);
    EXPECT_TRUE(same_bits(result.gradient, expected.gradient));
  }
}

TEST_F(CrossEntropyTest, NothingThatCountsIsNoLoss) {
  Inputs in;
  CrossEntropyOptions options;
  const auto expect_nothing = [&](const std::string& why) {
    const auto result = differentiate(options, in.logits, in.labels, in.weights);
    EXPECT_EQ(result.loss, 0) << why;
    EXPECT_TRUE(same_bits(result.gradient, at::zeros_like(in.logits))) << why;
  };
  in.weights = at::tensor({0.0, 0.0, 1.0, 0.0, 0.0, 0.0}, at::kDouble);
  expect_nothing("only the sample without a label has a weight");
  in = Inputs();
  in.labels.fill_(-1);
  expect_nothing("no sample has a label");
  in.labels.fill_(2);
  options = all_options()[3];
  expect_nothing("class 2 has no weight");
}

TEST_F(CrossEntropyTest, WithoutWeightsNothingMoves) {
  for (bool by_class : {false, true}) {
    TrainingStepOptions options = linear_options();
    options.optimizer = test::sgd(0.1, 0.9, 0.1);
    if (by_class) options.cross_entropy.options.class_weights = {0.5, 2, 0, 1.25};
    TrainingStep step(options);
    const auto before = test::copy_of(step.state());
    Batch batch = random_batch();
    if (by_class) {
      batch.labels = at::tensor({2, 2, -1, 2, 2, 2}, at::kLong);
    } else {
      batch.weights = at::tensor({0, 0, 1, 0, 0, 0}, at::kFloat);
    }
    StepResult result;
    step.run(batch, result);
    EXPECT_EQ(result.cross_entropy, 0);
    EXPECT_EQ(result.labeled, 5);
    EXPECT_EQ(result.gradient_norm, 0);
    EXPECT_TRUE(result.updated);
    EXPECT_TRUE(same_bits(step.state(), before));
  }
}

TEST_F(CrossEntropyTest, WeightFollowsItsSchedule) {
  TrainingStepOptions options = linear_options();
  options.cross_entropy.weight = 3;
  options.cross_entropy.schedule = Schedule::at_milestones({1, 2}, 0.5);
  // Too small to move anything, so that only the weight differs between steps.
  options.optimizer = test::sgd(1e-300);
  TrainingStep step(options);
  const Batch batch = random_batch();
  StepResult first, result;
  step.run(batch, first);
  EXPECT_DOUBLE_EQ(first.total, 3 * first.cross_entropy);
  for (double factor : {0.5, 0.25, 0.25}) {
    step.run(batch, result);
    EXPECT_EQ(result.cross_entropy, first.cross_entropy);
    EXPECT_DOUBLE_EQ(result.total, factor * first.total);
    EXPECT_NEAR(result.gradient_norm, factor * first.gradient_norm, 1e-6 * first.gradient_norm);
  }
}

TEST_F(CrossEntropyTest, CallableByName) {
  const Inputs in;
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("retort::cross_entropy_loss", "");
  EXPECT_EQ(
      c10::str(op.schema()),
      "retort::cross_entropy_loss(Tensor student, Tensor labels, *, Tensor? weight=None, "
      "Tensor? class_weights=None, float label_smoothing=0.) -> Tensor");
  const at::Tensor weight = at::arange(6, at::kLong);
  const at::Tensor class_weights = at::tensor({1, 0, 1, 1}, at::kLong).to(at::kBool);
  torch::jit::Stack stack = {in.logits, in.labels, weight, class_weights, 0.1};
  op.callBoxed(stack);
  const at::Tensor expected = retort::cross_entropy_loss(in.logits, in.labels, weight, class_weights, 0.1);
  EXPECT_TRUE(same_bits(stack.at(0).toTensor(), expected));
}

TEST_F(CrossEntropyTest, GradientsFlowToTheLogitsOnly) {
  const Inputs in;
  const at::Tensor weight = at::ones({6}).requires_grad_();
  const at::Tensor class_weights = at::ones({kClasses}).requires_grad_();
  EXPECT_FALSE(retort::cross_entropy_loss(in.logits, in.labels, weight, class_weights).requires_grad());
  EXPECT_TRUE(retort::cross_entropy_loss(in.logits.requires_grad_(), in.labels, weight, class_weights).requires_grad());
}

TEST_F(CrossEntropyTest, RejectsWhatDoesNotFit) {
  const Inputs in;
  const auto error = [&](const at::Tensor& logits, const at::Tensor& labels, const at::Tensor& weight,
                         const at::Tensor& class_weights, double smoothing) {
    return error_of([&] { retort::cross_entropy_loss(logits, labels, weight, class_weights, smoothing); });
  };
  const std::string start = "cross_entropy_loss: ";
  EXPECT_EQ(error({}, in.labels, {}, {}, 0), start + "student must be defined (got an undefined tensor)");
  EXPECT_EQ(error(in.logits[0], in.labels, {}, {}, 0), start + "student must be of shape [batch, classes] (got [4])");
  EXPECT_EQ(error(in.logits, {}, {}, {}, 0), start + "labels must be given (got an undefined tensor)");
  EXPECT_EQ(error(in.logits, in.labels[0], {}, {}, 0), start + "labels must be of shape [6] (got [])");
  EXPECT_EQ(error(in.logits, in.labels + 1, {}, {}, 0), start + "labels must be between -1 and 3 (got 4 at 3)");
  EXPECT_EQ(error(in.logits, in.labels, at::ones({5}), {}, 0), start + "weight must be of shape [6] (got [5])");
  EXPECT_EQ(error(in.logits, in.labels, {}, at::ones({6}), 0), start + "class_weights must be of shape [4] (got [6])");
  EXPECT_EQ(
      error(in.logits, in.labels, {}, -at::ones({4}), 0),
      start + "class_weights must be at least 0 and finite (got -1)");
  EXPECT_EQ(
      error(in.logits, in.labels, at::ones({6}, at::kMeta), {}, 0),
      start + "student and weight must be on the same device (got cpu and meta)");
  EXPECT_EQ(
      error(in.logits, in.labels, at::ones({6}, at::kComplexDouble), {}, 0),
      start + "weight must be real (got ComplexDouble)");
  EXPECT_EQ(error(in.logits, in.labels, {}, {}, 2), start + "label_smoothing must be between 0 and 1 (got 2)");
}

TEST_F(CrossEntropyTest, MayBeATermLikeOthers) {
  TrainingStepOptions options = linear_options();
  const auto criterion = std::make_shared<CrossEntropyOptions>();
  criterion->label_smoothing = 0.2;
  options.terms = {{0.5, criterion, {}, {}}};
  options.teachers = {std::make_shared<test::LinearNetwork>(7, kClasses)};  // which terms ask for
  TrainingStep step(options);
  const Batch batch = random_batch();
  const at::Tensor logits = options.student->forward(batch.images).logits;
  StepResult result;
  step.run(batch, result);
  const double expected = retort::cross_entropy_loss(logits, batch.labels, {}, {}, 0.2).item<double>();
  ASSERT_EQ(result.terms.size(), 1);
  EXPECT_TRUE(close(result.terms[0], expected, 1e-6));
  EXPECT_TRUE(close(result.total, result.cross_entropy + 0.5 * expected, 1e-6));
}

TEST_F(CrossEntropyTest, CriterionChecksItsInput) {
  CrossEntropyOptions options;
  options.class_weights = {1, 0.5, 2};
  EXPECT_EQ(options.description(), "cross_entropy_loss(class_weights=[1, 0.5, 2], label_smoothing=0)");
  FeatureShapes shapes;
  shapes.student = {{8}};
  EXPECT_EQ(error_of([&] { options.build(shapes); }), "cross_entropy_loss: taps must be empty (got 1 taps)");
  shapes.student.clear();
  const auto criterion = options.build(shapes);  // of networks whose classes are unknown
  EXPECT_EQ(
      error_of([&] { criterion->check_batch({}); }),
      "cross_entropy_loss: labels must be given (got an undefined tensor)");
  const Inputs in;
  CriterionInput input;
  input.labels = in.labels;
  input.logits_student = in.logits;
  EXPECT_TRUE(criterion->applies(input));
  EXPECT_EQ(
      error_of([&] { criterion->forward(input); }),
      "cross_entropy_loss: class_weights must be one for each of 4 classes (got 3)");
}

TEST_F(CrossEntropyTest, RejectsOptions) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [value, text] : {std::pair{-0.1, "-0.1"}, std::pair{1.5, "1.5"}, std::pair{nan, "nan"}}) {
    const double smoothing = value;
    EXPECT_EQ(
        error_after([=](CrossEntropyTerm& term) { term.options.label_smoothing = smoothing; }),
        c10::str("cross_entropy_loss: label_smoothing must be between 0 and 1 (got ", text, ")"));
  }
  for (const auto& [value, text] : {std::pair{-1.0, "-1"}, std::pair{infinity, "inf"}, std::pair{nan, "nan"}}) {
    const double weight = value;
    EXPECT_EQ(
        error_after([=](CrossEntropyTerm& term) {
          term.options.class_weights = {1, 1, weight, 1};
        }),
        c10::str("cross_entropy_loss: class_weights must be at least 0 and finite (got ", text, ")"));
  }
  EXPECT_EQ(
      error_after([](CrossEntropyTerm& term) {
        term.options.class_weights = {1, 1, 1};
      }),
      "cross_entropy_loss: class_weights must be one for each of 4 classes (got 3)");
  EXPECT_EQ(
      error_after([](CrossEntropyTerm& term) {
        term.options.class_weights = {0, 0, 0, 0};
      }),
      "cross_entropy_loss: class_weights must not all be 0 (got only 0)");
  EXPECT_EQ(
      error_after([](CrossEntropyTerm& term) { term.schedule = Schedule::step(0, 1); }),
      "CrossEntropyTerm: period must be positive (got 0)");
}

}  // namespace
}  // namespace retort::cross_entropy_test
