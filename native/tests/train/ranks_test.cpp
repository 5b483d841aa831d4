// Steps of several ranks against those of one process that is given the whole batch.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/crd.h>
#include <retort/losses/cross_entropy.h>
#include <retort/losses/dkd.h>
#include <retort/losses/fsp.h>
#include <retort/losses/kd.h>
#include <retort/losses/nst.h>
#include <retort/losses/ofd.h>
#include <retort/losses/program_loss.h>
#include <retort/runtime.h>
#include <retort/train/adam.h>
#include <retort/train/training_step.h>
#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <functional>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "expect.h"
#include "optimizers.h"
#include "rank_training.h"
#include "thread_ranks.h"

namespace retort::test {
namespace {

namespace nn = torch::nn;

constexpr int64_t kSamples = 40;
constexpr int64_t kClasses = 5;
constexpr int64_t kSteps = 5;

/// Two convolutions and a classifier, without anything that looks at several samples. One more parameter is never used.
class ConvNetwork final : public Network {
 public:
  ConvNetwork() : Network({"map1", "map2", "embedding"}) {
    first_ = register_module("first", nn::Conv2d(nn::Conv2dOptions(3, 4, 3).padding(1)));
    second_ = register_module("second", nn::Conv2d(nn::Conv2dOptions(4, 4, 3).padding(1)));
    head_ = register_module("head", nn::Linear(4, kClasses));
    register_parameter("unused", at::ones({7}));
  }

 protected:
  NetworkOutput compute(const at::Tensor& images) override {
    const at::Tensor map1 = first_(images), map2 = second_(at::relu(map1));
    const at::Tensor embedding = at::relu(map2).mean({2, 3});
    return {head_(embedding), {map1, map2, embedding}};
  }

