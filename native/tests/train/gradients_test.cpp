// Norm, limits and accumulation of gradients.
#include "train/gradients.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/train/training_step.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/nn/utils/clip_grad.h>

#include <cmath>
#include <limits>

#include "expect.h"
#include "networks.h"
#include "optimizers.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::close;
using test::error_of;
using test::same_bits;

/// One of a parameter that is not used, one of other strides.
Gradients random_gradients(at::ScalarType dtype = at::kDouble) {
  return {at::randn({5, 7}, dtype), at::Tensor(), at::randn({3, 4}, dtype).t(), at::randn({}, dtype)};
}

/// Parameters with these gradients.
std::vector<at::Tensor> parameters_with(const Gradients& gradients) {
  std::vector<at::Tensor> parameters;
  for (const at::Tensor& gradient : gradients) {
    if (!gradient.defined()) continue;
    parameters.push_back(at::zeros_like(gradient));
    parameters.back().mutable_grad() = gradient.clone();
  }
  return parameters;
}

void expect_gradients_of(const std::vector<at::Tensor>& parameters, const Gradients& gradients, double tolerance) {
  auto parameter = parameters.begin();
  for (const at::Tensor& gradient : gradients) {
    if (gradient.defined()) {
      EXPECT_TRUE(close(gradient, (parameter++)->grad(), tolerance));
    }
  }
  EXPECT_EQ(parameter, parameters.end());
}

at::Tensor norms_of(const Gradients& gradients) {
  at::Tensor norms = at::full({static_cast<int64_t>(gradients.size())}, 7, at::kDouble);
  write_norms(gradients, norms);
  return norms;
}

/// Of all together.
double norm_of(const Gradients& gradients) {
  return norms_of(gradients).norm().item<double>();
}

class GradientsTest : public test::SeededTest {};

TEST_F(GradientsTest, NormsAreTorchs) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const Gradients gradients = random_gradients(dtype);
    const at::Tensor norms = norms_of(gradients);
    for (size_t i = 0; i < gradients.size(); ++i) {
      const double expected =
          gradients[i].defined() ? gradients[i].to(at::kDouble).square().sum().sqrt().item<double>() : 0;
      EXPECT_TRUE(close(norms[static_cast<int64_t>(i)].item<double>(), expected, 1e-12)) << dtype << ' ' << i;
    }
  }
  const Gradients gradients = random_gradients();
  EXPECT_TRUE(close(norm_of(gradients), torch::nn::utils::clip_grad_norm_(parameters_with(gradients), 1.0), 1e-12));
  EXPECT_TRUE(same_bits(norms_of({at::Tensor(), at::zeros({0})}), at::zeros({2}, at::kDouble)));
}

TEST_F(GradientsTest, NormHoldsWhereSquaresDoNot) {
  EXPECT_TRUE(close(norm_of({at::full({4}, 1e30)}), 2e30, 1e-6));
  EXPECT_TRUE(close(norm_of({at::full({4}, 1e-30)}), 2e-30, 1e-6));
  EXPECT_TRUE(close(norm_of({at::full({4}, 1e300, at::kDouble)}), 2e300, 1e-12));
}

TEST_F(GradientsTest, NormOfWhatIsNotFiniteIsNotFinite) {
  for (double value : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    for (at::ScalarType dtype : {at::kDouble, at::kFloat, at::kHalf}) {
      Gradients gradients = random_gradients(dtype);
      gradients[2][3][1].fill_(value);
      const at::Tensor norms = norms_of(gradients);
      for (int64_t i = 0; i < 4; ++i) EXPECT_EQ(std::isfinite(norms[i].item<double>()), i != 2) << dtype << ' ' << i;
    }
  }
}

