// Criteria that are registered by name, and libraries that register them.
#include <retort/losses/registry.h>

#include <ATen/Functions.h>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/train/training_step.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

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
using test::same_bits;
using Values = std::map<std::string, std::string>;

/// Scales the student's logits.
class Scaled final : public Criterion {
 public:
  explicit Scaled(double weight) : weight_(weight) { seen_ = register_buffer("seen", at::zeros({}, at::kLong)); }

  at::Tensor forward(const CriterionInput& input) override {
    seen_.add_(1);
    return input.logits_student.square().mean() * weight_;
  }

 private:
  double weight_;
  at::Tensor seen_;
};

struct ScaledOptions : CriterionOptions {
  double weight = 1;
  int64_t count = 3;
  bool fast = false;
  std::string label = "none";
  std::string kernel = "linear";
  std::vector<double> scales = {0.5, 1};
  std::vector<int64_t> layers;

  void read(OptionReader& options) {
    options.read("weight", weight);
    options.read("count", count);
    options.read("fast", fast);
    options.read("label", label);
    options.read("kernel", kernel, {"linear", "poly"});
    options.read("scales", scales);
    options.read("layers", layers);
  }

  std::shared_ptr<Criterion> build(const FeatureShapes& /*shapes*/) const override {
    return std::make_shared<Scaled>(weight);
  }
};

RETORT_REGISTER_CRITERION("scaled", ScaledOptions);

class RegistryTest : public test::SeededTest {
 protected:
  static std::string describe(const Values& options) { return make_criterion("scaled", options)->description(); }

  static std::string error(const Values& options) {
    return error_of([&] { make_criterion("scaled", options); });
  }
};

TEST_F(RegistryTest, DescribesAllOptions) {
  EXPECT_EQ(
      describe({}), "scaled(weight=1, count=3, fast=false, label=none, kernel=linear, scales=[0.5, 1], layers=[])");
  EXPECT_EQ(
      describe(
          {{"weight", "1.0E-4"},
           {"count", "-7"},
           {"fast", "true"},
           {"label", "a_b.c+1"},
           {"kernel", "poly"},
           {"scales", "[1, 2.5,3]"},
           {"layers", " 4 ,5"}}),
      "scaled(weight=1e-04, count=-7, fast=true, label=a_b.c+1, kernel=poly, scales=[1, 2.5, 3], layers=[4, 5])");
  EXPECT_EQ(describe({{"weight", "2"}}), describe({{"weight", "2.0"}}));
}

TEST_F(RegistryTest, TextsCannotForgeOptions) {
  EXPECT_NE(
      describe({{"label", "a, kernel=linear"}}).find("label=\"a, kernel=linear\", kernel=linear,"), std::string::npos);
  EXPECT_NE(describe({{"label", "\"\\\n"}}).find("label=\"\\\"\\\\\\n\""), std::string::npos);
  EXPECT_NE(describe({{"label", ""}}).find("label=\"\""), std::string::npos);
}

TEST_F(RegistryTest, RejectsWrongTexts) {
  EXPECT_EQ(error({{"weight", "two"}}), "scaled: weight must be a finite number (got two)");
  EXPECT_EQ(error({{"weight", "2x"}}), "scaled: weight must be a finite number (got 2x)");
  EXPECT_EQ(error({{"weight", ""}}), "scaled: weight must be a finite number (got )");
  EXPECT_EQ(error({{"weight", "inf"}}), "scaled: weight must be a finite number (got inf)");
  EXPECT_EQ(error({{"weight", "nan"}}), "scaled: weight must be a finite number (got nan)");
  EXPECT_EQ(error({{"count", "2.0"}}), "scaled: count must be an integer (got 2.0)");
  EXPECT_EQ(error({{"count", "9223372036854775808"}}), "scaled: count must be an integer (got 9223372036854775808)");
  EXPECT_EQ(error({{"fast", "yes"}}), "scaled: fast must be true or false (got yes)");
  EXPECT_EQ(error({{"kernel", "pol"}}), "scaled: kernel must be one of linear, poly (got pol, did you mean poly?)");
  EXPECT_EQ(error({{"scales", "1,,2"}}), "scaled: scales must be finite numbers between commas (got 1,,2)");
  EXPECT_EQ(error({{"scales", "1,"}}), "scaled: scales must be finite numbers between commas (got 1,)");
  EXPECT_EQ(error({{"layers", "[1"}}), "scaled: layers must be integers between commas (got [1)");
}

