// BatchNorm over all ranks against one process that is given the whole batch.
#include "distributed/batch_norm.h"

#include <ATen/Functions.h>
#include <ATen/OpMathType.h>
#include <ATen/ops/batch_norm_native.h>
#include <ATen/ops/instance_norm_native.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/models/exported.h>
#include <retort/models/resnet.h>
#include <retort/models/torchscript.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/nn/functional/batchnorm.h>
#include <torch/nn/modules/batchnorm.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

#include "distributed/group.h"
#include "expect.h"
#include "finite_difference.h"
#include "module_state.h"
#include "seeded_test.h"
#include "temporary_folder.h"
#include "thread_ranks.h"
#include "train/autocast.h"

namespace retort::test {
namespace {

constexpr double kMomentum = 0.3, kEps = 1e-3;
const std::vector<int64_t> kParts = {5, 3, 3};
constexpr int64_t kSamples = 11;

/// Calls `work` on as many ranks as there are parts, with a group; nothing may be thrown.
void run_ranks(size_t size, const std::function<void(Group&, size_t rank)>& work) {
  ThreadRanks ranks(static_cast<int64_t>(size));
  const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
    Group group(own->impl(), "test");
    work(group, static_cast<size_t>(own->rank()));
  });
  for (const auto& error : errors) EXPECT_EQ(message_of(error), "");
}

at::Tensor part_of(const at::Tensor& whole, const std::vector<int64_t>& parts, size_t rank) {
  return whole.split_with_sizes(parts)[rank];
}

/// What a BatchNorm is called with.
struct Call {
  /// As it comes from before, of any strides.
  at::Tensor input;
  at::Tensor weight, bias, running_mean, running_var;
  at::Tensor cotangent;

  static Call draw(const at::IntArrayRef& shape, const at::TensorOptions& options) {
    const at::TensorOptions of_state = options.dtype(at::toOpMathType(at::typeMetaToScalarType(options.dtype())));
    const int64_t channels = shape[1];
    // Ranks with means far apart.
    at::Tensor input = at::randn(shape, at::kDouble);
    input = (input + at::arange(shape[0], at::kDouble).view({-1, 1}).expand({-1, input[0].numel()}).reshape(shape));
    return {
        input.to(options),
        at::rand({channels}, of_state) + 0.5,
        at::randn({channels}, of_state),
        at::randn({channels}, of_state),
        at::rand({channels}, of_state),
        at::randn(shape, options)};
  }

  /// That of a rank.
  Call part(const std::vector<int64_t>& parts, size_t rank) const {
    const auto copy = [](const at::Tensor& tensor) { return tensor.defined() ? tensor.clone() : tensor; };
    return {part_of(input, parts, rank), copy(weight),      copy(bias),
            copy(running_mean),          copy(running_var), part_of(cotangent, parts, rank)};
  }
};

/// What comes of it.
struct Result {
  at::Tensor output, of_input, of_weight, of_bias, running_mean, running_var;
};

at::Tensor forward(const Call& call, bool training = true) {
  return at::batch_norm(
      call.input, call.weight, call.bias, call.running_mean, call.running_var, training, kMomentum, kEps, true);
}

Result run(Call call, const std::function<at::Tensor(const Call&)>& function) {
  call.input = call.input.detach().requires_grad_(true);
  std::vector<at::Tensor> inputs = {call.input};
  for (at::Tensor* parameter : {&call.weight, &call.bias}) {
    if (!parameter->defined()) continue;
    *parameter = parameter->detach().clone().requires_grad_(true);
    inputs.push_back(*parameter);
  }
  const at::Tensor output = function(call);
  const auto gradients = torch::autograd::grad({output}, inputs, {call.cotangent});
  size_t next = 1;
  Result result = {output.detach(), gradients[0], {}, {}, call.running_mean, call.running_var};
  if (call.weight.defined()) result.of_weight = gradients[next++];
  if (call.bias.defined()) result.of_bias = gradients[next++];
  return result;
}

Result run(const Call& call) {
  return run(call, [](const Call& own) { return forward(own); });
}

void expect_close(const char* what, const at::Tensor& actual, const at::Tensor& expected, double tolerance) {
  ASSERT_EQ(actual.defined(), expected.defined()) << what;
  if (!expected.defined()) return;
  EXPECT_TRUE(close(actual.to(expected.dtype()), expected, tolerance)) << what;
}