TEST_F(GradientsTest, ClippingIsTorchs) {
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    const double tolerance = dtype == at::kDouble ? 1e-12 : 1e-6;
    for (double value : {0.0, 0.5, 100.0}) {
      for (double norm : {0.0, 0.5, 3.0, 100.0}) {
        SCOPED_TRACE(c10::str("value ", value, ", norm ", norm));
        const Gradients gradients = random_gradients(dtype);
        const auto parameters = parameters_with(gradients);
        if (value > 0) torch::nn::utils::clip_grad_value_(parameters, value);
        if (norm > 0) torch::nn::utils::clip_grad_norm_(parameters, norm);
        const auto before = parameters_with(gradients);
        expect_gradients_of(parameters, clip(gradients, norms_of(gradients), value, norm), tolerance);
        expect_gradients_of(before, gradients, 0);
      }
    }
  }
}

TEST_F(GradientsTest, FactorIsNotRoundedToAnyGradientsDtype) {
  // Of different dtypes, the first of the least precision.
  const Gradients gradients = {
      at::randn({9}, at::kBFloat16), at::Tensor(), at::randn({9}, at::kDouble), at::randn({9}, at::kFloat),
      at::randn({9}, at::kHalf)};
  const double factor = 1.0 / 3;
  const Gradients products = times(gradients, at::scalar_tensor(factor, at::kDouble));
  for (size_t i : {0, 2, 3, 4}) {
    const at::ScalarType dtype = gradients[i].scalar_type();
    const at::ScalarType exact = dtype == at::kDouble ? at::kDouble : at::kFloat;
    EXPECT_TRUE(same_bits(products[i], (gradients[i].to(exact) * factor).to(dtype))) << dtype;
  }
  EXPECT_FALSE(products[1].defined());
  const Gradients clipped = clip(gradients, norms_of(gradients), 0, 1);
  EXPECT_TRUE(close(clipped[2], gradients[2] / (norm_of(gradients) + 1e-6), 1e-14));
}

TEST_F(GradientsTest, BelowTheLimitNothingIsTouched) {
  const Gradients gradients = random_gradients();
  const at::Tensor norms = norms_of(gradients);
  const double norm = norm_of(gradients);
  EXPECT_TRUE(clip(gradients, norms, 0, norm * 1.001)[0].is_same(gradients[0]));
  EXPECT_FALSE(clip(gradients, norms, 0, norm * 0.999)[0].is_same(gradients[0]));
  EXPECT_TRUE(clip(gradients, norms, 0, 0)[0].is_same(gradients[0]));
}

// ---- in a step ------------------------------------------------------------------------------------------------------

/// A student of float64 without dropout, whose BatchNorm stays in evaluation mode.
TrainingStepOptions tiny_options() {
  TrainingStepOptions options;
  options.student = std::make_shared<test::TinyNetwork>();
  options.student->convert(at::kDouble);
  options.input_shape = {3, 6, 6};
  options.trained = {"conv", "head"};
  options.optimizer = test::sgd(0.1);
  return options;
}

/// Copies of the trained parameters.
std::vector<at::Tensor> trained_of(Network& network) {
  std::vector<at::Tensor> copies;
  for (const auto& entry : network.named_parameters()) {
    if (entry.key().find("norm") == std::string::npos) copies.push_back(entry.value().detach().clone());
  }
  return copies;
}

/// By hand, the gradients of the cross-entropy of a batch.
Gradients gradients_of(Network& network, const Batch& batch) {
  network.eval();
  const at::Tensor loss = at::cross_entropy_loss(network.forward(batch.images).logits, batch.labels);
  std::vector<at::Tensor> parameters;
  for (const auto& entry : network.named_parameters()) {
    if (entry.key().find("norm") == std::string::npos) parameters.push_back(entry.value());
  }
  return torch::autograd::grad({loss}, parameters);
}

std::vector<Batch> random_batches(size_t count) {
  std::vector<Batch> batches(count);
  for (Batch& batch : batches) {
    batch.images = at::randn({4, 3, 6, 6}, at::kDouble);
    batch.labels = at::randint(5, {4}, at::kLong);
  }
  return batches;
}