 private:
  nn::Conv2d first_{nullptr}, second_{nullptr};
  nn::Linear head_{nullptr};
};

using Change = std::function<void(TrainingStepOptions&)>;

struct Case {
  std::string name;
  Change change;
  /// Sizes of the ranks' parts.
  std::vector<int64_t> parts = {4, 4};
  /// Of the batch of a step.
  std::function<void(Batch&)> edit = [](Batch& /*batch*/) {};
  int64_t steps = kSteps;
  at::ScalarType dtype = at::kDouble;
};

std::ostream& operator<<(std::ostream& out, const Case& one) {
  return out << one.name;
}

/// What a training comes to on one rank.
struct Trained {
  NamedTensors first, last;
  std::vector<StepResult> results;
};

TrainingStepOptions options_of(const Case& one) {
  manual_seed(3);
  TrainingStepOptions options;
  const auto student = std::make_shared<ConvNetwork>(), teacher = std::make_shared<ConvNetwork>();
  for (const auto& network : {student, teacher}) network->to(one.dtype);
  options.student = student;
  options.teachers = {teacher};
  options.input_shape = {3, 6, 6};
  options.optimizer = sgd(0.05, 0.9, 0.01);
  one.change(options);
  return options;
}

Batch batch_of(const Case& one, int64_t step) {
  const auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(100 + step));
  const int64_t size = std::accumulate(one.parts.begin(), one.parts.end(), int64_t{0});
  Batch batch;
  batch.images = at::randn({size, 3, 6, 6}, generator, at::TensorOptions(at::kDouble)).to(one.dtype);
  batch.labels = at::randint(kClasses, {size}, generator, at::TensorOptions(at::kLong));
  batch.indices = at::randperm(kSamples, generator, at::TensorOptions(at::kLong)).slice(0, 0, size);
  one.edit(batch);
  return batch;
}

/// @param initial of the step's tensors; drawn if it is empty
Trained train(
    const Case& one, TrainingStepOptions options, const std::shared_ptr<Ranks>& ranks, const NamedTensors& initial) {
  options.ranks = ranks;
  TrainingStep step(options);
  for (const auto& entry : initial) step.state()[entry.key()].copy_(entry.value());
  Trained trained;
  trained.first = copy_of(step.state());
  const int64_t rank = ranks ? ranks->rank() : 0;
  for (int64_t i = 0; i < one.steps; ++i) {
    const Batch whole = batch_of(one, i);
    // Only the first rank draws.
    if (rank == 0) manual_seed(static_cast<uint64_t>(i));
    StepResult result;
    step.run(ranks ? part_of(whole, one.parts, rank) : whole, result);
    step.finish(result);
    trained.results.push_back(result);
  }
  trained.last = copy_of(step.state());
  return trained;
}

class RanksTest : public ::testing::TestWithParam<Case> {};

TEST_P(RanksTest, AreOneProcess) {
  const Case& one = GetParam();
  const double tolerance = one.dtype == at::kDouble ? 1e-9 : 1e-4;
  const Trained alone = train(one, options_of(one), nullptr, NamedTensors());
  ThreadRanks ranks(static_cast<int64_t>(one.parts.size()));
  std::vector<Trained> trained(one.parts.size());
  // Networks draw from the generator of the process, and so not while other ranks do.
  std::vector<TrainingStepOptions> options;
  for (size_t rank = 0; rank < trained.size(); ++rank) options.push_back(options_of(one));
  const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
    const auto rank = static_cast<size_t>(own->rank());
    trained[rank] = train(one, options[rank], own, alone.first);
  });
  for (const auto& error : errors) ASSERT_EQ(message_of(error), "");

  bool has_moved = false;
  for (const auto& entry : alone.first) {
    const at::Tensor* last = alone.last.find(entry.key());
    has_moved |= last && !same_bits(entry.value(), *last);
  }
  EXPECT_TRUE(has_moved);
  for (const Trained& of_rank : trained) {
    EXPECT_TRUE(same_bits(of_rank.last, trained[0].last));
    expect_close(of_rank.last, alone.last, tolerance);
    for (size_t i = 0; i < alone.results.size(); ++i) {
      SCOPED_TRACE(i);
      const StepResult &result = of_rank.results[i], &wanted = alone.results[i];
      EXPECT_TRUE(close(result.total, wanted.total, tolerance));
      EXPECT_TRUE(close(result.cross_entropy, wanted.cross_entropy, tolerance));
      EXPECT_TRUE(close(result.gradient_norm, wanted.gradient_norm, tolerance));
      ASSERT_EQ(result.terms.size(), wanted.terms.size());
      for (size_t term = 0; term < wanted.terms.size(); ++term) {
        EXPECT_TRUE(close(result.terms[term], wanted.terms[term], tolerance));
      }
      EXPECT_EQ(result.correct, wanted.correct);
      EXPECT_EQ(result.labeled, wanted.labeled);
      EXPECT_EQ(result.samples, wanted.samples);
      EXPECT_EQ(result.updated, wanted.updated);
      EXPECT_EQ(result.stage, wanted.stage);
    }
  }
}

// ---- losses
// -----------------------------------------------------------------------------------------------------------

/// A term beside the cross-entropy.
Change with(
    const std::shared_ptr<CriterionOptions>& criterion, const std::vector<std::string>& taps = {},
    double weight = 0.7) {
  return [=](TrainingStepOptions& options) { options.terms = {{weight, criterion, taps, taps}}; };
}

template <typename Options>
std::shared_ptr<Options> made(const std::function<void(Options&)>& change = [](Options&) {}) {
  const auto options = std::make_shared<Options>();
  change(*options);
  return options;
}

Change crd(const std::function<void(CrdOptions&)>& change) {
  return with(
      made<CrdOptions>([&](CrdOptions& options) {
        options.samples = kSamples;
        options.dimension = 6;
        options.negatives = 8;
        change(options);
      }),
      {"embedding"});
}

void few_labels(Batch& batch) {
  batch.labels.slice(0, 1, 6).fill_(-1);
}

void with_weights(Batch& batch) {
  batch.weights = at::arange(batch.labels.size(0), at::kDouble) + 0.5;
}

void with_duplicates(Batch& batch) {
  batch.indices[batch.indices.size(0) - 1] = batch.indices[0].clone();
}

