// Losses that are TorchScript programs.
#include <retort/losses/program_loss.h>

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/losses/registry.h>
#include <retort/train/training_step.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <sstream>

#include "expect.h"
#include "files.h"
#include "finite_difference.h"
#include "networks.h"
#include "optimizers.h"
#include "reference/attention_transfer.h"
#include "seeded_test.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::close;
using test::error_of;
using test::file_error_of;
using test::NamedTensors;
using test::same_bits;

const std::string kAttentionTransfer = ATTENTION_TRANSFER_PROGRAM;

/// A loss with a parameter, a buffer and a number.
torch::jit::Module program_of(const std::string& forward) {
  torch::jit::Module regressor("Regressor");
  regressor.register_attribute("training", c10::BoolType::get(), false);
  regressor.register_parameter("weight", at::full({4, 4}, 0.25).requires_grad_(), /*is_buffer=*/false);
  regressor.define("def forward(self, x):\n    return torch.matmul(x, self.weight)\n");
  torch::jit::Module program("Loss");
  program.register_attribute("training", c10::BoolType::get(), false);
  program.register_module("regressor", regressor);
  program.register_buffer("mean", at::zeros({4}));
  program.register_buffer("calls", at::zeros({}, at::kLong));
  program.register_attribute("scale", c10::FloatType::get(), 2.0);
  program.register_attribute("seen", c10::ListType::ofInts(), c10::List<int64_t>());
  program.define(forward);
  return program;
}

std::shared_ptr<CriterionOptions> loss_of(const torch::jit::Module& program) {
  std::stringstream stream;
  program.save(stream);
  return load_program_loss(stream, "loss.ts");
}

std::shared_ptr<CriterionOptions> loss_of(const std::string& forward) {
  return loss_of(program_of(forward));
}

const std::string kHint =
    "def forward(self, student_taps: List[Tensor], teacher_taps: List[Tensor], labels: Tensor):\n"
    "    features = self.regressor.forward(student_taps[0])\n"
    "    self.calls.add_(1)\n"
    "    if self.training:\n"
    "        self.mean = 0.9 * self.mean + 0.1 * features.detach().mean(0).to(self.mean.dtype)\n"
    "    return (features - teacher_taps[0] - self.mean).square().mean() * self.scale\n";

std::string hint_with(const std::string& line) {
  return kHint.substr(0, kHint.rfind("    return")) + "    " + line + "\n" + kHint.substr(kHint.rfind("    return"));
}

CriterionInput input_of(at::ScalarType dtype = at::kDouble) {
  CriterionInput input;
  input.student = {at::randn({6, 4}, dtype).requires_grad_()};
  input.teacher = {at::randn({6, 4}, dtype)};
  input.logits_student = at::randn({6, 5}, dtype).requires_grad_();
  input.logits_teacher = at::randn({6, 5}, dtype);
  input.labels = at::arange(6) % 5;
  return input;
}

const FeatureShapes kShapes = {{{4}}, {{4}}, 5, 5};

class ProgramLossTest : public test::SeededTest {};

TEST_F(ProgramLossTest, ExportedAttentionTransferMatchesReference) {
  const FeatureShapes shapes = {{{4, 6, 6}, {3, 2, 3}}, {{5, 3, 3}, {3, 2, 3}}};
  const auto program = load_program_loss(EXPORTED_ATTENTION_TRANSFER_PROGRAM)->build(shapes);
  EXPECT_EQ(program->named_parameters().keys(), std::vector<std::string>({"regressor.weight", "regressor.bias"}));
  for (int64_t batch : {2, 5}) {
    CriterionInput input;
    // The program's layer begins as the identity.
    input.student = {
        at::randn({batch, 4, 6, 6}, at::kDouble).requires_grad_(),
        at::randn({batch, 3, 2, 3}, at::kDouble).requires_grad_()};
    input.teacher = {at::randn({batch, 5, 3, 3}, at::kDouble), at::randn({batch, 3, 2, 3}, at::kDouble)};
    input.logits_student = at::randn({batch, 3}, at::kDouble);
    const at::Tensor loss = program->forward(input);
    const at::Tensor expected = test::reference::attention_transfer(input.student, input.teacher);
    EXPECT_TRUE(close(loss, expected));
    auto of = input.student;
    of.push_back(program->named_parameters()["regressor.weight"]);
    const auto gradients = torch::autograd::grad({loss}, of);
    const auto expected_gradients = torch::autograd::grad({expected}, input.student);
    for (size_t i = 0; i < 2; ++i) EXPECT_TRUE(close(gradients[i], expected_gradients[i]));
    EXPECT_GT(gradients[2].abs().max().item<double>(), 0);
  }
  EXPECT_EQ(program->named_buffers()["calls"].item<int64_t>(), 2);
}

