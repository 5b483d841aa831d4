// What a step on a GPU does on the host: allocations, copies, waits. A stand-in for CUDA takes the place of the GPU,
// whose memory ends a process that touches it, and whose kernels do nothing.
#include <ATen/Functions.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <gtest/gtest.h>
#include <retort/losses/crd.h>
#include <retort/losses/fsp.h>
#include <retort/losses/kd.h>
#include <retort/losses/nst.h>
#include <retort/losses/ofd.h>
#include <retort/models/mlp.h>
#include <retort/models/resnet.h>
#include <retort/train/adam.h>
#include <retort/train/training_step.h>
#include <torch/csrc/autograd/autograd.h>

#include <cstdlib>
#include <functional>
#include <ostream>

#include "cuda_stand_in/stand_in.h"
#include "cuda_stand_in/zeroed_memory.h"
#include "cuda_test.h"
#include "expect.h"
#include "networks.h"
#include "optimizers.h"
#include "temporary_folder.h"

namespace retort {
namespace {

constexpr int64_t kClasses = 5;
constexpr int64_t kSamples = 12;
const std::vector<int64_t> kShape = {3, 8, 8};

/// On the CPU, where its bits can be read.
test::NamedTensors read(const test::NamedTensors& tensors) {
  test::NamedTensors read;
  for (const auto& entry : tensors) read.insert(entry.key(), entry.value().detach().to(at::kCPU, false, /*copy=*/true));
  return read;
}

std::shared_ptr<Network> mlp() {
  return make_mlp({{3 * 8 * 8, 16, kClasses}});
}

std::shared_ptr<Network> resnet() {
  ResNetOptions options;
  options.depth = 8;
  options.classes = kClasses;
  options.filters = {4, 4, 8, 8};
  return make_resnet(options);
}

std::shared_ptr<Network> with_dropout() {
  return std::make_shared<test::TinyNetwork>(kClasses, 0.3);
}

Batch batch() {
  Batch batch;
  batch.images = at::randn({6, 3, 8, 8});
  batch.labels = at::tensor({0, 4, -1, 3, 1, 2}, at::kLong);
  batch.indices = at::arange(6, at::kLong);
  batch.contrast = crd_contrast(batch.indices, kSamples, /*negatives=*/3);
  return batch;
}

struct Variant {
  std::string name;
  std::function<std::shared_ptr<Network>()> network;
  std::function<void(TrainingStepOptions&)> change;
};

void PrintTo(const Variant& variant, std::ostream* out) {
  *out << variant.name;
}

/// A step whose networks are on the pretended GPU.
struct Rig {
  explicit Rig(const Variant& variant) {
    options.student = variant.network();
    options.teachers = {variant.network()};
    options.student->move_to("cuda");
    options.teachers[0].network->move_to("cuda");
    options.input_shape = kShape;
    options.terms = {{0.5, std::make_shared<KdOptions>(), {}, {}}};
    options.optimizer = test::sgd(0.1, 0.9, 0.01);
    if (variant.change) variant.change(options);
    step = std::make_unique<TrainingStep>(options);
  }

  StepResult run() { return run(given); }

  StepResult run(const Batch& batch) {
    StepResult result;
    step->run(batch, result);
    step->finish(result);
    return result;
  }

  /// Everything that a step could change.
  test::NamedTensors photograph() const {
    test::NamedTensors all = read(step->state());
    all.insert("generator", at::globalContext().defaultGenerator(at::kCUDA).get_state());
    all.insert("steps", at::tensor({step->steps(), step->stage()}, at::kLong));
    all.insert("learning rate", at::tensor({step->learning_rate()}, at::kDouble));
    return all;
  }

