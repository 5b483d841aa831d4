// SgdOptions and AdamOptions.
#include "train/optimizer.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/train/adam.h>
#include <retort/train/training_step.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <functional>
#include <limits>
#include <memory>

#include "expect.h"
#include "networks.h"
#include "optimizers.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::close;
using test::error_of;
using test::same_bits;
using Tensors = std::vector<at::Tensor>;

std::unique_ptr<Optimizer> build(
    const OptimizerOptions& options, const Tensors& parameters, const std::vector<std::string>& names = {}) {
  std::vector<std::pair<std::string, at::Tensor>> named;
  for (size_t i = 0; i < parameters.size(); ++i) {
    named.emplace_back(names.empty() ? "p" + std::to_string(i) : names[i], parameters[i]);
  }
  return options.build(named);
}

Tensors random_tensors(at::ScalarType dtype = at::kDouble) {
  return {at::randn({5, 7}, dtype), at::randn({9}, dtype), at::randn({2, 3, 3, 3}, dtype), at::randn({}, dtype)};
}

Tensors copies_of(const Tensors& tensors) {
  Tensors copies;
  for (const at::Tensor& tensor : tensors) copies.push_back(tensor.clone());
  return copies;
}

// ---- LibTorch's own -------------------------------------------------------------------------------------------------

struct Torchs {
  std::string name;
  std::shared_ptr<OptimizerOptions> own;
  std::function<std::unique_ptr<torch::optim::Optimizer>(const Tensors&)> torchs;
};

class TorchsOptimizerTest : public test::SeededTest, public ::testing::WithParamInterface<Torchs> {};

TEST_P(TorchsOptimizerTest, DoesTheSame) {
  for (const auto& [dtype, tolerance] : {std::pair{at::kDouble, 1e-12}, std::pair{at::kFloat, 1e-6}}) {
    const Tensors own = random_tensors(dtype);
    const Tensors theirs = copies_of(own);
    const auto optimizer = build(*GetParam().own, own);
    const auto torchs = GetParam().torchs(theirs);
    for (int64_t step = 0; step < 10; ++step) {
      Tensors gradients = random_tensors(dtype);
      // One parameter starts later than the others, and misses more steps.
      if (step % 3 == 0) gradients[1] = at::Tensor();
      for (size_t i = 0; i < theirs.size(); ++i) theirs[i].mutable_grad() = gradients[i];
      const double rate = optimizer->learning_rate(step);
      torchs->param_groups()[0].options().set_lr(rate);
      optimizer->apply(optimizer->prepare(gradients, {rate}));
      torchs->step();
      for (size_t i = 0; i < own.size(); ++i) {
        ASSERT_TRUE(close(own[i], theirs[i], tolerance)) << "parameter " << i << " after step " << step;
      }
    }
  }
}

Torchs case_of_sgd(const std::string& name, double momentum, bool nesterov, double weight_decay) {
  const auto own = test::sgd(0.1, momentum, weight_decay);
  own->nesterov = nesterov;
  own->schedule = Schedule::step(4, 0.5).with_warmup(2, 0.1);
  const auto theirs = torch::optim::SGDOptions(0.1).momentum(momentum).nesterov(nesterov).weight_decay(weight_decay);
  return {
      name, own, [=](const Tensors& parameters) { return std::make_unique<torch::optim::SGD>(parameters, theirs); }};
}

template <typename TorchsOptimizer, typename TorchsOptions>
Torchs case_of_adam(const std::string& name, bool decoupled, double beta1, double epsilon, double weight_decay) {
  const auto own = std::make_shared<AdamOptions>();
  own->decoupled = decoupled;
  own->beta1 = beta1;
  own->beta2 = 0.99;
  own->epsilon = epsilon;
  own->weight_decay = weight_decay;
  own->schedule = Schedule::cosine(8, 0.1);
  const auto theirs = TorchsOptions(1e-3).betas({beta1, 0.99}).eps(epsilon).weight_decay(weight_decay);
  return {name, own, [=](const Tensors& parameters) { return std::make_unique<TorchsOptimizer>(parameters, theirs); }};
}

TEST_P(TorchsOptimizerTest, RateMayBeOnTheDevice) {
  const Tensors here = random_tensors(at::kDouble), there = copies_of(here);
  const auto of_here = build(*GetParam().own, here), of_there = build(*GetParam().own, there);
  for (int64_t step = 0; step < 3; ++step) {
    const Tensors gradients = random_tensors(at::kDouble);
    of_here->apply(of_here->prepare(gradients, {0.05}));
    // The one on the device counts.
    of_there->apply(of_there->prepare(gradients, {7.0, at::scalar_tensor(0.05, at::kDouble)}));
  }
  // The rate is rounded to float32.
  for (size_t i = 0; i < here.size(); ++i) EXPECT_TRUE(close(there[i], here[i], 1e-7)) << i;
}

