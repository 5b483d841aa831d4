// What a step takes from its teacher: computed, given with the batch or remembered.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/models/torchscript.h>
#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <stdexcept>

#include "files.h"
#include "reference/kd.h"
#include "seeded_test.h"
#include "step_rig.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::close;
using test::error_of;
using test::expect_same_results;
using test::file_error_of;
using test::NamedTensors;
using test::same_bits;
using test::StepRig;
using test::TinyNetwork;
using Change = std::function<void(TrainingStepOptions&)>;

/// Lets nothing but KD's term remain.
void kd_only(TrainingStepOptions& options) {
  options.terms.resize(1);
}

void without_teacher(TrainingStepOptions& options) {
  kd_only(options);
  options.teachers[0].network = nullptr;
}

/// The batch with the outputs of the teacher for it.
void give_outputs(StepRig& rig) {
  const at::NoGradGuard no_grad;
  rig.teacher->eval();
  const NetworkOutput output = rig.teacher->forward(rig.batch.images);
  rig.teacher->train();
  rig.batch.teacher_outputs = {{output.logits, {}}};
  for (const std::string& tap : rig.step->teacher_taps()) {
    rig.batch.teacher_outputs[0].features.push_back(output.features[static_cast<size_t>(rig.teacher->tap_index(tap))]);
  }
}

class TeacherTest : public test::SeededTest {};

// ---- given outputs --------------------------------------------------------------------------------------------------

TEST_F(TeacherTest, GivenOutputsAreAsGoodAsComputedOnes) {
  // As the outputs that are given.
  const auto contiguous = [](TrainingStepOptions& options) { options.teachers[0].format = MemoryFormat::kContiguous; };
  StepRig rig(contiguous), computing(contiguous);
  EXPECT_EQ(rig.step->teacher_taps(), (std::vector<std::string>{"embedding", "map"}));
  give_outputs(rig);
  rig.teacher->halfway = [] { throw std::runtime_error("the teacher ran"); };
  for (uint64_t seed : {1, 2}) {
    expect_same_results(rig.run(seed), computing.run(seed));
    EXPECT_TRUE(same_bits(rig.photograph(), computing.photograph()));
  }
}

TEST_F(TeacherTest, GivenLogitsNeedNoTeacher) {
  StepRig rig(without_teacher), computing(kd_only);
  rig.batch.teacher_outputs = {{computing.teacher->predict(computing.batch.images), {}}};
  for (uint64_t seed : {1, 2}) {
    expect_same_results(rig.run(seed), computing.run(seed));
    EXPECT_TRUE(same_bits(rig.step->state(), computing.step->state()));
  }
}

TEST_F(TeacherTest, GivenOutputsAreNeitherChangedNorDifferentiated) {
  StepRig rig, computing;
  give_outputs(rig);
  give_outputs(computing);
  computing.batch.teacher_outputs[0].logits = computing.batch.teacher_outputs[0].logits.to(at::kDouble);
  rig.batch.teacher_outputs[0].logits.requires_grad_();
  const at::Tensor before = rig.batch.teacher_outputs[0].features[1].clone();
  expect_same_results(rig.run(1), computing.run(1));
  EXPECT_TRUE(same_bits(rig.batch.teacher_outputs[0].features[1], before));
  EXPECT_FALSE(rig.batch.teacher_outputs[0].logits.grad().defined());
}