  TrainingStepOptions options;
  std::unique_ptr<TrainingStep> step;
  Batch given = batch();
};

class CudaHostSide : public test::CudaTest {
 protected:
  void SetUp() override {
    if (!stand_in) GTEST_SKIP() << "the stand-in for CUDA's runtime is not loaded";
    CudaTest::SetUp();
    at::globalContext().setUserEnabledCuDNN(false);
    at::zeros({1}, at::kCUDA);  // LibTorch prepares its allocator
    test::zero_new_tensors_on_device();
  }
  void TearDown() override {
    if (stand_in) stand_in->fail_allocation(0, false);
  }

  /// Memory in use, without what LibTorch's caches hold. Its thread for backward passes lets go of the last one's
  /// memory a little later, at the latest when it has another one to do.
  static RetortCudaCounts counts_in_use() {
    const at::Tensor leaf = at::ones({1}, at::kCUDA).requires_grad_();
    torch::autograd::grad({leaf.neg()}, {leaf}, {at::ones({1}, at::kCUDA)});
    at::getDeviceAllocator(at::kCUDA)->emptyCache();
    return stand_in->counts();
  }

  /// Takes what LibTorch has in its caches, so that the next tensor needs memory of the device.
  static std::vector<at::Tensor> fill_caches() {
    std::vector<at::Tensor> fillers;
    at::getDeviceAllocator(at::kCUDA)->emptyCache();
    stand_in->fail_allocation(1, /*and_later=*/true);
    try {
      while (true) fillers.push_back(at::empty({1}, at::kCUDA));
    } catch (const c10::Error&) {
      stand_in->fail_allocation(0, false);
    }
    return fillers;
  }