/// Runs a call on several ranks and in this process.
void expect_as_one_process(
    const Call& call, double tolerance, const std::vector<int64_t>& parts = kParts,
    const std::function<at::Tensor(const Call&)>& of_ranks = [](const Call& own) { return forward(own); }) {
  std::vector<Result> results(parts.size());
  run_ranks(parts.size(), [&](Group& group, size_t rank) {
    const BatchNormOfAllRanks shared(&group);
    results[rank] = run(call.part(parts, rank), of_ranks);
  });
  Call whole = call.part({call.input.size(0)}, 0);
  // Of half precision, what is computed without rounding.
  const at::ScalarType dtype = at::toOpMathType(call.input.scalar_type());
  whole.input = whole.input.to(dtype);
  whole.cotangent = whole.cotangent.to(dtype);
  for (at::Tensor* tensor : {&whole.weight, &whole.bias, &whole.running_mean, &whole.running_var}) {
    if (tensor->defined()) *tensor = tensor->to(dtype);
  }
  const Result expected = run(whole);

  const auto cat = [&](at::Tensor Result::*member) {
    std::vector<at::Tensor> all;
    for (const Result& result : results) all.push_back(result.*member);
    return at::cat(all);
  };
  const auto sum = [&](at::Tensor Result::*member) {
    at::Tensor all = results[0].*member;
    for (size_t rank = 1; rank < results.size() && all.defined(); ++rank) all = all + results[rank].*member;
    return all;
  };
  expect_close("output", cat(&Result::output), expected.output, tolerance);
  expect_close("gradient of the input", cat(&Result::of_input), expected.of_input, tolerance);
  expect_close("gradient of the weight", sum(&Result::of_weight), expected.of_weight, tolerance);
  expect_close("gradient of the bias", sum(&Result::of_bias), expected.of_bias, tolerance);
  expect_close("running mean", results[0].running_mean, expected.running_mean, tolerance);
  expect_close("running variance", results[0].running_var, expected.running_var, tolerance);
  for (const Result& result : results) {
    EXPECT_EQ(result.output.scalar_type(), call.input.scalar_type());
    EXPECT_EQ(result.of_input.scalar_type(), call.input.scalar_type());
    if (call.weight.defined()) {
      EXPECT_EQ(result.of_weight.scalar_type(), call.weight.scalar_type());
    }
    if (!expected.running_mean.defined()) continue;
    EXPECT_TRUE(same_bits(result.running_mean, results[0].running_mean));
    EXPECT_TRUE(same_bits(result.running_var, results[0].running_var));
  }
}

class BatchNormTest : public SeededTest {};

// ---- the operator ---------------------------------------------------------------------------------------------------

TEST_F(BatchNormTest, AgreesWithOneProcessForAllShapes) {
  using Shape = std::vector<int64_t>;
  for (const Shape& shape : {Shape{kSamples, 4}, {kSamples, 4, 6}, {kSamples, 4, 3, 5}, {kSamples, 4, 2, 3, 2}}) {
    SCOPED_TRACE(shape.size());
    expect_as_one_process(Call::draw(shape, at::kDouble), 1e-12);
    expect_as_one_process(Call::draw(shape, at::kFloat), 1e-5);
  }
}

TEST_F(BatchNormTest, AgreesWithOneProcessForAllStrides) {
  Call call = Call::draw({kSamples, 4, 3, 5}, at::kDouble);
  const at::Tensor contiguous = call.input;
  call.input = contiguous.contiguous(at::MemoryFormat::ChannelsLast);
  expect_as_one_process(call, 1e-12);
  // The gradient in another format than the input.
  call.cotangent = call.cotangent.contiguous(at::MemoryFormat::ChannelsLast);
  expect_as_one_process(call, 1e-12);
  call.input = contiguous;
  expect_as_one_process(call, 1e-12);
  call.input = at::cat({contiguous, contiguous}, 3).narrow(3, 2, 5);
  expect_as_one_process(call, 1e-12);
  call.cotangent = at::randn({kSamples, 4, 1, 1}, at::kDouble).expand({kSamples, 4, 3, 5});
  expect_as_one_process(call, 1e-12);

  call = Call::draw({kSamples, 4, 2, 3, 2}, at::kDouble);
  call.input = call.input.contiguous(at::MemoryFormat::ChannelsLast3d);
  expect_as_one_process(call, 1e-12);
}