TEST_F(TeacherTest, RejectsGivenOutputs) {
  StepRig rig;
  give_outputs(rig);
  const NamedTensors before = rig.photograph();
  const auto error_after = [&](const std::function<void(Batch&)>& change) {
    Batch batch = rig.batch;
    change(batch);
    StepResult result;
    const auto run = [&] { rig.step->run(batch, result); };
    EXPECT_THROW(run(), ShapeError);
    EXPECT_TRUE(same_bits(rig.photograph(), before));
    return error_of(run);
  };
  EXPECT_EQ(
      error_after([](Batch& batch) { batch.teacher_outputs[0].logits = batch.teacher_outputs[0].logits.slice(1, 1); }),
      "TrainingStep: teacher's logits must be of shape [6, 5] (got [6, 4])");
  EXPECT_EQ(
      error_after([](Batch& batch) { batch.teacher_outputs[0].logits = batch.teacher_outputs[0].logits.slice(0, 1); }),
      "TrainingStep: teacher's logits must be of shape [6, 5] (got [5, 5])");
  EXPECT_EQ(
      error_after(
          [](Batch& batch) { batch.teacher_outputs[0].logits = batch.teacher_outputs[0].logits.to(at::kLong); }),
      "TrainingStep: teacher's logits must be floating point and on the student's device (got Long on cpu)");
  EXPECT_EQ(
      error_after(
          [](Batch& batch) { batch.teacher_outputs[0].logits = batch.teacher_outputs[0].logits.to(at::kMeta); }),
      "TrainingStep: teacher's logits must be floating point and on the student's device (got Float on meta)");
  EXPECT_EQ(
      error_after([](Batch& batch) { batch.teacher_outputs[0].logits = at::Tensor(); }),
      "TrainingStep: teacher's logits must be given with its features (got an undefined tensor)");
  EXPECT_EQ(
      error_after([](Batch& batch) { batch.teacher_outputs[0].features.pop_back(); }),
      "TrainingStep: teacher's features must be one for each of 2 taps (got 1)");
  EXPECT_EQ(
      error_after([](Batch& batch) { batch.teacher_outputs[0].features[1] = at::Tensor(); }),
      "TrainingStep: teacher's feature map must be of shape [6, 4, 6, 6] (got an undefined tensor)");
  EXPECT_EQ(
      error_after(
          [](Batch& batch) { std::swap(batch.teacher_outputs[0].features[0], batch.teacher_outputs[0].features[1]); }),
      "TrainingStep: teacher's feature embedding must be of shape [6, 4] (got [6, 4, 6, 6])");
  EXPECT_EQ(
      error_after([](Batch& batch) {
        batch.teacher_outputs[0].features[0] = batch.teacher_outputs[0].features[0].to(at::kInt);
      }),
      "TrainingStep: teacher's feature embedding must be floating point and on the student's device (got Int on cpu)");
}

TEST_F(TeacherTest, RejectsBatchesWithoutOutputsIfThereIsNoTeacher) {
  StepRig rig(without_teacher);
  const auto run = [&] { rig.run(1); };
  EXPECT_THROW(run(), ShapeError);
  EXPECT_EQ(
      error_of(run), "TrainingStep: teacher's logits must be given without its network (got an undefined tensor)");
  rig.batch.teacher_outputs = {{at::zeros({6, 4}), {}}};
  EXPECT_EQ(error_of(run), "kd_loss: student and teacher must have the same shape (got [6, 5] and [6, 4])");
}

// ---- dtypes ---------------------------------------------------------------------------------------------------------

TEST_F(TeacherTest, OutputsAreOfTheStudentsDtype) {
  StepRig rig([](TrainingStepOptions& options) { options.student->convert(at::kDouble); });
  rig.batch.images = rig.batch.images.to(at::kDouble);
  at::Tensor learned, taught;
  rig.student->at_end = [&](NetworkOutput& output) { learned = output.logits.detach(); };
  rig.teacher->at_end = [&](NetworkOutput& output) { taught = output.logits; };
  const StepResult result = rig.run(1);
  ASSERT_EQ(taught.scalar_type(), at::kFloat);
  EXPECT_TRUE(close(result.terms[0], reference::kd_loss(learned, taught.to(at::kDouble), 4.0).item<double>(), 1e-12));
}

TEST_F(TeacherTest, BFloat16IsClose) {
  StepRig rig([](TrainingStepOptions& options) { options.teachers[0].precision = Precision::kBFloat16; });
  StepRig full;
  const NamedTensors before = test::copy_of(rig.teacher->state_dict());
  at::ScalarType dtype = at::kFloat;
  rig.teacher->at_end = [&](NetworkOutput& output) { dtype = output.logits.scalar_type(); };
  const StepResult result = rig.run(1), expected = full.run(1);
  EXPECT_EQ(dtype, at::kBFloat16);
  for (size_t i = 0; i < expected.terms.size(); ++i) {
    EXPECT_TRUE(close(result.terms[i], expected.terms[i], 0.02)) << i;
    EXPECT_NE(result.terms[i], expected.terms[i]) << i;
  }
  EXPECT_EQ(result.cross_entropy, expected.cross_entropy);
  EXPECT_TRUE(same_bits(rig.teacher->state_dict(), before));
}