TEST_P(TorchsOptimizerTest, FailedUpdateChangesNothing) {
  const Tensors own = random_tensors(at::kFloat), twins = copies_of(own);
  const auto optimizer = build(*GetParam().own, own), twin = build(*GetParam().own, twins);
  for (int64_t step = 0; step < 4; ++step) {
    const Tensors gradients = random_tensors(at::kFloat);
    const bool failed = step % 2 == 0;
    Tensors given = gradients;
    if (failed) given[0] = at::full_like(given[0], std::numeric_limits<double>::quiet_NaN());
    optimizer->apply(optimizer->prepare(given, {0.1}), at::scalar_tensor(failed ? 1 : 0, at::kFloat));
    if (!failed) twin->apply(twin->prepare(gradients, {0.1}));
  }
  for (size_t i = 0; i < own.size(); ++i) EXPECT_TRUE(same_bits(own[i], twins[i])) << i;
  EXPECT_TRUE(same_bits(optimizer->state(), twin->state()));
}

INSTANTIATE_TEST_SUITE_P(
    Optimizer, TorchsOptimizerTest,
    ::testing::Values(
        case_of_sgd("Sgd", 0, false, 0), case_of_sgd("SgdDecay", 0, false, 0.1), case_of_sgd("Momentum", 0.9, false, 0),
        case_of_sgd("MomentumDecay", 0.9, false, 0.1), case_of_sgd("Nesterov", 0.9, true, 0),
        case_of_sgd("NesterovDecay", 0.9, true, 0.1),
        case_of_adam<torch::optim::Adam, torch::optim::AdamOptions>("Adam", false, 0.9, 1e-8, 0),
        case_of_adam<torch::optim::Adam, torch::optim::AdamOptions>("AdamDecay", false, 0, 0.1, 0.1),
        case_of_adam<torch::optim::AdamW, torch::optim::AdamWOptions>("AdamW", true, 0.8, 1e-3, 0.1)),
    [](const ::testing::TestParamInfo<Torchs>& of) { return of.param.name; });

// ---- parameters of all kinds ----------------------------------------------------------------------------------------

class OptimizerTest : public test::SeededTest {
 protected:
  static Tensors after_two_steps(const OptimizerOptions& options, const Tensors& parameters, const Tensors& gradients) {
    const auto optimizer = build(options, parameters);
    for (int i = 0; i < 2; ++i) optimizer->apply(optimizer->prepare(gradients, {0.1}));
    return parameters;
  }
};

TEST_F(OptimizerTest, StridesDoNotMatter) {
  const at::Tensor plain = at::randn({4, 3, 2, 5}, at::kDouble);
  const at::Tensor gradient = at::randn({4, 3, 2, 5}, at::kDouble);
  const auto channels_last = [](const at::Tensor& tensor) {
    return tensor.clone().contiguous(at::MemoryFormat::ChannelsLast);
  };
  // With gaps between its elements, which belong to somebody else.
  const at::Tensor whole = at::full({4, 3, 2, 10}, 7.0, at::kDouble);
  const auto with_gaps = [&](const at::Tensor& tensor) { return whole.clone().slice(3, 0, 10, 2).copy_(tensor); };
  AdamOptions adam;
  adam.weight_decay = 0.1;
  const auto sgd = test::sgd(0.1, 0.9, 0.1);
  for (const OptimizerOptions* options : std::vector<const OptimizerOptions*>{&adam, sgd.get()}) {
    const at::Tensor expected = after_two_steps(*options, {plain.clone()}, {gradient})[0];
    for (const auto& parameter : {plain.clone(), channels_last(plain), whole.slice(3, 0, 10, 2)}) {
      for (const auto& given : {gradient, channels_last(gradient), with_gaps(gradient)}) {
        parameter.copy_(plain);
        EXPECT_TRUE(close(after_two_steps(*options, {parameter}, {given})[0], expected, 1e-12))
            << parameter.strides() << " and " << given.strides();
      }
    }
    EXPECT_TRUE(whole.slice(3, 1, 10, 2).eq(7).all().item<bool>()) << "the gaps";
  }
}

TEST_F(OptimizerTest, DtypesMayDiffer) {
  const Tensors parameters = {at::randn({5}, at::kDouble), at::randn({5}), at::randn({5}, at::kBFloat16)};
  const Tensors gradients = {at::randn({5}, at::kDouble), at::randn({5}), at::randn({5}, at::kBFloat16)};
  const auto sgd = test::sgd(0.1, 0.9, 0.1);
  const Tensors together = after_two_steps(*sgd, copies_of(parameters), gradients);
  for (size_t i = 0; i < parameters.size(); ++i) {
    EXPECT_TRUE(same_bits(together[i], after_two_steps(*sgd, {parameters[i].clone()}, {gradients[i]})[0])) << i;
    EXPECT_FALSE(same_bits(together[i], parameters[i])) << i;
  }
}