TEST_F(BatchNormTest, KeepsTheMemoryFormat) {
  const at::Tensor images = at::randn({4, 3, 5, 5}).contiguous(at::MemoryFormat::ChannelsLast);
  run_ranks(2, [&](Group& group, size_t /*rank*/) {
    const BatchNormOfAllRanks shared(&group);
    const Call call = {images, {}, {}, {}, {}, at::randn({4, 3, 5, 5})};
    const Result result = run(call);
    EXPECT_TRUE(result.output.is_contiguous(at::MemoryFormat::ChannelsLast));
    EXPECT_TRUE(result.of_input.is_contiguous(at::MemoryFormat::ChannelsLast));
  });
}

TEST_F(BatchNormTest, AgreesWithOneProcessWithoutSomeArguments) {
  const Call call = Call::draw({kSamples, 4, 3, 3}, at::kDouble);
  Call other = call;
  other.weight = at::Tensor();
  expect_as_one_process(other, 1e-12);
  other.bias = at::Tensor();
  expect_as_one_process(other, 1e-12);
  other.running_mean = other.running_var = at::Tensor();
  expect_as_one_process(other, 1e-12);
  other = call;
  other.running_mean = other.running_var = at::Tensor();
  expect_as_one_process(other, 1e-12);
}

TEST_F(BatchNormTest, ComputesHalfPrecisionInFloat) {
  for (at::ScalarType dtype : {at::kBFloat16, at::kHalf}) {
    SCOPED_TRACE(dtype);
    // Twice what rounding a result costs.
    const double tolerance = dtype == at::kHalf ? 1e-3 : 8e-3;
    Call call = Call::draw({kSamples, 4, 3, 5}, dtype);
    ASSERT_EQ(call.weight.scalar_type(), at::kFloat);
    expect_as_one_process(call, tolerance);
    expect_as_one_process(call, tolerance, kParts, [](const Call& own) {
      const Autocast autocast(at::kCPU, Precision::kBFloat16);
      return forward(own);
    });
    Call bare = call;
    bare.weight = bare.bias = bare.running_mean = bare.running_var = at::Tensor();
    expect_as_one_process(bare, tolerance);
    for (at::Tensor* tensor : {&call.weight, &call.bias, &call.running_mean, &call.running_var}) {
      *tensor = tensor->to(dtype);
    }
    expect_as_one_process(call, 2 * tolerance);
  }
}

TEST_F(BatchNormTest, TakesOneValueOfARank) {
  expect_as_one_process(Call::draw({4, 3}, at::kDouble), 1e-12, {1, 1, 2});
  expect_as_one_process(Call::draw({2, 3, 1, 1}, at::kDouble), 1e-12, {1, 1});
  // None at all, as where a network runs a layer for some samples only.
  expect_as_one_process(Call::draw({3, 3, 2, 2}, at::kDouble), 1e-12, {0, 1, 2});
}

TEST_F(BatchNormTest, RefusesOneValueOfTheWholeBatch) {
  const at::Tensor input = at::randn({1, 3});
  std::string expected;
  try {
    torch::nn::functional::batch_norm(input, {}, {}, torch::nn::functional::BatchNormFuncOptions().training(true));
  } catch (const c10::Error& error) {
    expected = error.what_without_backtrace();
  }
  ASSERT_NE(expected, "");
  run_ranks(1, [&](Group& group, size_t /*rank*/) {
    const BatchNormOfAllRanks shared(&group);
    const at::Tensor running = at::zeros({3});
    EXPECT_EQ(error_of([&] { at::batch_norm(input, {}, {}, running, {}, true, kMomentum, kEps, true); }), expected);
    EXPECT_TRUE(same_bits(running, at::zeros({3})));
  });
}

TEST_F(BatchNormTest, RefusesParametersOfOtherSizes) {
  const Call call = Call::draw({4, 3, 2, 2}, at::kFloat);
  run_ranks(1, [&](Group& group, size_t /*rank*/) {
    for (const auto& [member, name] : std::vector<std::pair<at::Tensor Call::*, std::string>>{
             {&Call::weight, "weight"},
             {&Call::bias, "bias"},
             {&Call::running_mean, "running_mean"},
             {&Call::running_var, "running_var"}}) {
      Call other = call;
      other.*member = at::zeros({2});
      std::string expected;
      try {
        forward(other);
      } catch (const c10::Error& error) {
        expected = error.what_without_backtrace();
      }
      EXPECT_EQ(expected, name + " should contain 3 elements not 2");
      const BatchNormOfAllRanks shared(&group);
      EXPECT_EQ(error_of([&] { forward(other); }), expected);
    }
  });
}