TEST_F(RegistryTest, RejectsUnknownKeys) {
  EXPECT_EQ(
      error({{"wieght", "2"}}),
      "scaled: option must be one of weight, count, fast, label, kernel, scales, layers (got wieght, did you mean "
      "weight?)");
  load_criteria(TEAM_ONE);
  EXPECT_EQ(
      error_of([] {
        make_criterion("of_team_one", {{"weight", "2"}});
      }),
      "of_team_one: options must be none (got weight)");
}

TEST_F(RegistryTest, RejectsUnknownNames) {
  const std::string error = error_of([] { make_criterion("scalde"); });
  EXPECT_EQ(error.find("make_criterion: name must be one of "), 0U) << error;
  EXPECT_NE(error.find(" (got scalde, did you mean scaled?)"), std::string::npos) << error;
  const std::vector<std::string> names = registered_criteria();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_TRUE(std::find(names.begin(), names.end(), "scaled") != names.end());
}

TEST_F(RegistryTest, RejectsWrongNames) {
  const CriterionFactory factory = [](OptionReader&) { return std::make_shared<ScaledOptions>(); };
  for (const std::string name : {"", "1st", "Upper", "with-hyphen", "with space", "über"}) {
    EXPECT_EQ(
        error_of([&] { register_criterion(name, factory); }),
        "register_criterion: name must be of small letters, digits and underscores, the first a letter (got " + name +
            ")");
  }
  EXPECT_EQ(
      error_of([] { register_criterion("without_factory", nullptr); }),
      "register_criterion: factory must be given (got null)");
  register_criterion("once", factory);
  EXPECT_EQ(
      error_of([&] { register_criterion("once", factory); }),
      "register_criterion: name must be registered once (got once of the program and of the program)");
  EXPECT_EQ(make_criterion("once")->description(), "once()");
}

TEST_F(RegistryTest, RejectsWhatMakesNothing) {
  struct Nothing : CriterionOptions {
    std::shared_ptr<Criterion> build(const FeatureShapes&) const override { return nullptr; }
  };
  register_criterion("no_options", [](OptionReader&) { return nullptr; });
  register_criterion("no_criterion", [](OptionReader&) { return std::make_shared<Nothing>(); });
  EXPECT_EQ(error_of([] { make_criterion("no_options"); }), "no_options: factory must return options (got null)");
  EXPECT_EQ(
      error_of([] { make_criterion("no_criterion")->build({}); }),
      "no_criterion: build must return a criterion (got null)");
}

TEST_F(RegistryTest, KeepsErrorsOfLoading) {
  const CriterionFactory factory = [](OptionReader&) { return std::make_shared<ScaledOptions>(); };
  const CriterionRegistration of_other_layout("of_other_layout", factory, kCriterionLayout + 1);
  const std::string error = error_of([] { make_criterion("of_other_layout"); });
  EXPECT_EQ(
      error.find(
          "register_criterion: library must be compiled against this version of Retort (got of_other_layout of "),
      0U)
      << error;
  const std::vector<std::string> names = registered_criteria();
  EXPECT_TRUE(std::find(names.begin(), names.end(), "of_other_layout") == names.end());
}