TEST_F(ProgramLossTest, AttentionTransferMatchesReferenceAndLibrary) {
  load_criteria(ATTENTION_TRANSFER);
  const FeatureShapes shapes = {{{4, 6, 6}, {3, 2, 3}}, {{5, 3, 3}, {3, 2, 3}}};
  const auto program = load_program_loss(kAttentionTransfer)->build(shapes);
  const auto library = make_criterion("attention_transfer")->build(shapes);
  // The first runs are those that LibTorch's compiler learns from.
  for (int run = 0; run < 4; ++run) {
    CriterionInput input;
    input.student = {
        at::randn({2, 4, 6, 6}, at::kDouble).requires_grad_(), at::randn({2, 3, 2, 3}, at::kDouble).requires_grad_()};
    input.teacher = {at::randn({2, 5, 3, 3}, at::kDouble), at::randn({2, 3, 2, 3}, at::kDouble)};
    input.logits_student = at::randn({2, 3}, at::kDouble);
    const at::Tensor loss = program->forward(input);
    const at::Tensor expected = test::reference::attention_transfer(input.student, input.teacher);
    const at::Tensor of_library = library->forward(input);
    EXPECT_TRUE(close(loss, expected));
    EXPECT_TRUE(close(loss, of_library));
    const auto gradients = torch::autograd::grad({loss}, input.student);
    const auto expected_gradients = torch::autograd::grad({expected}, input.student);
    const auto library_gradients = torch::autograd::grad({of_library}, input.student);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(close(gradients[i], expected_gradients[i]));
      EXPECT_TRUE(close(gradients[i], library_gradients[i]));
      if (run > 0) continue;
      const auto at_point = [&](const at::Tensor& point) {
        CriterionInput moved = input;
        moved.student[i] = point;
        return program->forward(moved);
      };
      EXPECT_TRUE(close(gradients[i], test::finite_difference(at_point, input.student[i]), 1e-6));
    }
  }
}

TEST_F(ProgramLossTest, ParametersHaveGradients) {
  const auto criterion = loss_of(kHint)->build(kShapes);
  criterion->to(at::kDouble);
  const CriterionInput input = input_of();
  const at::Tensor weight = criterion->named_parameters()["regressor.weight"];
  const at::Tensor loss = criterion->forward(input);
  const at::Tensor gradient = torch::autograd::grad({loss}, {weight})[0];
  criterion->after_step(input);
  // The mean moves with each pass, and is taken back here.
  const at::Tensor mean = criterion->named_buffers()["mean"];
  EXPECT_FALSE(mean.equal(at::zeros_like(mean)));
  const auto at_point = [&](const at::Tensor& point) {
    const at::Tensor features = input.student[0].detach().matmul(point);
    return (features - input.teacher[0] - mean).square().mean() * 2;
  };
  EXPECT_TRUE(close(gradient, test::finite_difference(at_point, weight), 1e-6));
}

TEST_F(ProgramLossTest, TakesArgumentsByName) {
  const CriterionInput input = input_of();
  const auto value = [&](const std::string& forward, const CriterionInput& of) {
    const auto criterion = loss_of(forward)->build(kShapes);
    criterion->check_batch(of);
    return criterion->forward(of);
  };
  const at::Tensor cross = at::nll_loss(at::log_softmax(input.logits_student, 1), input.labels);
  EXPECT_TRUE(close(
      value(
          "def forward(self, labels, teacher_taps_0, student_logits, student_taps_0):\n"
          "    fit = (student_taps_0 - teacher_taps_0).abs().max()\n"
          "    return torch.nll_loss(torch.log_softmax(student_logits, 1), labels) + fit\n",
          input),
      cross + (input.student[0] - input.teacher[0]).abs().max()));
  const std::string weighted =
      "def forward(self, student_logits, weights, teacher_logits: Optional[Tensor], indices: Optional[Tensor], "
      "student_taps: List[Tensor], teacher_taps: List[Tensor]):\n"
      "    loss = (student_logits.square().mean(1) * weights).sum()\n"
      "    if teacher_logits is not None:\n        loss = loss + 100 * teacher_logits.sum()\n"
      "    if indices is not None:\n        loss = loss + 1000 * indices.sum()\n"
      "    return loss + len(student_taps) + 10 * len(teacher_taps)\n";
  CriterionInput given = input;
  EXPECT_TRUE(close(
      value(weighted, given), input.logits_student.square().mean(1).sum() + 100 * input.logits_teacher.sum() + 11));
  given.weights = at::arange(6);
  given.indices = at::arange(6);
  given.logits_teacher = at::Tensor();
  EXPECT_TRUE(
      close(value(weighted, given), (input.logits_student.square().mean(1) * at::arange(6)).sum() + 15000 + 11));
}

