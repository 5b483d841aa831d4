// TrainingStep::save, checkpoint and load.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/dkd.h>
#include <retort/models/torchscript.h>
#include <retort/train/adam.h>
#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "bad_streams.h"
#include "files.h"
#include "io/checkpoint_file.h"
#include "seeded_test.h"
#include "step_rig.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::file_error_of;
using test::same_bits;
using test::StepRig;

using Change = std::function<void(TrainingStepOptions&)>;

struct Variant {
  std::string name;
  Change change;
};

class CheckpointTest : public test::SeededTest {
 protected:
  std::string path() const { return folder_.file("step.retort"); }

  std::string error_of_load(StepRig& rig) const {
    return file_error_of([&] { rig.step->load(path()); });
  }

  test::TemporaryFolder folder_;
};

class ResumedStepTest : public CheckpointTest, public ::testing::WithParamInterface<Variant> {};

TEST_P(ResumedStepTest, GoesOnBitForBit) {
  // After each number of batches, so in the middle of an accumulation and around the beginning of a stage, too.
  for (int before = 0; before <= 5; ++before) {
    SCOPED_TRACE(before);
    StepRig rig(GetParam().change);
    for (int i = 0; i < before; ++i) rig.run(static_cast<uint64_t>(i));
    rig.step->save(path());
    const test::NamedTensors saved = rig.photograph();

    StepRig other(GetParam().change);
    other.run(100);
    other.step->load(path());
    EXPECT_TRUE(same_bits(other.photograph(), saved));
    for (int i = 0; i < 4; ++i) {
      StepResult expected, result;
      // No seed: the random state goes on.
      const at::Tensor random = test::random_state();
      rig.step->run(rig.batch, expected);
      at::Generator(at::globalContext().defaultGenerator(at::kCPU)).set_state(random);
      other.step->run(rig.batch, result);
      EXPECT_EQ(result.total, expected.total);
      EXPECT_EQ(result.terms, expected.terms);
      EXPECT_EQ(result.gradient_norm, expected.gradient_norm);
      EXPECT_EQ(result.learning_rate, expected.learning_rate);
      EXPECT_EQ(result.updated, expected.updated);
      EXPECT_EQ(result.stage, expected.stage);
      EXPECT_TRUE(same_bits(other.photograph(), rig.photograph()));
    }
  }
}

void adam(TrainingStepOptions& options) {
  const auto adam = std::make_shared<AdamOptions>();
  adam->decoupled = true;
  adam->weight_decay = 0.1;
  adam->schedule = Schedule::cosine(6, 0.1).with_warmup(2, 0.5);
  options.optimizer = adam;
}

void accumulation(TrainingStepOptions& options) {
  options.accumulate = 3;
  options.clip_norm = 0.1;
}

void stages(TrainingStepOptions& options) {
  Stage second = options;
  second.trained = {"head"};
  second.terms = {options.terms[0], options.terms[2]};
  second.optimizer = std::make_shared<AdamOptions>();
  options.steps = 2;
  options.later_stages = {second};
  options.accumulate = 2;
}

void training_teacher(TrainingStepOptions& options) {
  options.teachers[0].batch_norm = TeacherBatchNorm::kTraining;
}

INSTANTIATE_TEST_SUITE_P(
    Step, ResumedStepTest,
    ::testing::Values(
        Variant{"Plain", {}}, Variant{"Adam", adam}, Variant{"Accumulation", accumulation}, Variant{"Stages", stages},
        Variant{"TrainingTeacher", training_teacher}),
    [](const ::testing::TestParamInfo<Variant>& of) { return of.param.name; });