TEST_F(GradientsTest, StepClips) {
  for (double limit : {0.01, 100.0}) {
    TrainingStepOptions options = tiny_options();
    options.clip_value = 0.05;
    options.clip_norm = limit;
    TrainingStep step(options);
    const Batch batch = random_batches(1)[0];
    const auto parameters = trained_of(*options.student);
    const Gradients gradients = gradients_of(*options.student, batch);
    for (size_t i = 0; i < parameters.size(); ++i) parameters[i].mutable_grad() = gradients[i].clone();
    const double norm = norm_of(gradients);
    torch::nn::utils::clip_grad_value_(parameters, 0.05);
    torch::nn::utils::clip_grad_norm_(parameters, limit);

    StepResult result;
    step.run(batch, result);
    EXPECT_TRUE(close(result.gradient_norm, norm, 1e-12)) << "before clipping";
    const auto moved = trained_of(*options.student);
    for (size_t i = 0; i < parameters.size(); ++i) {
      EXPECT_TRUE(close(moved[i], parameters[i] - 0.1 * parameters[i].grad(), 1e-12)) << i;
    }
  }
}

TEST_F(GradientsTest, AccumulationIsTheMean) {
  TrainingStepOptions options = tiny_options();
  options.accumulate = 3;
  options.clip_norm = 0.01;
  const auto sgd = test::sgd(0.1);
  sgd->schedule = Schedule::step(1, 0.5);
  options.optimizer = sgd;
  TrainingStep step(options);
  for (double rate : {0.1, 0.05}) {
    const auto batches = random_batches(3);
    const auto before = trained_of(*options.student);
    std::vector<at::Tensor> sum;
    for (const at::Tensor& parameter : before) sum.push_back(at::zeros_like(parameter));
    double norm = 0;
    const int64_t steps = step.steps();
    for (size_t i = 0; i < 3; ++i) {
      const Gradients gradients = gradients_of(*options.student, batches[i]);
      for (size_t j = 0; j < sum.size(); ++j) sum[j] += gradients[j] / 3;
      norm = norm_of(sum);

      StepResult result;
      step.run(batches[i], result);
      EXPECT_EQ(result.updated, i == 2);
      EXPECT_EQ(result.learning_rate, rate);
      EXPECT_TRUE(close(result.gradient_norm, norm, 1e-12)) << "of those accumulated so far";
      EXPECT_EQ(step.steps(), steps + (i == 2));
      if (i < 2) {
        EXPECT_TRUE(same_bits(trained_of(*options.student)[0], before[0]));
      }
    }
    ASSERT_GT(norm, 0.01) << "so that the limit, of the mean, matters";
    const auto after = trained_of(*options.student);
    for (size_t i = 0; i < sum.size(); ++i) {
      EXPECT_TRUE(close(after[i], before[i] - rate * sum[i] * (0.01 / (norm + 1e-6)), 1e-12)) << i;
    }
  }
}

/// sum(weight * images), whose gradient is the images themselves, not a copy.
struct Dot : torch::autograd::Function<Dot> {
  static at::Tensor forward(
      torch::autograd::AutogradContext* context, const at::Tensor& weight, const at::Tensor& images) {
    context->saved_data["images"] = images;
    return (weight * images).sum();
  }
  static torch::autograd::variable_list backward(
      torch::autograd::AutogradContext* context, const torch::autograd::variable_list&) {
    return {context->saved_data["images"].toTensor(), at::Tensor()};
  }
};

class DotNetwork final : public Network {
 public:
  DotNetwork() : Network({}) { weight_ = register_parameter("weight", at::ones({2, 7})); }

 protected:
  NetworkOutput compute(const at::Tensor& images) override {
    return {Dot::apply(weight_, images) * at::ones({2, 3}), {}};
  }

 private:
  at::Tensor weight_;
};