TEST_F(RegistryTest, LibrariesStayLoaded) {
  // As a Java class loader does that is collected.
  void* library = ::dlopen(TEAM_UNLOADED, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << ::dlerror();
  ASSERT_EQ(::dlclose(library), 0);
  CriterionInput input;
  input.logits_student = at::full({2, 3}, 4.0);
  EXPECT_EQ(make_criterion("of_team_unloaded")->build({})->forward(input).item<double>(), 4.0);
}

TEST_F(RegistryTest, LoadsLibraries) {
  EXPECT_EQ(load_criteria(ATTENTION_TRANSFER), std::vector<std::string>({"attention_transfer"}));
  EXPECT_EQ(load_criteria(ATTENTION_TRANSFER), std::vector<std::string>({"attention_transfer"}));
  EXPECT_EQ(make_criterion("attention_transfer")->description(), "attention_transfer(power=2)");
  // By another name of the same file.
  const test::TemporaryFolder folder;
  std::filesystem::create_symlink(ATTENTION_TRANSFER, folder.file("link.so"));
  EXPECT_EQ(load_criteria(folder.file("link.so")), std::vector<std::string>({"attention_transfer"}));
}

TEST_F(RegistryTest, RejectsOtherFiles) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(
      file_error_of([&] { load_criteria(folder.file("none.so")); }),
      "load_criteria: path must be an existing file (got " + folder.file("none.so") + ")");
  const std::string text = folder.write("text.so", "text");
  const std::string error = file_error_of([&] { load_criteria(text); });
  EXPECT_EQ(error.find("load_criteria: path must be a library that can be loaded (got " + text + ": "), 0U) << error;
  Dl_info retort = {};
  ASSERT_NE(::dladdr(reinterpret_cast<void*>(&version), &retort), 0);
  EXPECT_EQ(
      file_error_of([&] { load_criteria(retort.dli_fname); }),
      std::string("load_criteria: path must be a library that registers a criterion (got ") + retort.dli_fname +
          ", which registers none)");
}

TEST_F(RegistryTest, RejectsNamesOfTwoLibraries) {
  EXPECT_EQ(load_criteria(TEAM_ONE), std::vector<std::string>({"of_team_one", "of_two_teams"}));
  const std::string error = std::string("register_criterion: name must be registered once (got of_two_teams of ") +
                            TEAM_ONE + " and of " + TEAM_TWO + ")";
  for (int i = 0; i < 2; ++i) EXPECT_EQ(error_of([] { load_criteria(TEAM_TWO); }), error);
  // It is not known which of them is meant.
  EXPECT_EQ(error_of([] { make_criterion("of_two_teams"); }), error);
  EXPECT_EQ(make_criterion("of_team_two")->description(), "of_team_two()");
}