TEST_F(CheckpointTest, KeepsTheChoiceOfFormats) {
  const auto choose = [](TrainingStepOptions& options) {
    options.student_format = MemoryFormat::kAuto;
    options.teachers[0].format = MemoryFormat::kAuto;
  };
  StepRig rig(choose);
  std::vector<MemoryFormat> formats;
  StepResult chosen;
  for (uint64_t i = 0; i < 9; ++i) {
    chosen = rig.run(i);
    formats.push_back(chosen.student_format);
  }
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(formats[i], i % 2 == 0 ? MemoryFormat::kContiguous : MemoryFormat::kChannelsLast) << i;
  }
  rig.step->save(path());
  StepRig other(choose);
  other.step->load(path());
  const StepResult resumed = other.run(10);
  EXPECT_EQ(resumed.student_format, chosen.student_format);
  EXPECT_EQ(resumed.teacher_formats, chosen.teacher_formats);
}

TEST_F(CheckpointTest, HasATeachersStatisticsIfTheyMove) {
  const auto has_statistics = [&](const Change& change) {
    StepRig(change).step->save(path());
    return read_checkpoint("load", path()).tensors.contains("teacher.norm.running_mean");
  };
  EXPECT_TRUE(has_statistics(training_teacher));
  EXPECT_FALSE(has_statistics({}));
}

TEST_F(CheckpointTest, LeavesNothingOfStagesThatHadNotBegun) {
  const auto adam_in_the_second = [](TrainingStepOptions& options) {
    Stage second = options;
    second.optimizer = std::make_shared<AdamOptions>();
    options.steps = 3;
    options.later_stages = {second};
  };
  StepRig rig(adam_in_the_second), fresh(adam_in_the_second);
  rig.run(1);
  rig.step->save(path());
  for (uint64_t i = 2; i < 7; ++i) rig.run(i);
  ASSERT_EQ(rig.step->stage(), 1);
  rig.step->load(path());
  fresh.step->load(path());
  for (uint64_t i = 2; i < 7; ++i) {
    EXPECT_EQ(rig.run(i).total, fresh.run(i).total);
    EXPECT_TRUE(same_bits(rig.photograph(), fresh.photograph())) << i;
  }
}

TEST_F(CheckpointTest, OfAnotherConfigurationIsRefused) {
  StepRig rig;
  rig.run(1);
  rig.step->save(path());
  const std::vector<std::pair<Change, std::string>> changes = {
      {[](TrainingStepOptions& options) { options.accumulate = 2; }, "accumulate must be 2, as in this step (got 1"},
      {[](TrainingStepOptions& options) { options.clip_norm = 1; }, "clip_norm must be 1, as in this step (got 0"},
      {[](TrainingStepOptions& options) { options.optimizer = test::sgd(0.2, 0.9, 0.01); },
       "learning_rate of sgd must be 0.2, as in this step (got 0.1"},
      {[](TrainingStepOptions& options) { options.optimizer = std::make_shared<AdamOptions>(); },
       "optimizer must be adam, as in this step (got sgd"},
      {[](TrainingStepOptions& options) { options.cross_entropy.options.label_smoothing = 0.1; },
       "label_smoothing of cross_entropy_loss of cross_entropy must be 0.1, as in this step (got 0"},
      {[](TrainingStepOptions& options) { options.terms[0].weight = 0.8; },
       "weight of term 0 must be 0.8, as in this step (got 0.9"},
      {[](TrainingStepOptions& options) { options.terms[0].schedule.warmup = 5; },
       "warmup of schedule of term 0 must be 5, as in this step (got 0"},
      {[](TrainingStepOptions& options) {
         const auto kd = std::make_shared<KdOptions>();
         kd->temperature = 5;
         options.terms[0].criterion = kd;
       },
       "temperature of kd_loss of term 0 must be 5, as in this step (got 4"},
      {[](TrainingStepOptions& options) { options.terms.pop_back(); },
       "number of terms must be 4, as in this step (got 5"},
      {[](TrainingStepOptions& options) { options.terms.push_back(options.terms[0]); },
       "number of terms must be 6, as in this step (got 5"},
      {[](TrainingStepOptions& options) { options.trained = {"head"}; },
       "trained must be [head], as in this step (got []"},
      {[](TrainingStepOptions& options) {
         options.preprocessing.mean = {0.5};
         options.preprocessing.deviation = {0.5};
       },
       "mean of images must be [0.5], as in this step (got []"},
      {[](TrainingStepOptions& options) { options.teachers[0].precision = Precision::kBFloat16; },
       "teacher_precision must be bfloat16, as in this step (got full"},
  };
  for (const auto& [change, got] : changes) {
    StepRig other(change);
    other.run(2);
    const test::NamedTensors before = other.photograph();
    const std::string error = error_of_load(other);
    EXPECT_EQ(error, "TrainingStep.load: " + got + " in " + path() + ")");
    EXPECT_TRUE(same_bits(other.photograph(), before));
  }
}