// ---- BatchNorm ------------------------------------------------------------------------------------------------------

class TeacherBatchNormTest : public test::SeededTest, public ::testing::WithParamInterface<TeacherBatchNorm> {};

TEST_P(TeacherBatchNormTest, DoesWhatItsModeSays) {
  const bool of_the_batch = GetParam() != TeacherBatchNorm::kEvaluation;
  std::shared_ptr<TinyNetwork> teacher;
  StepRig rig([&](TrainingStepOptions& options) {
    // Dropout, which must stay off.
    options.teachers = {teacher = std::make_shared<TinyNetwork>(5, /*dropout=*/0.5)};
    options.teachers[0].batch_norm = GetParam();
    options.teachers[0].format = MemoryFormat::kContiguous;  // as the twin's images
  });
  const auto twin = std::make_shared<TinyNetwork>(5);
  for (const auto& entry : twin->state_dict()) at::Tensor(entry.value()).copy_(teacher->state_dict()[entry.key()]);
  twin->train(of_the_batch);
  teacher->eval();
  teacher->named_children()["head"]->train();

  at::Tensor logits;
  std::string modes;
  const auto modes_of_teacher = [&] {
    std::string text;
    for (const auto& part : teacher->modules()) text += part->is_training() ? 't' : 'e';
    return text;
  };
  const std::string modes_before = modes_of_teacher();
  teacher->at_end = [&](NetworkOutput& output) {
    logits = output.logits;
    modes = modes_of_teacher();
  };
  const NamedTensors before = test::copy_of(teacher->state_dict());
  for (uint64_t seed : {1, 2}) {
    rig.run(seed);
    EXPECT_TRUE(same_bits(logits, twin->forward(rig.batch.images).logits));
    EXPECT_EQ(modes, of_the_batch ? "eete" : "eeee") << "of the network, conv, norm and head";
    EXPECT_EQ(modes_of_teacher(), modes_before);
  }
  const bool moves = GetParam() == TeacherBatchNorm::kTraining;
  EXPECT_TRUE(same_bits(teacher->state_dict(), moves ? twin->state_dict() : before));
  EXPECT_EQ(same_bits(teacher->state_dict()["norm.running_mean"], before["norm.running_mean"]), !moves);
}

INSTANTIATE_TEST_SUITE_P(
    Mode, TeacherBatchNormTest,
    ::testing::Values(TeacherBatchNorm::kEvaluation, TeacherBatchNorm::kTraining, TeacherBatchNorm::kBatchStatistics));

// ---- cache ----------------------------------------------------------------------------------------------------------

/// A step with a cache whose teacher counts the images it sees.
struct CachedRig : StepRig {
  explicit CachedRig(const std::string& file = {}, const Change& change = {})
      : StepRig([&](TrainingStepOptions& options) {
          options.teachers[0].cache.samples = 12;
          options.teachers[0].cache.file = file;
          if (change) change(options);
        }) {
    teacher->at_end = [this](NetworkOutput& output) { images_seen += output.logits.size(0); };
  }

  int64_t images_seen = 0;
};

class TeacherCacheInAStepTest : public test::SeededTest {
 protected:
  std::string path() const { return folder_.file("cache"); }

  test::TemporaryFolder folder_;
};

TEST_F(TeacherCacheInAStepTest, KnownSamplesAreNotComputedAgain) {
  for (const std::string& file : {std::string(), path()}) {
    CachedRig rig(file);
    StepRig computing;
    for (uint64_t seed : {1, 2, 3}) {
      expect_same_results(rig.run(seed), computing.run(seed));
      EXPECT_TRUE(same_bits(rig.photograph(), computing.photograph()));
      EXPECT_EQ(rig.images_seen, 6);
    }
  }
}