/// The sum of the losses of all ranks, on each.
at::Tensor loss_of_all(Group& group, const at::Tensor& whole, const Call& call, size_t rank) {
  Call own = call.part({3, 2}, rank);
  own.input = part_of(whole, {3, 2}, rank);
  const at::Tensor loss = (forward(own).sigmoid() * own.cotangent).sum();
  at::Tensor all = loss.detach().reshape({1}).clone();
  group.sum(all);
  // Its gradient is that of the own part.
  return loss + (all[0] - loss.detach());
}

TEST_F(BatchNormTest, GradientIsThatOfFiniteDifferences) {
  const Call call = Call::draw({5, 2, 3}, at::kDouble);
  std::vector<at::Tensor> gradients(2);
  run_ranks(2, [&](Group& group, size_t rank) {
    const BatchNormOfAllRanks shared(&group);
    const at::Tensor whole = call.input.clone().requires_grad_(true);
    gradients[rank] = torch::autograd::grad({loss_of_all(group, whole, call, rank)}, {whole})[0];
    const at::Tensor slopes =
        finite_difference([&](const at::Tensor& point) { return loss_of_all(group, point, call, rank); }, call.input);
    group.sum(gradients[rank]);
    EXPECT_TRUE(close(gradients[rank], slopes, 1e-6));
  });
  EXPECT_TRUE(same_bits(gradients[0], gradients[1]));
}

// ---- without ranks --------------------------------------------------------------------------------------------------

Result of_library(const Call& call, bool training) {
  return run(call.part({call.input.size(0)}, 0), [training](const Call& own) {
    return at::native::batch_norm(
        own.input, own.weight, own.bias, own.running_mean, own.running_var, training, kMomentum, kEps, true);
  });
}

void expect_same(const Result& actual, const Result& expected) {
  for (at::Tensor Result::*member :
       {&Result::output, &Result::of_input, &Result::of_weight, &Result::of_bias, &Result::running_mean,
        &Result::running_var}) {
    EXPECT_TRUE(same_bits(actual.*member, expected.*member));
  }
}

TEST_F(BatchNormTest, NothingChangesWithoutAGroup) {
  for (at::ScalarType dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    for (at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
      Call call = Call::draw({4, 3, 5, 5}, dtype);
      call.input = call.input.contiguous(format);
      for (bool training : {true, false}) {
        const auto own = [&] {
          return run(call.part({4}, 0), [training](const Call& given) { return forward(given, training); });
        };
        const Result expected = of_library(call, training);
        expect_same(own(), expected);
        const BatchNormOfAllRanks none(nullptr);
        expect_same(own(), expected);
        const auto output = [&] { return forward(call.part({4}, 0), training); };
        {
          const at::NoGradGuard no_gradients;
          EXPECT_TRUE(same_bits(output(), expected.output));
        }
        const c10::InferenceMode inference;
        EXPECT_TRUE(same_bits(output(), expected.output));
      }
    }
  }
}

TEST_F(BatchNormTest, GradientWithoutAGroupIsThatOfFiniteDifferences) {
  const Call call = Call::draw({5, 2, 3}, at::kDouble);
  const auto loss = [&](const at::Tensor& input) {
    Call own = call.part({5}, 0);
    own.input = input;
    return (forward(own).sigmoid() * own.cotangent).sum();
  };
  const at::Tensor input = call.input.clone().requires_grad_(true);
  EXPECT_TRUE(close(torch::autograd::grad({loss(input)}, {input})[0], finite_difference(loss, call.input), 1e-6));
}

TEST_F(BatchNormTest, NothingChangesInEvaluationModeOrForOtherThreads) {
  const Call call = Call::draw({4, 3, 5, 5}, at::kFloat);
  run_ranks(2, [&](Group& group, size_t /*rank*/) {
    const BatchNormOfAllRanks shared(&group);
    const Result own = run(call.part({4}, 0), [](const Call& given) { return forward(given, /*training=*/false); });
    expect_same(own, of_library(call, /*training=*/false));
    Result other;
    std::thread([&] { other = run(call.part({4}, 0)); }).join();
    const BatchNormOfAllRanks none(nullptr);
    expect_same(other, of_library(call, /*training=*/true));
  });
}