TEST_F(ProgramLossTest, HalfPrecisionComesAsFloat32) {
  const auto criterion = loss_of(kHint)->build(kShapes);
  CriterionInput input = input_of(at::kBFloat16);
  const at::Tensor loss = criterion->forward(input);
  EXPECT_EQ(loss.scalar_type(), at::kFloat);
  EXPECT_EQ(torch::autograd::grad({loss}, input.student)[0].scalar_type(), at::kBFloat16);
}

TEST_F(ProgramLossTest, TermsHaveStateOfTheirOwn) {
  const auto options = loss_of(kHint);
  const auto one = options->build(kShapes), other = options->build(kShapes);
  const CriterionInput input = input_of(at::kFloat);
  one->forward(input);
  one->after_step(input);
  EXPECT_EQ(one->named_buffers()["calls"].item<int64_t>(), 1);
  EXPECT_EQ(other->named_buffers()["calls"].item<int64_t>(), 0);
  EXPECT_FALSE(one->parameters()[0].is_same(other->parameters()[0]));
  EXPECT_TRUE(other->parameters()[0].requires_grad());
}

TEST_F(ProgramLossTest, FrozenParametersAreNotTrained) {
  torch::jit::Module program = program_of(kHint);
  program.attr("regressor").toModule().attr("weight").toTensor().set_requires_grad(false);
  EXPECT_FALSE(loss_of(program)->build(kShapes)->parameters()[0].requires_grad());
}

TEST_F(ProgramLossTest, DescriptionIsThatOfTheProgram) {
  const auto changed = [](const std::function<void(torch::jit::Module&)>& change) {
    torch::jit::Module program = program_of(kHint);
    change(program);
    return loss_of(program)->description();
  };
  const std::string description = loss_of(kHint)->description();
  EXPECT_EQ(description.find("program_loss(program=#"), 0U) << description;
  EXPECT_EQ(loss_of(kHint)->description(), description);
  // Parameters and buffers are in the checkpoint itself.
  EXPECT_EQ(
      changed([](auto& program) { program.attr("regressor").toModule().attr("weight").toTensor().detach().fill_(3); }),
      description);
  EXPECT_NE(changed([](auto& program) { program.setattr("scale", 3.0); }), description);
  EXPECT_NE(loss_of(hint_with("features = features + 1"))->description(), description);
}

TEST_F(ProgramLossTest, RejectsOtherFiles) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(
      file_error_of([&] { load_program_loss(folder.file("none.ts")); }),
      "load_program_loss: path must be an existing file (got " + folder.file("none.ts") + ")");
  const std::string text = folder.write("text.ts", "text");
  EXPECT_EQ(
      file_error_of([&] { load_program_loss(text); }),
      "load_program_loss: file must be saved by torch.export.save or torch.jit.save (got " + text + ")");
  EXPECT_EQ(
      file_error_of([] {
        std::istringstream stream("text");
        load_program_loss(stream);
      }),
      "load_program_loss: file must be saved by torch.export.save or torch.jit.save (got the stream)");
}

TEST_F(ProgramLossTest, RejectsOtherPrograms) {
  const auto error = [](const std::string& forward) { return error_of([&] { loss_of(forward); }); };
  EXPECT_EQ(
      error("def forward(self, student_logit):\n    return student_logit.sum()\n"),
      "load_program_loss: arguments of forward in loss.ts must be one of student_logits, teacher_logits, labels, "
      "weights, indices, student_taps, teacher_taps (got student_logit, did you mean student_logits?)");
  EXPECT_EQ(
      error("def forward(self, student_taps_0x):\n    return student_taps_0x.sum()\n").substr(0, 58),
      "load_program_loss: arguments of forward in loss.ts must be");
  EXPECT_EQ(
      error("def forward(self, student_taps_12345):\n    return student_taps_12345.sum()\n").substr(0, 58),
      "load_program_loss: arguments of forward in loss.ts must be");
  EXPECT_EQ(
      error("def forward(self, student_taps):\n    return student_taps.sum()\n"),
      "load_program_loss: student_taps in loss.ts must be of type List[Tensor] (got Tensor)");
  EXPECT_EQ(
      error("def forward(self, labels: int):\n    return torch.zeros([labels])\n"),
      "load_program_loss: labels in loss.ts must be of type Tensor (got int)");
  EXPECT_EQ(
      error("def forward(self, student_logits):\n    return student_logits, student_logits\n"),
      "load_program_loss: forward in loss.ts must return the loss, a Tensor (got (Tensor, Tensor))");
  EXPECT_EQ(
      error(hint_with("self.scale = 2. * self.scale")),
      "load_program_loss: forward in loss.ts must assign nothing but buffers (got self.scale)");
  EXPECT_EQ(
      error(hint_with("self.regressor.weight = features")),
      "load_program_loss: forward in loss.ts must assign nothing but buffers (got self.weight)");
  EXPECT_EQ(
      error_of([] { loss_of(torch::jit::Module("Nothing")); }),
      "load_program_loss: program must have a method forward (got loss.ts, which has none)");
}