/// Results and images of a batch may differ in rounding from those of another composition.
TEST_F(TeacherCacheInAStepTest, BatchesMayBePartlyKnown) {
  CachedRig rig;
  StepRig computing;
  rig.run(1);
  computing.run(1);
  const at::Tensor known = rig.batch.images;
  const at::Tensor fresh = at::randn({3, 3, 6, 6});
  for (StepRig* one : {static_cast<StepRig*>(&rig), &computing}) {
    one->batch.indices = at::tensor({7, 4, 0, 8, 2, 6}, at::kLong);
    one->batch.contrast = crd_contrast(one->batch.indices, 12, 2);
    one->batch.images = at::stack({fresh[0], known[4], known[0], fresh[1], known[2], fresh[2]});
  }
  computing.batch.contrast = rig.batch.contrast;
  const StepResult result = rig.run(2), expected = computing.run(2);
  EXPECT_EQ(rig.images_seen, 6 + 3);
  for (size_t i = 0; i < expected.terms.size(); ++i) {
    EXPECT_TRUE(close(result.terms[i], expected.terms[i], 1e-5)) << i;
  }
  rig.run(3);
  EXPECT_EQ(rig.images_seen, 6 + 3);
}

TEST_F(TeacherCacheInAStepTest, SamplesMayBeThereTwice) {
  CachedRig rig({}, kd_only);
  StepRig computing(kd_only);
  for (StepRig* one : {static_cast<StepRig*>(&rig), &computing}) {
    one->batch.indices = at::tensor({0, 3, 0, 3, 3, 11}, at::kLong);
    one->batch.images = one->batch.images.index_select(0, at::tensor({0, 1, 0, 1, 1, 2}, at::kLong));
  }
  for (uint64_t seed : {1, 2}) {
    expect_same_results(rig.run(seed), computing.run(seed));
    EXPECT_LE(rig.images_seen, 6);
  }
}

TEST_F(TeacherCacheInAStepTest, FileServesTheNextStep) {
  StepRig computing;
  {
    CachedRig rig(path());
    rig.run(1);
  }
  CachedRig rig(path());
  expect_same_results(rig.run(1), computing.run(1));
  EXPECT_EQ(rig.images_seen, 0);
}

TEST_F(TeacherCacheInAStepTest, FileOfAnotherTeacherIsRefused) {
  { CachedRig rig(path()); }
  const auto error_after = [&](const Change& change) { return file_error_of([&] { CachedRig(path(), change); }); };
  const std::string teacher = "TeacherCache: file must be of the same teacher (got another in " + path() + ")";
  const std::string outputs = "TeacherCache: file must be of the same outputs (got others in " + path() + ")";
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) {
        const at::NoGradGuard no_grad;
        options.teachers[0].network->named_parameters()["conv.weight"][3][2][0][1].add_(1e-3);
      }),
      teacher);
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) {
        options.teachers[0].network->named_buffers()["norm.running_var"][2] += 1;
      }),
      teacher);
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) {
        options.preprocessing.mean = {0.5};
        options.preprocessing.deviation = {1};
      }),
      teacher);
  EXPECT_EQ(error_after(kd_only), outputs);
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers[0].precision = Precision::kBFloat16; }), outputs);
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers[0].cache.samples = 13; }),
      "TeacherCache: file must be of 13 samples (got 12 in " + path() + ")");
  CachedRig again(path());
}

TEST_F(TeacherCacheInAStepTest, FileOfAnotherProgramIsRefused) {
  const std::string program = folder_.file("teacher.ts");
  const auto save_program = [&](const std::string& shift) {
    torch::jit::Module module("Net");
    module.register_parameter("head", at::ones({5, 3}), /*is_buffer=*/false);
    module.define("def forward(self, x):\n    return torch.linear((x - " + shift + ").mean([2, 3]), self.head), [x]\n");
    module.save(program);
  };
  const auto with_program = [&](TrainingStepOptions& options) {
    kd_only(options);
    options.teachers = {load_torchscript(program)};
    options.teachers[0].cache = {12, path()};
  };
  save_program("0.5");
  { StepRig rig(with_program); }
  { StepRig rig(with_program); }
  save_program("0.4");
  EXPECT_EQ(
      file_error_of([&] { StepRig rig(with_program); }),
      "TeacherCache: file must be of the same teacher (got another in " + path() + ")");
}