  static inline const RetortCudaStandIn* const stand_in = test::cuda_stand_in();
};

TEST_F(CudaHostSide, MovingKeepsBits) {
  for (const auto& network : {mlp(), resnet(), with_dropout()}) {
    const test::NamedTensors before = read(network->state_dict());
    network->move_to("cuda");
    for (const auto& entry : network->state_dict()) EXPECT_TRUE(entry.value().is_cuda()) << entry.key();
    network->move_to("cpu");
    for (const auto& entry : network->state_dict()) EXPECT_TRUE(entry.value().is_cpu()) << entry.key();
    EXPECT_TRUE(test::same_bits(read(network->state_dict()), before));
  }
}

class CudaHostSideOfStep : public CudaHostSide, public ::testing::WithParamInterface<Variant> {};

TEST_P(CudaHostSideOfStep, RunsWithoutTouchingTheDevicesMemory) {
  Rig rig(GetParam());
  const RetortCudaCounts before = stand_in->counts();
  for (int64_t i = 0; i < 4; ++i) {
    const StepResult result = rig.run();
    EXPECT_FALSE(result.skipped);
    EXPECT_EQ(result.samples, 6);
    EXPECT_EQ(result.labeled, 5);
  }
  EXPECT_EQ(rig.step->steps(), 4 / rig.options.accumulate);
  EXPECT_GT(stand_in->counts().launches, before.launches + 4 * 20);
}

TEST_P(CudaHostSideOfStep, WaitsAsOftenInEveryStep) {
  Rig rig(GetParam());
  const auto waits_of_two = [&] {
    const int64_t before = stand_in->counts().host_waits;
    rig.run();
    rig.run();
    return stand_in->counts().host_waits - before;
  };
  waits_of_two();
  const int64_t waits = waits_of_two();
  RecordProperty("waits of two steps", std::to_string(waits));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(waits_of_two(), waits);
}

TEST_P(CudaHostSideOfStep, LeaksNoMemory) {
  Rig rig(GetParam());
  const auto run = [&](int steps) {
    for (int i = 0; i < steps; ++i) rig.run();
    return counts_in_use();
  };
  const RetortCudaCounts before = run(4);
  const RetortCudaCounts after = run(26);
  constexpr double kOfTheLastPass = 1024;
  EXPECT_GT(before.device_bytes, kOfTheLastPass);
  EXPECT_NEAR(after.device_bytes, before.device_bytes, kOfTheLastPass);
  EXPECT_EQ(after.locked_bytes, before.locked_bytes);
}

TEST_P(CudaHostSideOfStep, ChangesNothingWhereMemoryRunsOut) {
  Rig rig(GetParam());
  rig.run();
  int64_t failures = 0;
  for (bool failed = true; failed;) {
    const test::NamedTensors before = rig.photograph();
    const std::vector<at::Tensor> fillers = fill_caches();
    failed = false;
    stand_in->fail_allocation(failures + 1, /*and_later=*/true);
    try {
      rig.run();
    } catch (const c10::Error& error) {
      failed = true;
      const std::string text = error.what_without_backtrace();
      EXPECT_NE(text.find("out of memory"), std::string::npos) << text;
      EXPECT_LT(text.size(), 1000u) << text;
    }
    stand_in->fail_allocation(0, false);
    if (!failed) break;
    ++failures;
    ASSERT_TRUE(test::same_bits(rig.photograph(), before)) << "at allocation " << failures;
  }
  EXPECT_GT(failures, 0);
  rig.run();
  EXPECT_EQ(rig.step->steps(), 3 / rig.options.accumulate);
}

Variant of_loss(const std::string& name, Term term) {
  return {name, &resnet, [=](TrainingStepOptions& options) { options.terms = {term}; }};
}

std::shared_ptr<CrdOptions> crd() {
  auto options = std::make_shared<CrdOptions>();
  options->samples = kSamples;
  options->dimension = 5;
  options->z = CrdZ::kFixed;
  options->z_student = options->z_teacher = 100;
  return options;
}

const std::vector<std::string> kMaps = {"layer1", "layer2"};

std::vector<Term> all_losses() {
  return {
      {1.0, std::make_shared<KdOptions>(), {}, {}},
      {1.0, std::make_shared<FspOptions>(), kMaps, kMaps},
      {1.0, std::make_shared<NstOptions>(), kMaps, kMaps},
      {1.0, std::make_shared<OfdOptions>(), {"layer2.pre"}, {"layer2.pre"}},
      {1.0, crd(), {"embedding"}, {"embedding"}}};
}

INSTANTIATE_TEST_SUITE_P(
    Step, CudaHostSideOfStep,
    ::testing::Values(
        Variant{"Mlp", &mlp, {}}, Variant{"ResNet", &resnet, {}}, Variant{"Dropout", &with_dropout, {}},
        of_loss("Fsp", {1.0, std::make_shared<FspOptions>(), kMaps, kMaps}),
        of_loss("Nst", {1.0, std::make_shared<NstOptions>(), kMaps, kMaps}),
        of_loss("Ofd", {1.0, std::make_shared<OfdOptions>(), {"layer2.pre"}, {"layer2.pre"}}),
        of_loss("Crd", {1.0, crd(), {"embedding"}, {"embedding"}}),
        Variant{
            "Accumulation", &resnet,
            [](TrainingStepOptions& options) {
              options.accumulate = 2;
              options.clip_value = 0.05;
              options.clip_norm = 0.01;
            }},
        Variant{
            "Adam", &mlp, [](TrainingStepOptions& options) { options.optimizer = std::make_shared<AdamOptions>(); }},
        Variant{"LateResults", &resnet, [](TrainingStepOptions& options) { options.late_results = true; }},
        Variant{
            "Float16", &resnet, [](TrainingStepOptions& options) { options.student_precision = Precision::kFloat16; }},
        Variant{"Graph", &resnet, [](TrainingStepOptions& options) { options.cuda_graph = true; }},
        Variant{
            "GraphWithLateResults", &resnet,
            [](TrainingStepOptions& options) {
              options.cuda_graph = true;
              options.late_results = true;
              options.terms = {
                  {0.5, std::make_shared<KdOptions>(), {}, {}}, {1.0, crd(), {"embedding"}, {"embedding"}}};
            }},
        Variant{"SkipNonFinite", &mlp, [](TrainingStepOptions& options) { options.skip_non_finite = true; }},
        Variant{
            "Formats", &resnet,
            [](TrainingStepOptions& options) {
              options.student_format = MemoryFormat::kChannelsLast;
              options.student_precision = Precision::kBFloat16;
              options.teachers[0].precision = Precision::kBFloat16;
            }},
        Variant{
            "TrainingTeacher", &resnet,
            [](TrainingStepOptions& options) { options.teachers[0].batch_norm = TeacherBatchNorm::kTraining; }}),
    [](const ::testing::TestParamInfo<Variant>& of) { return of.param.name; });

// ---- waiting --------------------------------------------------------------------------------------------------------

class CudaHostSideOfWaits : public CudaHostSide {
 protected:
  /// How often the host waits in a step, finish() apart, once what is prepared in the first is there.
  static int64_t waits_of(const Variant& variant) {
    Rig rig(variant);
    StepResult result;
    for (int i = 0; i < 3; ++i) rig.step->run(rig.given, result);
    const int64_t before = stand_in->counts().host_waits;
    for (int i = 0; i < 4; ++i) rig.step->run(rig.given, result);
    const int64_t waits = stand_in->counts().host_waits - before;
    EXPECT_EQ(waits % 4, 0);
    return waits / 4;
  }
};

TEST_F(CudaHostSideOfWaits, StepWaitsOnce) {
  for (bool late : {false, true}) {
    SCOPED_TRACE(late);
    EXPECT_EQ(
        waits_of(
            {"all losses", &resnet,
             [=](TrainingStepOptions& options) {
               options.late_results = late;
               options.clip_value = 0.5;
               options.clip_norm = 0.5;
               options.preprocessing.mean = {0.4, 0.5, 0.6};
               options.preprocessing.deviation = {0.2, 0.2, 0.2};
               options.terms = all_losses();
             }}),
        1);
  }
}

TEST_F(CudaHostSideOfWaits, LateResultsAreNotWaitedForByTheirOwnStep) {
  Rig rig({"late", &resnet, [](TrainingStepOptions& options) { options.late_results = true; }});
  rig.run();
  StepResult result;
  const int64_t before = stand_in->counts().host_waits;
  rig.step->run(rig.given, result);
  EXPECT_EQ(stand_in->counts().host_waits, before);
  EXPECT_EQ(result.samples, 0);
  rig.step->run(rig.given, result);
  EXPECT_EQ(result.samples, 6);
  EXPECT_EQ(stand_in->counts().host_waits, before + 1);
}

// ---- graphs ---------------------------------------------------------------------------------------------------------

class CudaHostSideOfGraph : public CudaHostSide {
 protected:
  void SetUp() override {
    if (std::getenv("PYTORCH_NO_CUDA_MEMORY_CACHING")) GTEST_SKIP() << "graphs take their memory from LibTorch's cache";
    CudaHostSide::SetUp();
  }