TEST_F(GradientsTest, BatchesMayShareTheirMemory) {
  const auto train = [](bool share) {
    TrainingStepOptions options;
    options.student = std::make_shared<DotNetwork>();
    options.input_shape = {7};
    options.accumulate = 3;
    TrainingStep step(options);
    Batch batch;
    batch.images = at::empty({2, 7});
    batch.labels = at::tensor({0, 2}, at::kLong);
    StepResult result;
    for (double value : {1.0, 2.0, 4.0}) {
      if (!share) batch.images = at::empty({2, 7});
      batch.images.fill_(value);
      step.run(batch, result);
    }
    return options.student->parameters()[0].detach();
  };
  EXPECT_TRUE(close(train(false), at::full({2, 7}, 1 - 0.1 * (1 + 2 + 4)), 1e-6));
  EXPECT_TRUE(same_bits(train(true), train(false)));
}

TEST_F(GradientsTest, SkippedBatchesDoNotCount) {
  TrainingStepOptions options = tiny_options();
  options.accumulate = 2;
  options.skip_non_finite = true;
  auto batches = random_batches(2);
  Batch bad = batches[0];
  bad.images = bad.images * std::numeric_limits<double>::quiet_NaN();

  const auto before = trained_of(*options.student);
  const Gradients first = gradients_of(*options.student, batches[0]);
  const Gradients second = gradients_of(*options.student, batches[1]);
  TrainingStep step(options);
  StepResult result;
  for (const Batch& batch : {bad, batches[0], bad, bad}) {
    step.run(batch, result);
    EXPECT_FALSE(result.updated);
    EXPECT_EQ(result.skipped, !batch.images.is_same(batches[0].images));
  }
  EXPECT_EQ(step.steps(), 0);
  step.run(batches[1], result);
  EXPECT_TRUE(result.updated);
  EXPECT_FALSE(result.skipped);
  const auto after = trained_of(*options.student);
  for (size_t i = 0; i < before.size(); ++i) {
    EXPECT_TRUE(close(after[i], before[i] - 0.1 * (first[i] + second[i]) / 2, 1e-12)) << i;
  }
}

TEST_F(GradientsTest, RejectsOptions) {
  const auto error_after = [](const std::function<void(TrainingStepOptions&)>& change) {
    TrainingStepOptions options = tiny_options();
    change(options);
    return error_of([&] { TrainingStep step(options); });
  };
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.accumulate = 0; }),
      "TrainingStep: accumulate must be at least 1 (got 0)");
  for (const auto& [value, text] :
       {std::pair{-1.0, "-1"}, std::pair{std::numeric_limits<double>::infinity(), "inf"},
        std::pair{std::numeric_limits<double>::quiet_NaN(), "nan"}}) {
    const double limit = value;
    const std::string rule = c10::str(" must be positive and finite, or 0 for no limit (got ", text, ")");
    EXPECT_EQ(
        error_after([=](TrainingStepOptions& options) { options.clip_norm = limit; }),
        "TrainingStep: limit of the gradient's norm" + rule);
    EXPECT_EQ(
        error_after([=](TrainingStepOptions& options) { options.clip_value = limit; }),
        "TrainingStep: limit of a gradient's values" + rule);
  }
}

TEST_F(GradientsTest, SumsAreContiguous) {
  // As those that a checkpoint brings back: norms depend on the order of memory in their last bits.
  const at::Tensor map = at::randn({4, 3, 2, 5}).contiguous(at::MemoryFormat::ChannelsLast);
  Accumulation accumulation;
  for (int i = 0; i < 2; ++i) {
    Gradients sum = accumulation.plus({map, at::Tensor()});
    EXPECT_TRUE(sum[0].is_contiguous()) << i;
    EXPECT_TRUE(same_bits(sum[0], (i + 1) * map)) << i;
    EXPECT_FALSE(sum[1].defined());
    accumulation.keep(std::move(sum));
  }
}

}  // namespace
}  // namespace retort