TEST_F(TeacherCacheInAStepTest, FailedStepRemembersNothing) {
  CachedRig rig;
  const auto no = [] { throw std::runtime_error("no"); };
  rig.second->in_forward = [&](const at::Tensor& loss) {
    no();
    return loss;
  };
  EXPECT_ANY_THROW(rig.run(1));
  rig.mend();
  rig.second->in_after_step = no;
  rig.teacher->at_end = [&rig](NetworkOutput& output) { rig.images_seen += output.logits.size(0); };
  rig.images_seen = 0;
  EXPECT_ANY_THROW(rig.run(1));
  EXPECT_ANY_THROW(rig.run(1));
  EXPECT_EQ(rig.images_seen, 12);
  rig.second->in_after_step = nullptr;
  rig.run(1);
  EXPECT_EQ(rig.images_seen, 18);
  rig.run(1);
  EXPECT_EQ(rig.images_seen, 18);
}

TEST_F(TeacherCacheInAStepTest, StepAfterAFailedOneRemembersNothingOfIt) {
  CachedRig rig;
  const at::Tensor known = rig.batch.indices;
  const at::Tensor others = known + 6;
  rig.run(1);
  rig.batch.indices = others;
  rig.second->in_after_step = [] { throw std::runtime_error("no"); };
  EXPECT_ANY_THROW(rig.run(1));
  rig.second->in_after_step = nullptr;
  rig.batch.indices = known;
  rig.run(1);
  rig.images_seen = 0;
  rig.batch.indices = others;
  rig.run(1);
  EXPECT_EQ(rig.images_seen, 6);
}

TEST_F(TeacherCacheInAStepTest, GivenOutputsAreNotRemembered) {
  CachedRig rig({}, kd_only);
  rig.batch.teacher_outputs = {{at::zeros({6, 5}), {}}};
  const at::Tensor indices = std::exchange(rig.batch.indices, at::Tensor());
  rig.run(1);
  EXPECT_EQ(rig.images_seen, 0);
  rig.batch.teacher_outputs = {};
  rig.batch.indices = indices;
  rig.run(1);
  EXPECT_EQ(rig.images_seen, 6);
}

TEST_F(TeacherCacheInAStepTest, RoundedOutputsAreTheSameInEveryEpoch) {
  CachedRig rig({}, [](TrainingStepOptions& options) {
    options.teachers[0].precision = Precision::kBFloat16;
    options.terms.resize(2);
    // Too small to move anything.
    options.optimizer = test::sgd(1e-300);
  });
  const StepResult first = rig.run(1);
  expect_same_results(rig.run(1), first);
  EXPECT_EQ(rig.images_seen, 6);
}

TEST_F(TeacherCacheInAStepTest, RejectsIndices) {
  CachedRig rig({}, kd_only);
  const auto error_of_indices = [&](const at::Tensor& indices) {
    rig.batch.indices = indices;
    return error_of([&] { rig.run(1); });
  };
  EXPECT_EQ(error_of_indices({}), "TrainingStep: indices must be given (got an undefined tensor)");
  EXPECT_EQ(error_of_indices(at::arange(7, 13, at::kLong)), "TrainingStep: indices must be between 0 and 11 (got 12)");
  EXPECT_EQ(error_of_indices(at::arange(-1, 5, at::kLong)), "TrainingStep: indices must be between 0 and 11 (got -1)");
  EXPECT_EQ(rig.images_seen, 0);
}

TEST_F(TeacherCacheInAStepTest, RejectsOptions) {
  const auto error_after = [](const Change& change) { return error_of([&] { CachedRig({}, change); }); };
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.teachers[0].cache.samples = -1; }),
      "TrainingStep: samples of the teacher's cache must be at least 0 (got -1)");
  EXPECT_EQ(error_after(without_teacher), "TrainingStep: teacher must be given with a cache (got null)");
  for (TeacherBatchNorm mode : {TeacherBatchNorm::kTraining, TeacherBatchNorm::kBatchStatistics}) {
    EXPECT_EQ(
        error_after([=](TrainingStepOptions& options) { options.teachers[0].batch_norm = mode; }),
        "TrainingStep: BatchNorm of a teacher with a cache must be in evaluation mode (got one of the batch's "
        "statistics)");
  }
}

}  // namespace
}  // namespace retort