TEST_F(OptimizerTest, GradientsAreNotChanged) {
  const Tensors gradients = random_tensors();
  const Tensors before = copies_of(gradients);
  AdamOptions adam;
  adam.weight_decay = 0.1;
  after_two_steps(adam, random_tensors(), gradients);
  after_two_steps(*test::sgd(0.1, 0.9, 0.1), random_tensors(), gradients);
  for (size_t i = 0; i < gradients.size(); ++i) EXPECT_TRUE(same_bits(gradients[i], before[i])) << i;
}

TEST_F(OptimizerTest, RemembersByName) {
  const auto names_of = [](const OptimizerOptions& options) {
    return build(options, {at::zeros({2}), at::zeros({3})}, {"a", "b"})->state().keys();
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names_of(*test::sgd(0.1)), Names());
  EXPECT_EQ(names_of(*test::sgd(0.1, 0.9)), (Names{"momentum.a", "momentum.b"}));
  EXPECT_EQ(
      names_of(AdamOptions()), (Names{"exp_avg.a", "exp_avg.b", "exp_avg_sq.a", "exp_avg_sq.b", "step.a", "step.b"}));
}

// ---- groups ---------------------------------------------------------------------------------------------------------

/// What one update by plain gradient descent does to ones whose gradients are 2, with a learning rate of 0.1 and a
/// weight decay of 0.01.
void expect_rates_and_decays(
    const SgdOptions& options, const std::vector<std::string>& names, const Tensors& parameters,
    const std::vector<std::pair<double, double>>& expected) {
  Tensors gradients;
  for (const at::Tensor& parameter : parameters) gradients.push_back(at::full_like(parameter, 2));
  const auto optimizer = build(options, parameters, names);
  optimizer->apply(optimizer->prepare(gradients, {0.1}));
  for (size_t i = 0; i < names.size(); ++i) {
    const auto& [rate, decay] = expected[i];
    EXPECT_TRUE(close(parameters[i], at::full_like(parameters[i], 1 - rate * (2 + decay)), 1e-14)) << names[i];
  }
}

Tensors ones(size_t count) {
  Tensors tensors;
  for (size_t i = 0; i < count; ++i) tensors.push_back(at::ones({3, 2}, at::kDouble));
  return tensors;
}

TEST_F(OptimizerTest, FirstGroupThatNamesAParameterWins) {
  const auto sgd = test::sgd(0.1, 0, 0.01);
  sgd->groups = {
      {{"student.head", "terms.2"}, 0.5, 3}, {{"student.head.bias", "student.conv"}, 2, 0}, {{"terms.2.a"}, 0, 0}};
  expect_rates_and_decays(
      *sgd,
      {"student.head.weight", "student.head.bias", "student.conv.weight", "student.conv1.weight", "terms.2.a",
       "terms.20.a"},
      ones(6), {{0.05, 0.03}, {0.05, 0.03}, {0.2, 0}, {0.1, 0.01}, {0.05, 0.03}, {0.1, 0.01}});
}

TEST_F(OptimizerTest, FactorsOf0FreezeAParameter) {
  const auto sgd = test::sgd(0.1, 0, 0.01);
  sgd->groups = {{{"a"}, 0, 1}};
  expect_rates_and_decays(*sgd, {"a", "b"}, ones(2), {{0, 0}, {0.1, 0.01}});
}

TEST_F(OptimizerTest, NormsAndBiasesNeedNotDecay) {
  const auto sgd = test::sgd(0.1, 0, 0.01);
  sgd->groups = {{{"b"}, 1, 2}};
  for (bool decays : {true, false}) {
    sgd->decay_norms_and_biases = decays;
    const double flat = decays ? 0.01 : 0;
    expect_rates_and_decays(
        *sgd, {"a", "b.bias", "b.weight", "c"},
        {at::ones({3}, at::kDouble), at::ones({3}, at::kDouble), at::ones({3, 2}, at::kDouble),
         at::ones({}, at::kDouble)},
        {{0.1, flat}, {0.1, 2 * flat}, {0.1, 0.02}, {0.1, flat}});
  }
}

// ---- in a step ------------------------------------------------------------------------------------------------------