TEST_F(ProgramLossTest, RejectsOtherTaps) {
  const auto error = [](const std::string& forward, size_t student, size_t teacher) {
    FeatureShapes shapes;
    shapes.student.resize(student, {4});
    shapes.teacher.resize(teacher, {4});
    return error_of([&] { loss_of(forward)->build(shapes); });
  };
  const std::string of_logits = "def forward(self, student_logits):\n    return student_logits.sum()\n";
  EXPECT_EQ(error(of_logits, 1, 0), "program_loss: student_taps must be 0, as forward takes them (got 1)");
  EXPECT_EQ(error(of_logits, 0, 2), "program_loss: teacher_taps must be 0, as forward takes them (got 2)");
  const std::string of_one = "def forward(self, student_taps_1):\n    return student_taps_1.sum()\n";
  EXPECT_EQ(error(of_one, 1, 0), "program_loss: student_taps must be 2, as forward takes them (got 1)");
  EXPECT_EQ(error(of_one, 3, 0), "program_loss: student_taps must be 2, as forward takes them (got 3)");
  EXPECT_EQ(
      error("def forward(self, student_taps_1234):\n    return student_taps_1234.sum()\n", 1, 0),
      "program_loss: student_taps must be 1235, as forward takes them (got 1)");
  const std::string of_both =
      "def forward(self, student_taps_0, student_taps: List[Tensor]):\n    return student_taps_0.sum()\n";
  EXPECT_EQ(error(of_both, 0, 0), "program_loss: student_taps must be at least 1, as forward takes them (got 0)");
}

TEST_F(ProgramLossTest, RejectsBatchesWithoutWhatItTakes) {
  const auto criterion = loss_of(
                             "def forward(self, student_logits, labels, indices, teacher_logits):\n"
                             "    return student_logits.sum()\n")
                             ->build({});
  CriterionInput input = input_of();
  input.indices = at::arange(6);
  criterion->check_batch(input);
  const auto without = [&](at::Tensor CriterionBatch::*tensor) {
    CriterionInput less = input;
    less.*tensor = at::Tensor();
    return error_of([&] { criterion->check_batch(less); });
  };
  EXPECT_EQ(without(&CriterionBatch::labels), "program_loss: labels must be given (got an undefined tensor)");
  EXPECT_EQ(without(&CriterionBatch::indices), "program_loss: indices must be given (got an undefined tensor)");
  input.logits_teacher = at::Tensor();
  EXPECT_EQ(
      error_of([&] { criterion->forward(input); }),
      "program_loss: teacher_logits must be given (got an undefined tensor)");
}

/// A step with two losses of the same program.
struct StepOfPrograms {
  explicit StepOfPrograms(const std::string& forward = kHint, at::ScalarType dtype = at::kFloat) {
    manual_seed(3);
    options.student = std::make_shared<test::TinyNetwork>();
    options.teachers = {std::make_shared<test::TinyNetwork>()};
    options.student->convert(dtype);
    options.teachers[0].network->convert(dtype);
    options.input_shape = {3, 6, 6};
    options.cross_entropy.weight = 0;
    const auto loss = loss_of(forward);
    options.terms = {
        {2, loss, {"embedding"}, {"embedding"}},
        {0.5, load_program_loss(kAttentionTransfer), {"map"}, {"map"}},
        {0.25, loss, {"embedding"}, {"embedding"}}};
    options.optimizer = test::sgd(0.1, 0.9);
    step = std::make_unique<TrainingStep>(options);
    images_dtype = dtype;
  }

  StepResult run(uint64_t seed, bool with_labels = true) const {
    manual_seed(seed);
    Batch batch;
    batch.images = at::randn({4, 3, 6, 6}, images_dtype);
    if (with_labels) batch.labels = at::tensor({0, 1, 2, 3}, at::kLong);
    StepResult result;
    step->run(batch, result);
    return result;
  }