TEST_F(CheckpointTest, RefusalNamesTheOptionThatDiffers) {
  const auto two_stages = [](TrainingStepOptions& options) {
    options.later_stages = {options};
    options.steps = 5;
  };
  const auto error_after = [&](const Change& change) {
    StepRig rig(two_stages);
    rig.step->save(path());
    StepRig other([&](TrainingStepOptions& options) {
      two_stages(options);
      change(options);
    });
    const std::string error = error_of_load(other);
    const std::string start = "TrainingStep.load: ", end = " in " + path() + ")";
    EXPECT_EQ(error.find(start), 0) << error;
    EXPECT_EQ(error.find(end), error.size() - end.size()) << error;
    return error.substr(start.size(), error.size() - start.size() - end.size());
  };
  const auto warmer = [] {
    const auto kd = std::make_shared<KdOptions>();
    kd->temperature = 5;
    return kd;
  };
  EXPECT_EQ(
      error_after([](TrainingStepOptions& options) { options.accumulate = 2; }),
      "accumulate must be 2, as in this step (got 1");
  EXPECT_EQ(
      error_after([&](TrainingStepOptions& options) { options.terms[0].criterion = warmer(); }),
      "temperature of kd_loss of term 0 must be 5, as in this step (got 4");
  EXPECT_EQ(
      error_after([&](TrainingStepOptions& options) { options.later_stages[0].terms[4].weight = 7; }),
      "weight of term 4 of stage 1 must be 7, as in this step (got 0.5");
  EXPECT_EQ(
      error_after([&](TrainingStepOptions& options) { options.later_stages[0].optimizer = test::sgd(0.1, 0.9, 0.02); }),
      "weight_decay of sgd of stage 1 must be 0.02, as in this step (got 0.01");
  EXPECT_EQ(
      error_after(
          [&](TrainingStepOptions& options) { options.later_stages[0].optimizer = std::make_shared<AdamOptions>(); }),
      "optimizer of stage 1 must be adam, as in this step (got sgd");
  EXPECT_EQ(
      error_after([&](TrainingStepOptions& options) { options.later_stages[0].terms.pop_back(); }),
      "number of terms of stage 1 must be 4, as in this step (got 5");
  EXPECT_EQ(
      error_after([&](TrainingStepOptions& options) { options.terms[0].criterion = std::make_shared<DkdOptions>(); }),
      "criterion of term 0 must be dkd_loss, as in this step (got kd_loss");
  EXPECT_EQ(
      error_after([&](TrainingStepOptions& options) { options.student_format = MemoryFormat::kContiguous; }),
      "student_format must be contiguous, as in this step (got channels_last");
  EXPECT_EQ(
      error_after([&](TrainingStepOptions& options) {
        options.later_stages.clear();
        options.steps = 0;
      }),
      "stages must be 1, as in this step (got 2");
  EXPECT_EQ(
      error_after([&](TrainingStepOptions& options) {
        options.trained = {"head", "conv"};
      }),
      "trained must be [head, conv], as in this step (got []");
}