std::vector<Case> losses() {
  const auto none = [](TrainingStepOptions& /*options*/) {};
  std::vector<Case> cases = {
      {"cross_entropy", none},
      {"cross_entropy_few_labels", none, {5, 3, 3}, few_labels},
      {"cross_entropy_weights", none, {5, 3, 3}, with_weights},
      {"class_weights",
       [](TrainingStepOptions& options) {
         options.cross_entropy.options.class_weights = {0.5, 1, 2, 0, 3};
         options.cross_entropy.options.label_smoothing = 0.1;
       },
       {5, 3, 3}},
      {"kd", with(made<KdOptions>())},
      {"kd_uneven", with(made<KdOptions>()), {5, 3, 3}},
      {"kd_weights", with(made<KdOptions>()), {5, 3, 3}, with_weights},
      {"weights_of_one_rank",
       with(made<KdOptions>()),
       {5, 3, 3},
       [](Batch& batch) {
         with_weights(batch);
         batch.weights.slice(0, 0, 8).zero_();
       }},
      {"kd_standardised",
       with(made<KdOptions>([](KdOptions& o) { o.target = KdTarget::kStandardisedLogits; })),
       {5, 3}},
      {"dkd", with(made<DkdOptions>()), {5, 3, 3}},
      {"dkd_standardised", with(made<DkdOptions>([](DkdOptions& o) { o.standardise = true; })), {5, 3, 3}},
      {"dkd_few_labels",
       with(made<DkdOptions>()),
       {5, 3, 3},
       [](Batch& batch) {
         few_labels(batch);
         with_weights(batch);
       }},
  };
  for (const auto reduction : {FspReduction::kMean, FspReduction::kPaper, FspReduction::kTorchdistill}) {
    cases.push_back(
        {"fsp_" + std::to_string(static_cast<int>(reduction)),
         with(made<FspOptions>([&](FspOptions& o) { o.reduction = reduction; }), {"map1", "map2"}),
         {5, 3, 3}});
  }
  for (const auto kernel : {NstKernel::kPolynomial, NstKernel::kLinear, NstKernel::kGaussian}) {
    cases.push_back(
        {"nst_" + std::to_string(static_cast<int>(kernel)),
         with(made<NstOptions>([&](NstOptions& o) { o.kernel = kernel; }), {"map2"}),
         {5, 3, 3}});
  }
  const at::Tensor classes = at::arange(kSamples, at::kLong).remainder(kClasses);
  const std::vector<std::pair<std::string, std::function<void(CrdOptions&)>>> variants = {
      {"crd", [](CrdOptions&) {}},
      {"crd_classes", [=](CrdOptions& o) { o.classes = classes; }},
      {"crd_relaxed",
       [=](CrdOptions& o) {
         o.classes = classes;
         o.relaxed = true;
       }},
      {"crd_moving_z", [](CrdOptions& o) { o.z = CrdZ::kMovingAverage; }},
      {"crd_fixed_z",
       [](CrdOptions& o) {
         o.z = CrdZ::kFixed;
         o.z_student = o.z_teacher = 100;
       }},
      // It wraps within a batch.
      {"crd_queue",
       [](CrdOptions& o) {
         o.samples = 0;
         o.queue = 17;
       }},
  };
  for (const auto& [name, change] : variants) {
    cases.push_back({name, crd(change), {4, 4}});
    cases.push_back({name + "_uneven", crd(change), {5, 3, 3}});
  }
  const std::vector<std::pair<std::string, std::function<void(OfdOptions&)>>> of_ofd = {
      {"ofd_mean", [](OfdOptions&) {}},
      {"ofd_sum", [](OfdOptions& o) { o.reduction = OfdReduction::kSum; }},
      {"ofd_batch_mean", [](OfdOptions& o) { o.reduction = OfdReduction::kBatchMean; }},
      {"ofd_margins",
       [](OfdOptions& o) {
         o.margins = {at::full({4}, -0.3), at::full({4}, -0.1)};
       }},
  };
  for (const auto& [name, change] : of_ofd) {
    const Change term = with(made<OfdOptions>(change), {"map1", "map2"}, 0.01);
    cases.push_back(
        {name,
         [=](TrainingStepOptions& options) {
           term(options);
           // Of the connectors.
           options.batch_norm = BatchNormOver::kAllRanks;
         },
         {5, 3, 3}});
  }
  cases.push_back({"crd_duplicates", crd([](CrdOptions&) {}), {5, 3, 3}, with_duplicates});
  cases.push_back({"crd_contrast", crd([](CrdOptions&) {}), {5, 3, 3}, [](Batch& batch) {
                     batch.contrast = crd_contrast(batch.indices, kSamples, 6, at::detail::createCPUGenerator(7));
                   }});
  return cases;
}