  static constexpr int kBatchesBefore = 3;

  /// A step with a graph.
  static Rig rig_of(
      const std::function<std::shared_ptr<Network>()>& network,
      const std::function<void(TrainingStepOptions&)>& change = {}) {
    return Rig({"graph", network, [=](TrainingStepOptions& options) {
                  options.cuda_graph = true;
                  if (change) change(options);
                }});
  }

  /// Steps until the next is done by a graph.
  static void prepare(Rig& rig) {
    for (int i = 0; i < kBatchesBefore; ++i) EXPECT_FALSE(rig.run().graph) << i;
  }

  static std::string obstacle_after_some_steps(Rig rig) {
    for (int i = 0; i < kBatchesBefore + 2; ++i) EXPECT_FALSE(rig.run().graph) << i;
    EXPECT_EQ(rig.step->steps(), (kBatchesBefore + 2) / rig.options.accumulate);
    return rig.step->graph_obstacle();
  }
};

TEST_F(CudaHostSideOfGraph, TakesTheWholeStep) {
  for (const Variant& variant : std::vector<Variant>{
           {"Mlp", &mlp, {}},
           {"Losses", &resnet, [](TrainingStepOptions& options) { options.terms = all_losses(); }},
           {"Adam", &resnet, [](TrainingStepOptions& options) { options.optimizer = std::make_shared<AdamOptions>(); }},
           {"Clipping", &resnet, [](TrainingStepOptions& options) { options.clip_norm = options.clip_value = 0.1; }},
           {"Float16", &resnet,
            [](TrainingStepOptions& options) {
              options.student_precision = options.teachers[0].precision = Precision::kFloat16;
              options.student_format = options.teachers[0].format = MemoryFormat::kChannelsLast;
            }},
           {"Bytes", &resnet, [](TrainingStepOptions& options) { options.preprocessing.channels_last = true; }},
           {"TrainingTeacher", &resnet,
            [](TrainingStepOptions& options) { options.teachers[0].batch_norm = TeacherBatchNorm::kTraining; }},
           {"BatchStatistics", &resnet, [](TrainingStepOptions& options) {
              options.teachers[0].batch_norm = TeacherBatchNorm::kBatchStatistics;
            }}}) {
    SCOPED_TRACE(variant.name);
    Rig rig = rig_of(variant.network, variant.change);
    if (rig.options.preprocessing.channels_last) {
      rig.given.images = rig.given.images.permute({0, 2, 3, 1}).mul(100).to(at::kByte);
    }
    if (variant.name == "Losses") rig.given.contrast = at::Tensor();
    prepare(rig);
    const RetortCudaCounts before = stand_in->counts();
    const StepResult first = rig.run();
    const RetortCudaCounts recorded = stand_in->counts();
    EXPECT_TRUE(first.graph) << rig.step->graph_obstacle();
    EXPECT_EQ(rig.step->graph_obstacle(), "");
    EXPECT_GT(recorded.recorded - before.recorded, 30);
    EXPECT_EQ(recorded.graph_launches - before.graph_launches, 1);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(rig.run().graph);
    const RetortCudaCounts after = stand_in->counts();
    EXPECT_EQ(after.recorded, recorded.recorded);
    EXPECT_EQ(after.graph_launches - recorded.graph_launches, 3);
    EXPECT_EQ(after.host_waits - recorded.host_waits, 3);
    EXPECT_LE(after.launches - recorded.launches, 3 * 6) << "what is remembered, and what is drawn";
    EXPECT_EQ(after.device_bytes, recorded.device_bytes);
    EXPECT_EQ(rig.step->steps(), 7);
    EXPECT_EQ(first.labeled, 5);
  }
}

TEST_F(CudaHostSideOfGraph, OtherBatchesAreDoneWithout) {
  Rig rig = rig_of(&resnet);
  prepare(rig);
  EXPECT_TRUE(rig.run().graph);
  Batch last = rig.given;
  for (at::Tensor* part : {&last.images, &last.labels, &last.indices, &last.contrast}) *part = part->slice(0, 0, 4);
  EXPECT_FALSE(rig.run(last).graph);
  EXPECT_TRUE(rig.run().graph);
  Batch weighted = rig.given;
  weighted.weights = at::ones({6});
  EXPECT_FALSE(rig.run(weighted).graph);
  Batch unlabeled = rig.given;
  unlabeled.labels = at::full_like(rig.given.labels, -1);
  EXPECT_FALSE(rig.run(unlabeled).graph);
  EXPECT_TRUE(rig.run().graph);
  // What comes often gets a graph of its own.
  for (int i = 0; i < kBatchesBefore; ++i) EXPECT_FALSE(rig.run(last).graph);
  EXPECT_TRUE(rig.run(last).graph);
  EXPECT_FALSE(rig.run().graph);
}

TEST_F(CudaHostSideOfGraph, MovedNetworksBeginAnew) {
  for (const auto& network : {&resnet, &mlp}) {
    for (const bool is_student : {true, false}) {
      Rig rig = rig_of(network);
      prepare(rig);
      EXPECT_TRUE(rig.run().graph);
      const auto& moved = is_student ? rig.options.student : rig.options.teachers[0].network;
      // As long as these live, the network can't come to the same places again.
      const auto before = moved->state_dict();
      moved->move_to("cpu");
      moved->move_to("cuda");
      EXPECT_FALSE(rig.run().graph);
      EXPECT_EQ(rig.step->graph_obstacle(), "");
    }
  }
}

TEST_F(CudaHostSideOfGraph, CheckpointAndStageBeginAnew) {
  const test::TemporaryFolder folder;
  Rig rig = rig_of(&resnet, [](TrainingStepOptions& options) {
    options.later_stages = {options};
    options.steps = 5;
  });
  prepare(rig);
  rig.step->save(folder.file("checkpoint"));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(rig.run().graph);
  EXPECT_EQ(rig.step->stage(), 1);
  prepare(rig);
  EXPECT_TRUE(rig.run().graph);
  rig.step->load(folder.file("checkpoint"));
  EXPECT_EQ(rig.step->steps(), kBatchesBefore);
  EXPECT_FALSE(rig.run().graph);
}

TEST_F(CudaHostSideOfGraph, ObstaclesAreNamed) {
  EXPECT_EQ(obstacle_after_some_steps(Rig({"eager", &resnet, {}})), "no graph is wanted");
  EXPECT_EQ(
      obstacle_after_some_steps(rig_of(&resnet, [](TrainingStepOptions& options) { options.accumulate = 5; })),
      "an update takes 5 batches");
  EXPECT_EQ(
      obstacle_after_some_steps(
          rig_of(&resnet, [](TrainingStepOptions& options) { options.teachers[0].cache.samples = kSamples; })),
      "the teacher's outputs are cached");
  const std::string of_dropout = obstacle_after_some_steps(rig_of(&with_dropout));
  EXPECT_NE(of_dropout.find("CUDA generator"), std::string::npos) << of_dropout;
  const std::string of_waiting = obstacle_after_some_steps(rig_of([] {
    auto network = std::make_shared<test::TinyNetwork>(kClasses);
    network->at_end = [](NetworkOutput& output) { output.logits.sum().item(); };
    return network;
  }));
  EXPECT_NE(of_waiting.find("capturing"), std::string::npos) << of_waiting;
  const std::string of_replacing = obstacle_after_some_steps(rig_of([] {
    auto network = std::make_shared<test::TinyNetwork>(kClasses);
    network->at_end = [buffer = network->named_buffers()["norm.running_mean"]](NetworkOutput&) mutable {
      buffer.set_data(buffer.clone());
    };
    return network;
  }));
  EXPECT_EQ(of_replacing, "a network assigns its buffers anew");
  const std::string of_drawing = obstacle_after_some_steps(rig_of([] {
    auto network = std::make_shared<test::TinyNetwork>(kClasses);
    network->halfway = [] { at::rand({1}); };
    return network;
  }));
  EXPECT_EQ(of_drawing, "a network changes attributes of its own, or draws random numbers on the CPU");
}

TEST_F(CudaHostSideOfGraph, ObstacleLeavesTheStepAsItWas) {
  const auto generator_after_some_steps = [](bool graph) {
    Rig rig({"with dropout", &with_dropout, [=](TrainingStepOptions& options) {
               options.cuda_graph = graph;
               options.terms = {{1.0, crd(), {"embedding"}, {"embedding"}}};
             }});
    rig.given.contrast = at::Tensor();
    manual_seed(3);
    for (int i = 0; i < kBatchesBefore + 2; ++i) rig.run();
    EXPECT_EQ(rig.step->graph_obstacle().empty(), false);
    return rig.photograph()["generator"];
  };
  EXPECT_TRUE(test::same_bits(generator_after_some_steps(true), generator_after_some_steps(false)));
}

}  // namespace
}  // namespace retort