TEST_F(CheckpointTest, ForgedNumbersAreRefusedAndChangeNothing) {
  const auto two_stages = [](TrainingStepOptions& options) {
    options.later_stages = {options};
    options.steps = 5;
    options.accumulate = 3;
    options.student_precision = Precision::kFloat16;
    options.teachers[0].format = MemoryFormat::kAuto;
  };
  StepRig rig(two_stages);
  rig.run(1);
  rig.step->save(path());
  const Checkpoint saved = read_checkpoint("load", path());
  const test::NamedTensors before = rig.photograph();
  const auto error_after = [&](const std::string& entry, int64_t place, int64_t value) {
    Checkpoint file = saved;
    file.tensors[entry] = file.tensors[entry].clone();
    file.tensors[entry][place] = value;
    write_checkpoint("save", file, path());
    const std::string error = error_of_load(rig);
    EXPECT_TRUE(same_bits(rig.photograph(), before)) << entry << ' ' << place;
    return error;
  };
  const auto of_numbers = [&](const std::string& what, const std::string& rule) {
    return "TrainingStep.load: " + what + " of " + path() + " must be " + rule;
  };
  // Updates, stage, updates of the stage, accumulated batches, formats.
  EXPECT_EQ(error_after("numbers", 0, -1), of_numbers("steps", "at least 0 (got -1)"));
  EXPECT_EQ(error_after("numbers", 1, 2), of_numbers("stage", "between 0 and 1 (got 2)"));
  EXPECT_EQ(error_after("numbers", 1, -1), of_numbers("stage", "between 0 and 1 (got -1)"));
  EXPECT_EQ(error_after("numbers", 2, 5), of_numbers("steps of the stage", "between 0 and 4 (got 5)"));
  EXPECT_EQ(error_after("numbers", 3, 3), of_numbers("accumulated batches", "between 0 and 2 (got 3)"));
  EXPECT_EQ(error_after("numbers", 3, -1), of_numbers("accumulated batches", "between 0 and 2 (got -1)"));
  EXPECT_EQ(error_after("numbers", 4, 0), of_numbers("student's format", "one that the step may use (got 0)"));
  EXPECT_EQ(error_after("numbers", 5, 3), of_numbers("teacher's format", "one that the step may use (got 3)"));
  for (const auto& [place, value] : {std::pair{0, 3}, std::pair{0, -4}, std::pair{1, 2000}, std::pair{1, -1}}) {
    EXPECT_NE(
        error_after("loss_scale", place, value).find("must be a power of two and a number of batches (got "),
        std::string::npos);
  }
  write_checkpoint("save", saved, path());
  rig.step->load(path());
}

TEST_F(CheckpointTest, ForgedRandomStateIsRefusedAndChangesNothing) {
  StepRig rig;
  rig.step->save(path());
  Checkpoint file = read_checkpoint("load", path());
  file.tensors["random"] = at::zeros_like(file.tensors["random"]);
  write_checkpoint("save", file, path());
  rig.run(1);
  const test::NamedTensors before = rig.photograph();
  EXPECT_EQ(
      error_of_load(rig), "TrainingStep.load: random of " + path() + " must be a state of the generator (got another)");
  EXPECT_TRUE(same_bits(rig.photograph(), before));
}

TEST_F(CheckpointTest, OfOtherAttributesIsRefused) {
  const std::string program = folder_.file("teacher.ts");
  const auto with_attribute = [&](const std::string& name) {
    torch::jit::Module module("Net");
    module.register_parameter("head", at::ones({5, 3}), /*is_buffer=*/false);
    module.register_attribute(name, c10::IntType::get(), 0);
    module.define("def forward(self, x):\n    return torch.linear(x.mean([2, 3]), self.head), [x]\n");
    module.save(program);
    return [&](TrainingStepOptions& options) {
      options.teachers = {load_torchscript(program)};
      options.terms = {options.terms[0]};
    };
  };
  {
    StepRig rig(with_attribute("calls"));
    rig.step->save(path());
  }
  StepRig rig(with_attribute("seen"));
  EXPECT_EQ(
      error_of_load(rig), "TrainingStep.load: attributes of " + path() +
                              " must be those of the networks (Network.unpack_attributes: bytes must hold the "
                              "attribute seen (got none))");
}

