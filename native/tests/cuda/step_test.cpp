// What training on a GPU comes to against training on the CPU, which the other tests hold to the papers' code.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/crd.h>
#include <retort/losses/fsp.h>
#include <retort/losses/kd.h>
#include <retort/losses/nst.h>
#include <retort/losses/ofd.h>
#include <retort/models/resnet.h>
#include <retort/train/adam.h>
#include <retort/train/training_step.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "cuda_test.h"
#include "expect.h"
#include "optimizers.h"

namespace retort {
namespace {

constexpr int64_t kClasses = 5;
constexpr int64_t kSamples = 12;
constexpr int kSteps = 8;

/// How a step is done on the GPU.
struct Mode {
  std::string name;
  bool late_results;
  bool cuda_graph;
};

const std::vector<Mode> kModes = {
    {"Plain", false, false}, {"Late", true, false}, {"Graph", false, true}, {"GraphAndLate", true, true}};

std::shared_ptr<Network> network(at::ScalarType dtype, int64_t filters = 4) {
  ResNetOptions options;
  options.depth = 8;
  options.classes = kClasses;
  options.filters = {filters, filters, 2 * filters, 2 * filters};
  auto network = make_resnet(options);
  network->convert(dtype);
  return network;
}

/// Those of a step's tensors that are criteria's.
test::NamedTensors criteria_of(const test::NamedTensors& state) {
  test::NamedTensors of_criteria;
  for (const auto& entry : state) {
    if (entry.key().rfind("terms.", 0) == 0) of_criteria.insert(entry.key(), entry.value());
  }
  return of_criteria;
}

/// A training whose networks and batches are the same for the same seed, wherever it runs.
class Training {
 public:
  using Change = std::function<void(TrainingStepOptions&)>;

  Training(const std::string& device, at::ScalarType dtype, const Change& change = {}) {
    manual_seed(3);
    const auto crd = std::make_shared<CrdOptions>();
    crd->samples = kSamples;
    crd->dimension = 5;
    TrainingStepOptions options;
    options.student = network(dtype);
    options.teachers = {network(dtype)};
    options.input_shape = {3, 8, 8};
    options.preprocessing.mean = {0.1};
    options.preprocessing.deviation = {0.9};
    const std::vector<std::string> maps = {"layer1", "layer2"};
    options.terms = {
        {0.5, std::make_shared<KdOptions>(), {}, {}},
        {1.0, std::make_shared<FspOptions>(), maps, maps},
        {1.0, std::make_shared<NstOptions>(), maps, maps},
        {0.1, crd, {"embedding"}, {"embedding"}},
        {0.1, std::make_shared<OfdOptions>(), {"layer2.pre"}, {"layer2.pre"}}};
    const auto sgd = test::sgd(0.05, 0.9, 0.01);
    sgd->schedule = Schedule::cosine(kSteps, 0.1);
    options.optimizer = sgd;
    options.clip_norm = 5;
    if (change) change(options);
    for (int i = 0; i < kSteps; ++i) {
      Batch batch;
      batch.images = at::randn({6, 3, 8, 8}, dtype);
      batch.labels = at::randint(-1, kClasses, {6}, at::kLong);
      batch.labels[0] = 0;
      batch.indices = at::randperm(kSamples, at::kLong).slice(0, 0, 6);
      batch.contrast = crd_contrast(batch.indices, kSamples, /*negatives=*/3);
      batches.push_back(batch);
    }
    // Criteria draw their parameters when a step is built, which is to be on the CPU for both.
    TrainingStepOptions without_gpu = options;
    without_gpu.cuda_graph = false;
    const TrainingStep on_cpu(without_gpu);
    options.student->move_to(device);
    options.teachers[0].network->move_to(device);
    step = std::make_unique<TrainingStep>(options);
    const auto own = step->state();
    for (const auto& entry : criteria_of(on_cpu.state())) own[entry.key()].copy_(entry.value());
  }

  /// The results of all steps.
  std::vector<StepResult> run() {
    std::vector<StepResult> results;
    for (const Batch& batch : batches) results.push_back(run(batch));
    return results;
  }