// ---- options of the step
// ----------------------------------------------------------------------------------------------

/// All kinds of losses at once.
void with_all(TrainingStepOptions& options) {
  crd([](CrdOptions&) {})(options);
  options.terms.push_back({0.9, made<KdOptions>(), {}, {}});
  options.terms.push_back({0.5, made<FspOptions>(), {"map1", "map2"}, {"map1", "map2"}});
}

Change with_all(const Change& change) {
  return [=](TrainingStepOptions& options) {
    with_all(options);
    change(options);
  };
}

std::vector<Case> options() {
  return {
      {"accumulate", with_all([](TrainingStepOptions& o) { o.accumulate = 2; }), {5, 3, 3}, few_labels, 6},
      {"accumulate_unfinished", with_all([](TrainingStepOptions& o) { o.accumulate = 4; }), {4, 4}, few_labels, 6},
      {"clip_norm", with_all([](TrainingStepOptions& o) { o.clip_norm = 0.05; }), {5, 3, 3}},
      {"clip_value", with_all([](TrainingStepOptions& o) { o.clip_value = 0.01; }), {5, 3, 3}},
      {"adam", with_all([](TrainingStepOptions& o) { o.optimizer = std::make_shared<AdamOptions>(); }), {5, 3, 3}},
      {"one_sample", with_all([](TrainingStepOptions&) {}), {1, 1, 1}},
      {"small_buckets", with_all([](TrainingStepOptions& o) { o.bucket_bytes = 1; }), {5, 3, 3}},
      {"late_results", with_all([](TrainingStepOptions& o) { o.late_results = true; }), {5, 3, 3}},
      {"trained_part", with_all([](TrainingStepOptions& o) { o.trained = {"head"}; }), {5, 3, 3}},
      {"without_labels",
       with_all([](TrainingStepOptions& o) { o.cross_entropy.weight = 0; }),
       {5, 3, 3},
       [](Batch& batch) { batch.labels = at::Tensor(); }},
      {"schedules",
       with_all([](TrainingStepOptions& o) { o.terms[0].schedule = Schedule::constant().with_warmup(3, 0); }),
       {4, 4}},
      {"stages",
       with_all([](TrainingStepOptions& o) {
         Stage second = o;
         second.terms.pop_back();
         second.optimizer = sgd(0.02, 0.5, 0);
         o.steps = 2;
         o.trained = {"first"};
         o.later_stages = {second};
       }),
       {5, 3, 3}},
      {"float32", with_all([](TrainingStepOptions&) {}), {5, 3, 3}, few_labels, kSteps, at::kFloat},
  };
}

std::string name_of(const ::testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Losses, RanksTest, ::testing::ValuesIn(losses()), &name_of);
INSTANTIATE_TEST_SUITE_P(Options, RanksTest, ::testing::ValuesIn(options()), &name_of);

TEST(RanksStartTest, StudentAndCriteriaAreThoseOfTheFirstRank) {
  const Case one{"start", crd([](CrdOptions& /*options*/) {})};
  constexpr size_t kRanks = 3;
  std::vector<TrainingStepOptions> options;
  for (size_t rank = 0; rank < kRanks; ++rank) {
    options.push_back(options_of(one));
    const at::NoGradGuard no_gradients;
    for (const at::Tensor& parameter : options.back().student->parameters()) parameter.add_(static_cast<double>(rank));
  }
  const NamedTensors student = copy_of(options[0].student->state_dict());
  std::vector<NamedTensors> starts(kRanks);
  const auto errors = ThreadRanks(kRanks).run([&](const std::shared_ptr<Ranks>& own) {
    const auto rank = static_cast<size_t>(own->rank());
    options[rank].ranks = own;
    // Criteria draw from one generator, and so each rank something else.
    starts[rank] = copy_of(TrainingStep(options[rank]).state());
  });
  for (const auto& error : errors) ASSERT_EQ(message_of(error), "");
  for (const NamedTensors& start : starts) EXPECT_TRUE(same_bits(start, starts[0]));
  for (const TrainingStepOptions& of_rank : options) EXPECT_TRUE(same_bits(of_rank.student->state_dict(), student));
}

}  // namespace
}  // namespace retort::test