TEST_F(CheckpointTest, IsOfTheOptionsThatTheStepWasBuiltWith) {
  const auto optimizer = test::sgd(0.1, 0.9, 0.01);
  StepRig rig([&](TrainingStepOptions& options) { options.optimizer = optimizer; });
  optimizer->learning_rate = 0.01;
  rig.run(1);
  rig.step->save(path());
  StepRig fresh;
  fresh.step->load(path());
  EXPECT_EQ(rig.run(2).total, fresh.run(2).total);
  EXPECT_TRUE(same_bits(rig.photograph(), fresh.photograph()));
}

TEST_F(CheckpointTest, OfAnotherNetworkIsRefused) {
  StepRig rig;
  rig.step->save(path());
  const auto other_student = [](TrainingStepOptions& options) {
    options.student = std::make_shared<test::TinyNetwork>(4);
    options.teachers = {std::make_shared<test::TinyNetwork>(4)};
  };
  StepRig other(other_student);
  const test::NamedTensors before = test::copy_of(other.step->state());
  EXPECT_EQ(
      error_of_load(other),
      "TrainingStep.load: student.head.weight of " + path() + " must be of shape [4, 4] (got [5, 4])");
  EXPECT_TRUE(same_bits(other.step->state(), before));

  const auto other_dtype = [](TrainingStepOptions& options) {
    options.student->convert(at::kDouble);
    options.teachers[0].network->convert(at::kDouble);
  };
  StepRig wide(other_dtype);
  EXPECT_EQ(error_of_load(wide), "TrainingStep.load: student.conv.weight of " + path() + " must be Double (got Float)");
}

TEST_F(CheckpointTest, DamagedIsRefusedAndChangesNothing) {
  StepRig rig;
  rig.run(1);
  rig.step->save(path(), "note");
  const std::string whole = test::bytes_of(path());
  const test::NamedTensors before = rig.photograph();
  for (size_t at = 0; at < whole.size(); at += 97) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << at % 8);
    std::ofstream(path(), std::ios::binary) << damaged;
    ASSERT_EQ(error_of_load(rig).find("TrainingStep.load: "), 0) << at << ": " << error_of_load(rig);
    ASSERT_TRUE(same_bits(rig.photograph(), before)) << at;
  }
  std::filesystem::remove(path());
  EXPECT_EQ(error_of_load(rig), "TrainingStep.load: path must be an existing file (got " + path() + ")");
}

TEST_P(ResumedStepTest, CopyIsWrittenAsItWasTaken) {
  StepRig rig(GetParam().change);
  for (uint64_t i = 0; i < 3; ++i) rig.run(i);
  rig.step->save(path(), "note");
  const std::string student = folder_.file("student.pt");
  rig.student->save_state_dict(student);

  const StepCheckpoint copy = rig.step->checkpoint("note");
  for (uint64_t i = 3; i < 6; ++i) rig.run(i);
  copy.write(folder_.file("copy.retort"));
  copy.write_student(folder_.file("copy.pt"));
  EXPECT_TRUE(test::bytes_of(folder_.file("copy.retort")) == test::bytes_of(path()));
  EXPECT_TRUE(test::bytes_of(folder_.file("copy.pt")) == test::bytes_of(student));
}

TEST_F(CheckpointTest, CopyOutlivesItsStep) {
  auto rig = std::make_unique<StepRig>();
  rig->run(1);
  const test::NamedTensors state = rig->photograph();
  const StepCheckpoint copy = rig->step->checkpoint();
  rig.reset();
  copy.write(path());
  StepRig other;
  EXPECT_EQ(other.step->load(path()), "");
  EXPECT_TRUE(same_bits(other.photograph(), state));
}

TEST_F(CheckpointTest, KeepsANote) {
  StepRig rig;
  rig.run(1);
  for (const std::string& note : {std::string("epoch=3"), std::string("a\0b\n\xff", 5), std::string(1 << 20, 'x')}) {
    rig.step->save(path(), note);
    StepRig other;
    EXPECT_TRUE(other.step->load(path()) == note) << note.size();
    EXPECT_TRUE(same_bits(other.photograph(), rig.photograph()));
  }
}