TEST_F(BatchNormTest, InstanceNormStaysEachSamples) {
  const Call call = Call::draw({kSamples, 3, 4, 4}, at::kFloat);
  const auto normalize = [](const Call& given) {
    return at::instance_norm(
        given.input, given.weight, given.bias, given.running_mean, given.running_var, true, kMomentum, kEps, true);
  };
  run_ranks(kParts.size(), [&](Group& group, size_t rank) {
    const Call own = call.part(kParts, rank);
    const Result expected = run(own, [](const Call& given) {
      return at::native::instance_norm(
          given.input, given.weight, given.bias, given.running_mean, given.running_var, true, kMomentum, kEps, true);
    });
    expect_same(run(call.part(kParts, rank), normalize), expected);
    const BatchNormOfAllRanks shared(&group);
    expect_same(run(call.part(kParts, rank), normalize), expected);
    const c10::InferenceMode inference;
    EXPECT_TRUE(same_bits(normalize(call.part(kParts, rank)), expected.output));
  });
}

// ---- without gradients, and where they fail -------------------------------------------------------------------------

TEST_F(BatchNormTest, HoldsWithoutGradientsAndInInferenceMode) {
  const Call call = Call::draw({kSamples, 4, 3, 5}, at::kDouble);
  run_ranks(kParts.size(), [&](Group& group, size_t rank) {
    const BatchNormOfAllRanks shared(&group);
    const Result expected = run(call.part(kParts, rank));
    const auto expect = [&] {
      const Call own = call.part(kParts, rank);
      const at::Tensor output = forward(own);
      EXPECT_FALSE(output.requires_grad());
      EXPECT_TRUE(same_bits(output, expected.output));
      EXPECT_TRUE(same_bits(own.running_mean, expected.running_mean));
      EXPECT_TRUE(same_bits(own.running_var, expected.running_var));
    };
    {
      const at::NoGradGuard no_gradients;
      expect();
    }
    const c10::InferenceMode inference;
    expect();
  });
}

TEST_F(BatchNormTest, BackwardRunsInAnyThreadWhenTheGuardHasGone) {
  const Call call = Call::draw({kSamples, 4, 3, 5}, at::kDouble);
  run_ranks(kParts.size(), [&](Group& group, size_t rank) {
    Call own = call.part(kParts, rank);
    own.input = own.input.clone().requires_grad_(true);
    at::Tensor output;
    Result expected;
    {
      const BatchNormOfAllRanks shared(&group);
      expected = run(call.part(kParts, rank));
      output = forward(own);
    }
    std::thread([&] { output.backward(own.cotangent); }).join();
    EXPECT_TRUE(same_bits(own.input.grad(), expected.of_input));
  });
}

/// Its gradient is undefined.
struct Silent : torch::autograd::Function<Silent> {
  static at::Tensor forward(torch::autograd::AutogradContext* /*context*/, const at::Tensor& input) {
    return input.clone();
  }
  static torch::autograd::variable_list backward(
      torch::autograd::AutogradContext* /*context*/, const torch::autograd::variable_list& /*gradients*/) {
    return {at::Tensor()};
  }
};

TEST_F(BatchNormTest, ARankWithoutALossTakesPart) {
  const Call call = Call::draw({kSamples, 4, 3, 5}, at::kDouble);
  Call silent = call;
  silent.cotangent = call.cotangent.clone();
  silent.cotangent.narrow(0, 5, 3).zero_();
  const Result expected = run(silent.part({kSamples}, 0));
  run_ranks(kParts.size(), [&](Group& group, size_t rank) {
    const BatchNormOfAllRanks shared(&group);
    const Call own = silent.part(kParts, rank);
    const at::Tensor input = own.input.detach().requires_grad_(true);
    const at::Tensor output =
        at::batch_norm(input, own.weight, own.bias, own.running_mean, own.running_var, true, kMomentum, kEps, true);
    const at::Tensor root = rank == 1 ? Silent::apply(output) : output;
    const at::Tensor gradient = torch::autograd::grad({root}, {input}, {own.cotangent})[0];
    EXPECT_TRUE(close(gradient, part_of(expected.of_input, kParts, rank), 1e-12));
  });
}