  StepResult run(const Batch& batch) {
    StepResult result;
    step->run(batch, result);
    step->finish(result);
    return result;
  }

  test::NamedTensors state() const {
    test::NamedTensors state;
    for (const auto& entry : step->state()) state.insert(entry.key(), entry.value().to(at::kCPU, false, /*copy=*/true));
    return state;
  }

  std::vector<Batch> batches;
  std::unique_ptr<TrainingStep> step;
};

class CudaStepTest : public test::CudaTest, public ::testing::WithParamInterface<Mode> {
 protected:
  static void set_mode(TrainingStepOptions& options) {
    options.late_results = GetParam().late_results;
    options.cuda_graph = GetParam().cuda_graph;
  }

  static Training::Change in_mode(const Training::Change& change = {}) {
    return [=](TrainingStepOptions& options) {
      set_mode(options);
      if (change) change(options);
    };
  }

  static void expect_match(at::ScalarType dtype, double tolerance, const Training::Change& change = {}) {
    Training on_cpu("cpu", dtype, change), on_gpu("cuda", dtype, in_mode(change));
    const std::vector<StepResult> expected = on_cpu.run(), actual = on_gpu.run();
    for (size_t i = 0; i < expected.size(); ++i) {
      SCOPED_TRACE(c10::str("step ", i));
      EXPECT_TRUE(test::close(actual[i].total, expected[i].total, tolerance));
      EXPECT_TRUE(test::close(actual[i].cross_entropy, expected[i].cross_entropy, tolerance));
      EXPECT_TRUE(test::close(actual[i].gradient_norm, expected[i].gradient_norm, tolerance));
      EXPECT_EQ(actual[i].correct, expected[i].correct);
      EXPECT_EQ(actual[i].updated, expected[i].updated);
    }
    EXPECT_EQ(actual.back().graph, GetParam().cuda_graph) << on_gpu.step->graph_obstacle();
    const test::NamedTensors state = on_gpu.state();
    for (const auto& entry : on_cpu.state()) {
      EXPECT_TRUE(test::close(state[entry.key()].to(at::kDouble), entry.value().to(at::kDouble), tolerance))
          << entry.key();
    }
  }
};

TEST_P(CudaStepTest, MatchesTheCpu) {
  // A graph's learning rate is rounded to float32.
  expect_match(at::kDouble, GetParam().cuda_graph ? 1e-6 : 1e-9);
  expect_match(at::kFloat, 2e-2);
}

TEST_P(CudaStepTest, MatchesTheCpuWithOtherOptions) {
  expect_match(at::kDouble, 1e-5, [](TrainingStepOptions& options) {
    options.optimizer = std::make_shared<AdamOptions>();
    options.teachers[0].batch_norm = TeacherBatchNorm::kTraining;
    options.student_format = options.teachers[0].format = MemoryFormat::kChannelsLast;
    options.clip_value = 0.5;
    options.cross_entropy.options.label_smoothing = 0.1;
  });
}

TEST_P(CudaStepTest, GivesTheSameBitsAgain) {
  for (at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    Training first("cuda", dtype, in_mode()), second("cuda", dtype, in_mode());
    first.run();
    second.run();
    EXPECT_TRUE(test::same_bits(first.state(), second.state())) << dtype;
  }
}

TEST_P(CudaStepTest, DrawsByClass) {
  for (bool relaxed : {false, true}) {
    Training training("cuda", at::kFloat, in_mode([=](TrainingStepOptions& options) {
                        auto crd = std::make_shared<CrdOptions>();
                        crd->samples = kSamples;
                        crd->negatives = 5;
                        crd->classes = at::arange(kSamples, at::kLong).remainder(3);
                        crd->relaxed = relaxed;
                        options.terms = {{1.0, crd, {"embedding"}, {"embedding"}}};
                      }));
    for (Batch& batch : training.batches) batch.contrast = at::Tensor();
    EXPECT_EQ(training.run().back().graph, GetParam().cuda_graph) << training.step->graph_obstacle();
  }
}

TEST_P(CudaStepTest, DrawsOtherNegativesInEveryStep) {
  Training training("cuda", at::kFloat, in_mode([](TrainingStepOptions& options) {
                      options.terms = {options.terms[3]};
                      options.cross_entropy.weight = 0;
                      options.optimizer = test::sgd(1e-30);
                      auto crd = std::make_shared<CrdOptions>();
                      crd->samples = 1000;
                      crd->negatives = 5;
                      crd->momentum = 1 - 1e-12;  // which leaves the memories as they are
                      options.terms[0].criterion = crd;
                    }));
  std::vector<double> losses;
  training.batches[0].contrast = at::Tensor();
  for (int i = 0; i < kSteps; ++i) losses.push_back(training.run(training.batches[0]).total);
  // The first batch sets Z.
  for (size_t i = 2; i < losses.size(); ++i) EXPECT_FALSE(test::close(losses[i], losses[i - 1], 1e-4)) << i;
}

TEST_P(CudaStepTest, FailureChangesNothing) {
  for (bool adam : {false, true}) {
    const auto change = [=](TrainingStepOptions& options) {
      set_mode(options);
      if (adam) options.optimizer = std::make_shared<AdamOptions>();
    };
    Training training("cuda", at::kFloat, change), twin("cuda", at::kFloat, change);
    for (int i = 0; i < 5; ++i) training.run(training.batches[0]);
    for (int i = 0; i < 5; ++i) twin.run(twin.batches[0]);
    const test::NamedTensors before = training.state();
    Batch bad = training.batches[1];
    bad.images = bad.images.clone();
    bad.images[0].fill_(std::numeric_limits<double>::quiet_NaN());
    EXPECT_EQ(test::error_of([&] { training.run(bad); }), "TrainingStep: cross-entropy must be finite (got nan)");
    EXPECT_TRUE(test::same_bits(training.state(), before));
    EXPECT_EQ(training.step->steps(), 5);
    training.run(training.batches[2]);
    twin.run(twin.batches[2]);
    EXPECT_TRUE(test::same_bits(training.state(), twin.state()));
  }
}

TEST_P(CudaStepTest, OutOfMemoryChangesNothing) {
  Training training("cuda", at::kFloat, in_mode([](TrainingStepOptions& options) {
                      options.student = network(at::kFloat, 256);
                      options.teachers = {network(at::kFloat, 4)};
                      options.terms = {{0.5, std::make_shared<KdOptions>(), {}, {}}};
                    }));
  for (int i = 0; i < 5; ++i) training.run(training.batches[0]);
  const test::NamedTensors before = training.state();
  // 100 MB of images, 32 GB for each of the student's maps.
  Batch large;
  large.images = at::zeros({1 << 19, 3, 8, 8}, at::kByte);
  large.labels = at::zeros({1 << 19}, at::kLong);
  EXPECT_THROW(training.run(large), c10::Error);
  EXPECT_TRUE(test::same_bits(training.state(), before));
  EXPECT_TRUE(training.run(training.batches[1]).updated);
}

TEST_P(CudaStepTest, Float16Learns) {
  for (Precision precision : {Precision::kFloat16, Precision::kBFloat16}) {
    Training training("cuda", at::kFloat, in_mode([=](TrainingStepOptions& options) {
                        options.student_precision = options.teachers[0].precision = precision;
                        options.terms.resize(1);
                      }));
    double first = 0;
    StepResult last;
    for (int i = 0; i < 40; ++i) {
      last = training.run(training.batches[0]);
      if (first == 0 && !last.skipped) first = last.total;
    }
    EXPECT_LT(last.total, 0.9 * first);
    EXPECT_EQ(last.graph, GetParam().cuda_graph) << training.step->graph_obstacle();
  }
}

INSTANTIATE_TEST_SUITE_P(Cuda, CudaStepTest, ::testing::ValuesIn(kModes), [](const ::testing::TestParamInfo<Mode>& of) {
  return of.param.name;
});

}  // namespace
}  // namespace retort