TEST_F(CheckpointTest, WithoutANoteIsAsBeforeThereWereNotes) {
  const StepRig rig;
  rig.step->save(path(), "");
  EXPECT_EQ(rig.step->load(path()), "");
  const Checkpoint file = read_checkpoint("load", path());
  EXPECT_FALSE(file.tensors.contains("note"));
  rig.step->save(path());
  EXPECT_EQ(read_checkpoint("load", path()).tensors.size(), file.tensors.size());
}

TEST_F(CheckpointTest, TooLongANoteIsRefusedAndLeavesTheFile) {
  const StepRig rig;
  rig.step->save(path(), "short");
  EXPECT_EQ(
      test::error_of([&] { rig.step->save(path(), std::string((1 << 20) + 1, 'x')); }),
      "TrainingStep.save: note must be of at most 1048576 bytes (got 1048577)");
  EXPECT_EQ(
      test::error_of([&] { rig.step->checkpoint(std::string((1 << 20) + 1, 'x')); }),
      "TrainingStep.checkpoint: note must be of at most 1048576 bytes (got 1048577)");
  EXPECT_EQ(rig.step->load(path()), "short");
}

TEST_F(CheckpointTest, ForgedEntriesAreRefusedAndChangeNothing) {
  StepRig rig;
  rig.step->save(path());
  const Checkpoint saved = read_checkpoint("load", path());
  rig.run(1);
  const test::NamedTensors before = rig.photograph();
  const auto error_after = [&](const std::function<void(test::NamedTensors&)>& change) {
    Checkpoint file = saved;
    change(file.tensors);
    write_checkpoint("save", file, path());
    const std::string error = error_of_load(rig);
    EXPECT_TRUE(same_bits(rig.photograph(), before));
    return error;
  };
  for (const std::string entry : {"numbers", "random", "student.conv.weight", "attributes.student"}) {
    EXPECT_EQ(
        error_after([&](test::NamedTensors& tensors) { tensors.erase(entry); }),
        "TrainingStep.load: " + path() + " must have the entry " + entry + " (got none)");
  }
  const size_t count = saved.tensors.size();
  EXPECT_EQ(
      error_after([](test::NamedTensors& tensors) { tensors.insert("more", at::zeros({2})); }),
      "TrainingStep.load: " + path() + " must have " + std::to_string(count) + " entries for this step (got " +
          std::to_string(count + 1) + ")");
}

TEST_F(CheckpointTest, OfOtherStridesIsTheSame) {
  StepRig rig;
  rig.run(1);
  rig.step->save(path());
  const test::NamedTensors saved = rig.photograph();
  Checkpoint file = read_checkpoint("load", path());
  at::Tensor& weight = file.tensors["student.head.weight"];
  weight = weight.t().contiguous().t();
  ASSERT_FALSE(weight.is_contiguous());
  write_checkpoint("save", file, path());
  rig.run(2);
  rig.step->load(path());
  EXPECT_TRUE(same_bits(rig.photograph(), saved));
}

TEST_F(CheckpointTest, KnowsParametersWithoutAGradientInAnAccumulation) {
  // Nothing reaches the head.
  const auto of_maps = [](TrainingStepOptions& options) {
    options.cross_entropy.weight = 0;
    options.terms = {options.terms[3]};
    options.accumulate = 2;
  };
  StepRig rig(of_maps), twin(of_maps);
  rig.run(1);
  twin.run(1);
  rig.step->save(path());
  EXPECT_FALSE(read_checkpoint("load", path()).tensors.contains("accumulated.head.weight"));
  rig.run(3);
  rig.step->load(path());
  rig.run(2);
  twin.run(2);
  EXPECT_TRUE(same_bits(rig.photograph(), twin.photograph()));
}