TEST_F(BatchNormTest, AFailureOfAnotherRankIsARankError) {
  const Call call = Call::draw({kSamples, 4, 3, 5}, at::kDouble);
  const std::string reason = "Ranks: rank 1 has failed: out of luck";
  std::atomic<int64_t> finished{0};
  run_ranks(kParts.size(), [&](Group& group, size_t rank) {
    const auto expect = [&](const std::function<void()>& work) {
      if (rank == 1) return group.fail("out of luck");
      try {
        work();
        ADD_FAILURE() << "nothing was thrown";
      } catch (const RankError& error) {
        EXPECT_EQ(error.what_without_backtrace(), reason);
      }
    };
    const BatchNormOfAllRanks shared(&group);
    Call own = call.part(kParts, rank);
    expect([&] { forward(own); });
    EXPECT_TRUE(same_bits(own.running_mean, call.running_mean));
    group.renew();

    own.input = own.input.clone().requires_grad_(true);
    const at::Tensor output = forward(own);
    // None fails while another still reads what it has sent.
    ++finished;
    while (finished < static_cast<int64_t>(kParts.size())) std::this_thread::yield();
    expect([&] { torch::autograd::grad({output}, {own.input}, {own.cotangent}, /*retain_graph=*/true); });
    group.renew();
    torch::autograd::grad({output}, {own.input}, {own.cotangent});
  });
}

TEST_F(BatchNormTest, DoubleBackwardIsRefused) {
  const Call call = Call::draw({kSamples, 4}, at::kDouble);
  run_ranks(kParts.size(), [&](Group& group, size_t rank) {
    const BatchNormOfAllRanks shared(&group);
    Call own = call.part(kParts, rank);
    own.input = own.input.clone().requires_grad_(true);
    const at::Tensor output = forward(own);
    const auto differentiate = [&](bool create_graph) {
      torch::autograd::grad({output}, {own.input}, {own.cotangent}, std::nullopt, create_graph);
    };
    EXPECT_EQ(
        error_of([&] { differentiate(true); }),
        "BatchNorm: the gradient over all ranks must not be differentiated again");
    differentiate(false);
    EXPECT_THROW(differentiate(false), c10::Error) << "its graph has been released";
  });
}

// ---- modules and networks -------------------------------------------------------------------------------------------

TEST_F(BatchNormTest, AveragesOverAllBatchesWithoutMomentum) {
  const at::Tensor batches = at::randn({3, kSamples, 4}, at::kDouble);
  const auto make = [] {
    torch::nn::BatchNorm1d norm(torch::nn::BatchNorm1dOptions(4).momentum(std::nullopt));
    norm->to(at::kDouble);
    return norm;
  };
  torch::nn::BatchNorm1d one = make();
  for (int64_t i = 0; i < 3; ++i) one(batches[i]);
  run_ranks(kParts.size(), [&](Group& group, size_t rank) {
    const BatchNormOfAllRanks shared(&group);
    torch::nn::BatchNorm1d norm = make();
    for (int64_t i = 0; i < 3; ++i) norm(part_of(batches[i], kParts, rank));
    EXPECT_TRUE(close(norm->running_mean, one->running_mean, 1e-12));
    EXPECT_TRUE(close(norm->running_var, one->running_var, 1e-12));
    EXPECT_TRUE(same_bits(norm->num_batches_tracked, one->num_batches_tracked));
  });
}

/// What a network computes of a batch.
struct Pass {
  at::Tensor logits;
  NamedTensors gradients, buffers;
};

Pass pass(Network& network, const at::Tensor& images, const at::Tensor& cotangent) {
  network.train();
  const NetworkOutput output = network.forward(images);
  (output.logits * cotangent).sum().backward();
  Pass result = {output.logits.detach(), NamedTensors(), copy_of(network.named_buffers())};
  for (const auto& parameter : network.named_parameters()) {
    result.gradients.insert(parameter.key(), parameter.value().grad().clone());
    parameter.value().mutable_grad().reset();
  }
  return result;
}