TEST_F(OptimizerTest, StepsAreTorchs) {
  const auto student = std::make_shared<test::LinearNetwork>(7, 4);
  student->convert(at::kDouble);
  const Tensors theirs = copies_of(student->parameters());
  for (const at::Tensor& parameter : theirs) parameter.detach_().requires_grad_();
  TrainingStepOptions options;
  options.student = student;
  options.input_shape = {7};
  const auto sgd = test::sgd(0.5, 0.9, 0.01);
  sgd->schedule = Schedule::at_milestones({2, 5}, 0.25);
  options.optimizer = sgd;
  TrainingStep step(options);

  torch::optim::SGD torchs(theirs, torch::optim::SGDOptions(0.5).momentum(0.9).weight_decay(0.01));
  StepResult result;
  for (double rate : {0.5, 0.5, 0.125, 0.125, 0.125, 0.03125, 0.03125}) {
    Batch batch;
    batch.images = at::randn({5, 7}, at::kDouble);
    batch.labels = at::randint(4, {5}, at::kLong);
    EXPECT_EQ(step.learning_rate(), rate);
    step.run(batch, result);
    EXPECT_EQ(result.learning_rate, rate);

    torchs.param_groups()[0].options().set_lr(rate);
    torchs.zero_grad();
    at::cross_entropy_loss(at::linear(batch.images, theirs[0], theirs[1]), batch.labels).backward();
    torchs.step();
    for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(close(student->parameters()[i], theirs[i], 1e-12)) << i;
  }
}

// ---- errors ---------------------------------------------------------------------------------------------------------

std::string error_of_building(const OptimizerOptions& options) {
  return error_of([&] { build(options, ones(1), {"student.head.weight"}); });
}

const std::vector<std::pair<double, std::string>> kOutOfRange = {
    {-0.1, "-0.1"},
    {std::numeric_limits<double>::infinity(), "inf"},
    {std::numeric_limits<double>::quiet_NaN(), "nan"}};

TEST_F(OptimizerTest, RejectsGroups) {
  const auto error_of_group = [](const ParameterGroup& group) {
    SgdOptions sgd;
    sgd.groups = {group};
    return error_of_building(sgd);
  };
  EXPECT_EQ(error_of_group({{"student.head"}}), "nothing was thrown");
  for (const char* name : {"student.hea", "student.head.weight.more", "head", ""}) {
    EXPECT_EQ(
        error_of_group({{"student.head", name}}),
        std::string("Optimizer: name of a group must be that of a trained parameter or module (got ") + name + ")");
  }
  for (const auto& [factor, text] : kOutOfRange) {
    const std::string error = "Optimizer: factor of a group must be at least 0 and finite (got " + text + ")";
    EXPECT_EQ(error_of_group({{"student"}, factor, 1}), error);
    EXPECT_EQ(error_of_group({{"student"}, 1, factor}), error);
  }
}

TEST_F(OptimizerTest, RejectsParametersThatOverlapThemselves) {
  EXPECT_EQ(
      error_of([] {
        build(SgdOptions(), {at::zeros({3, 1}).expand({3, 2})}, {"a"});
      }),
      "Optimizer: parameter must have memory of its own for each element (got a with strides [1, 0])");
}

TEST_F(OptimizerTest, RejectsOptions) {
  SgdOptions sgd;
  sgd.nesterov = true;
  EXPECT_EQ(error_of_building(sgd), "Sgd: momentum must be positive for Nesterov's (got 0)");

  const auto error_of_adam = [](const std::function<void(AdamOptions&)>& change) {
    AdamOptions adam;
    change(adam);
    return error_of_building(adam);
  };
  auto bad = kOutOfRange;
  bad.emplace_back(1, "1");
  for (const auto& [value, text] : bad) {
    const double beta = value;
    EXPECT_EQ(
        error_of_adam([=](AdamOptions& adam) { adam.beta1 = beta; }),
        "Adam: beta1 must be at least 0 and below 1 (got " + text + ")");
    EXPECT_EQ(
        error_of_adam([=](AdamOptions& adam) { adam.beta2 = beta; }),
        "Adam: beta2 must be at least 0 and below 1 (got " + text + ")");
  }
  bad = kOutOfRange;
  bad.emplace_back(0, "0");
  for (const auto& [value, text] : bad) {
    const double epsilon = value;
    EXPECT_EQ(
        error_of_adam([=](AdamOptions& adam) { adam.epsilon = epsilon; }),
        "Adam: epsilon must be positive and finite (got " + text + ")");
    EXPECT_EQ(
        error_of_adam([=](AdamOptions& adam) { adam.learning_rate = epsilon; }),
        "Adam: learning rate must be positive and finite (got " + text + ")");
  }
  EXPECT_EQ(
      error_of_adam([](AdamOptions& adam) { adam.weight_decay = -1; }),
      "Adam: weight decay must be at least 0 and finite (got -1)");
  EXPECT_EQ(
      error_of_adam([](AdamOptions& adam) { adam.schedule = Schedule::cosine(0); }),
      "Adam: period must be above the warm-up of 0 (got 0)");
}

}  // namespace
}  // namespace retort