  TrainingStepOptions options;
  std::unique_ptr<TrainingStep> step;
  at::ScalarType images_dtype;
};

TEST_F(ProgramLossTest, ParametersAreTrainedAndKeptInCheckpoints) {
  const StepOfPrograms rig;
  const NamedTensors before = test::copy_of(rig.step->state());
  for (uint64_t i = 0; i < 3; ++i) rig.run(i);
  const NamedTensors after = rig.step->state();
  for (const std::string term : {"terms.0.", "terms.2."}) {
    EXPECT_FALSE(before[term + "regressor.weight"].equal(after[term + "regressor.weight"])) << term;
    EXPECT_FALSE(before[term + "mean"].equal(after[term + "mean"])) << term;
    EXPECT_EQ(after[term + "calls"].item<int64_t>(), 3) << term;
  }
  const test::TemporaryFolder folder;
  rig.step->save(folder.file("step"));
  const StepOfPrograms other;
  other.step->load(folder.file("step"));
  EXPECT_TRUE(same_bits(rig.step->state(), other.step->state()));
  EXPECT_EQ(rig.run(7).total, other.run(7).total);
  EXPECT_TRUE(same_bits(rig.step->state(), other.step->state()));

  const StepOfPrograms changed(hint_with("features = features * 1.5"));
  const std::string error = file_error_of([&] { changed.step->load(folder.file("step")); });
  EXPECT_EQ(error.find("TrainingStep.load: program of program_loss of term 0 must be #"), 0U) << error;
}

TEST_F(ProgramLossTest, FollowsTheStudentsDtype) {
  const StepOfPrograms rig(kHint, at::kDouble);
  rig.run(1);
  const NamedTensors state = rig.step->state();
  EXPECT_EQ(state["terms.0.regressor.weight"].scalar_type(), at::kDouble);
  EXPECT_EQ(state["terms.0.calls"].scalar_type(), at::kLong);
}

TEST_F(ProgramLossTest, FailedStepsChangeNothing) {
  // Fails when it has assigned and changed what it can; the list counts.
  const std::string forward = hint_with(
      "self.seen.append(1)\n    features = features * len(self.seen)\n"
      "    assert bool(teacher_taps[0].max() < 50), 'too large'");
  const StepOfPrograms rig(forward), twin(forward);
  rig.run(1);
  const NamedTensors before = test::copy_of(rig.step->state());
  const auto network = std::static_pointer_cast<test::TinyNetwork>(rig.options.teachers[0].network);
  network->at_end = [](NetworkOutput& output) { output.features[1] = output.features[1] + 100; };
  EXPECT_EQ(
      error_of([&] { rig.run(2); }), "program_loss: program must compute the loss (got AssertionError: too large)");
  EXPECT_TRUE(same_bits(rig.step->state(), before));
  network->at_end = nullptr;
  rig.run(2);
  twin.run(1);
  twin.run(2);
  EXPECT_TRUE(same_bits(rig.step->state(), twin.step->state()));
}

TEST_F(ProgramLossTest, StepRejectsWhatIsNoLoss) {
  const auto error = [](const std::string& forward) {
    const StepOfPrograms rig(forward);
    const NamedTensors before = test::copy_of(rig.step->state());
    const std::string text = error_of([&] { rig.run(1); });
    EXPECT_TRUE(same_bits(rig.step->state(), before)) << text;
    return text;
  };
  const std::string taps = "def forward(self, student_taps: List[Tensor], teacher_taps: List[Tensor]):\n";
  EXPECT_EQ(
      error(taps + "    return student_taps[0].mean(0)\n"), "TrainingStep: loss of term 0 must be a scalar (got [4])");
  EXPECT_EQ(
      error(taps + "    self.mean = student_taps[0].detach()\n    return student_taps[0].mean()\n"),
      "program_loss: buffer mean must stay Float [4] on cpu (got Float [4, 4] on cpu)");
  const std::string text = error(taps + "    return torch.matmul(student_taps[0], teacher_taps[0]).sum(7)\n");
  EXPECT_EQ(text.find("program_loss: program must compute the loss (got "), 0U) << text;
}

TEST_F(ProgramLossTest, StepRejectsBatchesWithoutLabels) {
  const StepOfPrograms rig;
  EXPECT_EQ(
      error_of([&] { rig.run(1, /*with_labels=*/false); }),
      "program_loss: labels must be given (got an undefined tensor)");
}

}  // namespace
}  // namespace retort