TEST_F(RegistryTest, ServesManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([i] {
      for (int j = 0; j < 50; ++j) {
        const std::string name = "thread_" + std::to_string(i) + "_" + std::to_string(j);
        register_criterion(name, [](OptionReader& reader) {
          // A factory may ask for another one.
          make_criterion("scaled");
          auto options = std::make_shared<ScaledOptions>();
          options->read(reader);
          return options;
        });
        make_criterion(name, {{"weight", std::to_string(j)}});
        registered_criteria();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<std::string> names = registered_criteria();
  EXPECT_EQ(std::count_if(names.begin(), names.end(), [](const auto& name) { return name.find("thread_") == 0; }), 400);
}

/// A step with registered criteria.
struct StepOfCriteria {
  explicit StepOfCriteria(const std::string& weight) {
    manual_seed(3);
    options.student = std::make_shared<test::TinyNetwork>();
    options.teachers = {std::make_shared<test::TinyNetwork>()};
    options.input_shape = {3, 6, 6};
    load_criteria(ATTENTION_TRANSFER);
    options.terms = {
        {2, make_criterion("attention_transfer"), {"map"}, {"map"}},
        {0.5, make_criterion("scaled", {{"weight", weight}}), {}, {}},
        {1.5, make_criterion("scaled", {{"weight", "3"}}), {}, {}}};
    options.optimizer = test::sgd(0.1, 0.9);
    step = std::make_unique<TrainingStep>(options);
  }

  StepResult run(uint64_t seed) const {
    manual_seed(seed);
    StepResult result;
    Batch batch;
    batch.images = at::randn({4, 3, 6, 6});
    batch.labels = at::tensor({0, 1, 2, 3}, at::kLong);
    step->run(batch, result);
    return result;
  }

  TrainingStepOptions options;
  std::unique_ptr<TrainingStep> step;
};

TEST_F(RegistryTest, TermsAreTrainedAndKeptInCheckpoints) {
  const StepOfCriteria rig("2");
  const StepResult first = rig.run(1);
  EXPECT_NEAR(first.terms.at(2), first.terms.at(1) * 1.5, 1e-5);
  const test::TemporaryFolder folder;
  rig.step->save(folder.file("step"));
  const StepOfCriteria other("2.0");
  other.step->load(folder.file("step"));
  EXPECT_EQ(test::NamedTensors(other.step->state())["terms.1.seen"].item<int64_t>(), 1);
  EXPECT_EQ(rig.run(2).total, other.run(2).total);
  EXPECT_TRUE(same_bits(rig.step->state(), other.step->state()));

  const StepOfCriteria heavier("4");
  EXPECT_EQ(
      file_error_of([&] { heavier.step->load(folder.file("step")); }),
      "TrainingStep.load: weight of scaled of term 1 must be 4, as in this step (got 2 in " + folder.file("step") +
          ")");
}

TEST_F(RegistryTest, AttentionTransferMatchesReference) {
  load_criteria(ATTENTION_TRANSFER);
  for (const double power : {1.0, 2.0, 3.5}) {
    const auto criterion = make_criterion("attention_transfer", {{"power", std::to_string(power)}})
                               ->build({{{4, 6, 6}, {3, 2, 3}}, {{5, 3, 3}, {3, 2, 3}}});
    CriterionInput input;
    input.student = {
        at::randn({2, 4, 6, 6}, at::kDouble).requires_grad_(), at::randn({2, 3, 2, 3}, at::kDouble).requires_grad_()};
    input.teacher = {at::randn({2, 5, 3, 3}, at::kDouble), at::randn({2, 3, 2, 3}, at::kDouble)};
    input.logits_student = at::randn({2, 3}, at::kDouble);
    const at::Tensor loss = criterion->forward(input);
    const at::Tensor expected = test::reference::attention_transfer(input.student, input.teacher, power);
    EXPECT_TRUE(close(loss, expected));
    const auto gradients = torch::autograd::grad({loss}, input.student);
    const auto expected_gradients = torch::autograd::grad({expected}, input.student);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(close(gradients[i], expected_gradients[i]));
      const auto at_point = [&](const at::Tensor& point) {
        CriterionInput moved = input;
        moved.student[i] = point;
        return criterion->forward(moved);
      };
      EXPECT_TRUE(close(gradients[i], test::finite_difference(at_point, input.student[i]), 1e-6));
    }
  }
}

TEST_F(RegistryTest, AttentionTransferChecksItsOptions) {
  load_criteria(ATTENTION_TRANSFER);
  const auto build = [](const Values& values, const FeatureShapes& shapes) {
    try {
      make_criterion("attention_transfer", values)->build(shapes);
      return std::string("no error");
    } catch (const c10::ValueError& error) {
      return std::string(error.what_without_backtrace());
    }
  };
  EXPECT_EQ(build({{"power", "0"}}, {{{4, 3, 3}}, {{4, 3, 3}}}), "attention_transfer: power must be positive (got 0)");
  EXPECT_EQ(build({}, {{{4, 3, 3}}, {}}), "attention_transfer: taps must be one or more pairs (got 1 and 0)");
}

}  // namespace
}  // namespace retort