/// A network that TorchScript has optimised, if it is a program.
std::shared_ptr<Network> warm(const std::shared_ptr<Network>& network, const at::Tensor& images, int64_t classes) {
  network->to(at::kDouble);
  const NamedTensors before = state_of(*network);
  for (int i = 0; i < 3; ++i) pass(*network, images, at::ones({images.size(0), classes}, at::kDouble));
  for (const auto& entry : before) set_tensor(*network, entry.key(), entry.value());
  return network;
}

void expect_network_as_one_process(
    const std::function<std::shared_ptr<Network>()>& make, const std::vector<int64_t>& image, int64_t classes) {
  std::vector<int64_t> shape = image;
  shape.insert(shape.begin(), kSamples);
  const at::Tensor images = at::randn(shape, at::kDouble) + at::arange(kSamples).view({-1, 1, 1, 1}) * 0.1;
  const at::Tensor cotangent = at::randn({kSamples, classes}, at::kDouble);
  const auto make_warm = [&] {
    manual_seed(4);
    return warm(make(), images, classes);
  };
  const Pass expected = pass(*make_warm(), images, cotangent);

  std::vector<Pass> passes(kParts.size());
  std::vector<at::Tensor> logits(kParts.size());
  // The generator is everybody's.
  std::mutex mutex;
  run_ranks(kParts.size(), [&](Group& group, size_t rank) {
    std::shared_ptr<Network> network;
    {
      const std::lock_guard<std::mutex> lock(mutex);
      network = make_warm();
    }
    const at::Tensor own = part_of(images, kParts, rank), of_own = part_of(cotangent, kParts, rank);
    const NamedTensors before = state_of(*network);
    const auto expect_again = [&] {
      for (const auto& entry : before) set_tensor(*network, entry.key(), entry.value());
      EXPECT_TRUE(same_bits(network->forward(own).logits, passes[rank].logits));
      EXPECT_TRUE(same_bits(copy_of(network->named_buffers()), passes[rank].buffers));
    };
    {
      const BatchNormOfAllRanks shared(&group);
      EXPECT_FALSE(torch::jit::getGraphExecutorOptimize());
      passes[rank] = pass(*network, own, of_own);
      {
        const at::NoGradGuard no_gradients;
        expect_again();
      }
      const c10::InferenceMode inference;
      expect_again();
    }
    EXPECT_TRUE(torch::jit::getGraphExecutorOptimize());
    logits[rank] = passes[rank].logits;
    // Afterwards it is again each rank's own.
    EXPECT_FALSE(close(pass(*network, own, of_own).logits, logits[rank], 1e-6));
  });
  EXPECT_TRUE(close(at::cat(logits), expected.logits, 1e-12));
  for (const auto& entry : expected.gradients) {
    at::Tensor sum = at::zeros_like(entry.value());
    for (const Pass& of_rank : passes) sum += of_rank.gradients[entry.key()];
    // Of a convolution's bias before a BatchNorm: zero, but for rounding.
    EXPECT_TRUE(at::allclose(sum, entry.value(), 1e-12, 1e-12)) << entry.key() << (sum - entry.value()).abs().max();
  }
  for (const auto& entry : expected.buffers) {
    EXPECT_TRUE(close(passes[0].buffers[entry.key()], entry.value(), 1e-12)) << entry.key();
    for (const Pass& of_rank : passes) {
      EXPECT_TRUE(same_bits(of_rank.buffers[entry.key()], passes[0].buffers[entry.key()])) << entry.key();
    }
  }
}

std::shared_ptr<Network> small_resnet() {
  ResNetOptions options;
  options.depth = 8;
  options.classes = 5;
  options.filters = {4, 4, 8, 8};
  return make_resnet(options);
}

TEST_F(BatchNormTest, AgreesWithOneProcessInANativeNetwork) {
  expect_network_as_one_process(small_resnet, {3, 8, 8}, 5);
}

TEST_F(BatchNormTest, AgreesWithOneProcessInATorchScriptProgram) {
  const TemporaryFolder folder;
  small_resnet()->save_torchscript(folder.file("network.ts"));
  expect_network_as_one_process([&] { return load_torchscript(folder.file("network.ts")); }, {3, 8, 8}, 5);
}

TEST_F(BatchNormTest, AgreesWithOneProcessInAnExportedProgram) {
  expect_network_as_one_process(
      [] { return load_exported(std::string(RETORT_EXPORTED_DIR) + "/pointwise-2.10.pt2"); }, {3, 2, 2}, 8);
}

}  // namespace
}  // namespace retort::test