TEST_F(CheckpointTest, ForgedNoteIsRefusedAndChangesNothing) {
  StepRig rig;
  rig.run(1);
  rig.step->save(path(), "note");
  Checkpoint file = read_checkpoint("load", path());
  const test::NamedTensors before = rig.photograph();
  for (const auto& [note, error] :
       {std::pair{at::zeros({4}), "note of " + path() + " must be Byte (got Float)"},
        std::pair{
            at::zeros({(1 << 20) + 1}, at::kByte),
            "note of " + path() + " must be of at most 1048576 bytes (got 1048577)"}}) {
    file.tensors["note"] = note;
    write_checkpoint("save", file, path());
    EXPECT_EQ(error_of_load(rig), "TrainingStep.load: " + error);
    EXPECT_TRUE(same_bits(rig.photograph(), before));
  }
}

TEST_F(CheckpointTest, GoesOnFromAStream) {
  StepRig rig;
  rig.run(1);
  rig.step->save(path(), "note");
  std::stringstream stream;
  rig.step->save(stream, "note");
  EXPECT_EQ(stream.str(), test::bytes_of(path()));
  StepRig other;
  EXPECT_EQ(other.step->load(stream), "note");
  EXPECT_TRUE(same_bits(other.photograph(), rig.photograph()));
  EXPECT_EQ(rig.run(2).total, other.run(2).total);
}

TEST_F(CheckpointTest, DamagedStreamIsRefusedAndChangesNothing) {
  StepRig rig;
  std::ostringstream saved;
  rig.step->save(saved);
  const std::string whole = saved.str();
  rig.run(1);
  const test::NamedTensors before = rig.photograph();
  const auto refusal = [&](const std::string& bytes) {
    const std::string error = file_error_of([&] {
      std::istringstream stream(bytes);
      rig.step->load(stream, "s3://steps/1");
    });
    EXPECT_TRUE(same_bits(rig.photograph(), before));
    return error;
  };
  for (size_t at = 0; at < whole.size(); at += 97) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1 << at % 8);
    const std::string rule = at < 8 ? "be a checkpoint of Retort" : "not be damaged";
    ASSERT_EQ(refusal(damaged), "TrainingStep.load: file must " + rule + " (got s3://steps/1)") << at;
  }
  for (size_t length : {size_t{0}, size_t{7}, size_t{8}, size_t{47}, size_t{48}, whole.size() - 1}) {
    ASSERT_EQ(refusal(whole.substr(0, length)).find("TrainingStep.load: file must "), 0) << length;
  }
  EXPECT_EQ(
      refusal(whole + "x"),
      c10::str(
          "TrainingStep.load: file must be of ", whole.size(), " bytes (got ", whole.size() + 1, " in s3://steps/1)"));
}

TEST_F(CheckpointTest, NobodyWaitsForAStream) {
  StepRig rig;
  test::AskingBuffer slow([&] {
    std::thread([&] { rig.run(1); }).join();
    return true;
  });
  std::ostream stream(&slow);
  StepRig before;
  rig.step->save(stream);
  EXPECT_EQ(rig.step->steps(), 1);
  std::istringstream saved(slow.bytes());
  rig.step->load(saved);
  EXPECT_TRUE(same_bits(rig.photograph(), before.photograph()));
}

TEST_F(CheckpointTest, ThatCannotBeWrittenIsAnError) {
  const StepRig rig;
  const std::string nowhere = folder_.file("nowhere/step.retort");
  EXPECT_EQ(
      file_error_of([&] { rig.step->save(nowhere); }),
      "TrainingStep.save: path must be a file that can be written (got " + nowhere + ": No such file or directory)");
  const StepCheckpoint copy = rig.step->checkpoint();
  EXPECT_EQ(
      file_error_of([&] { copy.write(nowhere); }),
      "StepCheckpoint.write: path must be a file that can be written (got " + nowhere + ": No such file or directory)");
  test::AskingBuffer full([] { return false; });
  std::ostream stream(&full);
  EXPECT_THROW(rig.step->save(stream), FileError);
}

}  // namespace
}  // namespace retort
