// Whole training steps against the published code's.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/crd.h>
#include <retort/losses/fsp.h>
#include <retort/losses/kd.h>
#include <retort/losses/nst.h>
#include <retort/losses/ofd.h>
#include <retort/models/torchscript.h>
#include <retort/train/training_step.h>

#include <regex>

#include "cuda_test.h"
#include "expect.h"
#include "golden.h"
#include "optimizers.h"

namespace retort {
namespace {

using test::close;
using test::Golden;
using test::NamedTensors;

/// A loss as the step cases use it.
struct GoldenTerm {
  std::string loss;
  Term term;
};

Term on_taps(double weight, std::shared_ptr<CriterionOptions> criterion, const std::vector<std::string>& taps) {
  return {weight, std::move(criterion), taps, taps};
}

/// The terms of a case, by the taps that golden/README.md names.
std::vector<GoldenTerm> terms_of(const Golden& golden) {
  std::vector<GoldenTerm> terms;
  if (golden.has("kd0")) {
    const auto kd = std::make_shared<KdOptions>();
    kd->temperature = golden.number("temperature");
    terms.push_back({"kd", on_taps(golden.number("alpha"), kd, {})});
  }
  if (golden.has("fsp0")) {
    const auto fsp = std::make_shared<FspOptions>();
    terms.push_back({"fsp", on_taps(golden.number("beta_fsp"), fsp, {"0", "1", "2"})});
  }
  if (golden.has("nst0")) {
    const auto nst = std::make_shared<NstOptions>();
    terms.push_back({"nst", on_taps(golden.number("beta_nst"), nst, {"1", "2"})});
  }
  if (golden.has("crd0")) {
    const auto crd = std::make_shared<CrdOptions>();
    crd->samples = golden["crd_student_memory"].size(0);
    crd->dimension = golden["crd_student_memory"].size(1);
    terms.push_back({"crd", on_taps(golden.number("beta_crd"), crd, {"6"})});
  }
  if (golden.has("ofd0")) {
    const auto ofd = std::make_shared<OfdOptions>();
    terms.push_back({"ofd", on_taps(golden.number("beta_ofd"), ofd, {"3", "4", "5"})});
  }
  return terms;
}

/// The name in TrainingStep::state of what a case calls `key`.
std::string state_name(const std::string& key, const std::vector<GoldenTerm>& terms) {
  static const std::vector<std::pair<std::regex, std::string>> names = {
      {std::regex("crd_(student|teacher)_memory"), "$1_memory.embeddings"},
      {std::regex("crd_(student|teacher)_(weight|bias)"), "$1_embedding.$2"},
      {std::regex("ofd_conv_weight(\\d+)"), "connectors.$1.conv.weight"},
      {std::regex("ofd_bn_(weight|bias)(\\d+)"), "connectors.$2.norm.$1"},
      {std::regex("ofd_(running_mean|running_var)(\\d+)"), "connectors.$2.norm.$1"}};
  for (size_t i = 0; i < terms.size(); ++i) {
    if (key.rfind(terms[i].loss + "_", 0) != 0) continue;
    for (const auto& [pattern, name] : names) {
      if (std::regex_match(key, pattern)) return c10::str("terms.", i, ".", std::regex_replace(key, pattern, name));
    }
  }
  return "student." + key;
}

/// Runs the steps of a case on a device and compares all that comes out.
void expect_match(const std::string& golden_case, const std::string& device) {
  const Golden golden(golden_case);
  const auto load = [](const std::string& file) { return load_torchscript((test::golden_dir() / file).string()); };
  for (at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    SCOPED_TRACE(c10::toString(dtype));
    const std::vector<GoldenTerm> terms = terms_of(golden);
    TrainingStepOptions options;
    options.student = load("step_student_" + golden_case.substr(std::string("step_").size()) + ".ts");
    options.teachers = {load("step_teacher.ts")};
    options.student->convert(dtype);
    options.teachers[0].network->convert(dtype);
    options.student->move_to(device);
    options.teachers[0].network->move_to(device);
    options.input_shape = golden["input0"].sizes().slice(1).vec();
    options.cross_entropy.weight = golden.number("gamma");
    for (const GoldenTerm& term : terms) options.terms.push_back(term.term);
    options.optimizer = test::sgd(golden.number("lr"), golden.number("momentum"), golden.number("weight_decay"));
    TrainingStep step(options);

    const NamedTensors state = step.state();
    for (const auto& [key, value] : golden.tensors()) {
      const std::string name = state_name(key, terms);
      if (state.contains(name)) state[name].copy_(value);
    }

    StepResult result;
    int64_t steps = 0;
    for (std::string i = "0"; golden.has("total" + i); i = std::to_string(++steps)) {
      SCOPED_TRACE("step " + i);
      step.run(
          {golden["input" + i].to(dtype), golden["label" + i], golden["index" + i], golden["contrast" + i]}, result);
      const double tolerance = test::tolerance_of(dtype);
      EXPECT_TRUE(close(result.total, golden.number("total" + i), tolerance));
      EXPECT_TRUE(close(result.cross_entropy, golden.number("ce" + i), tolerance));
      ASSERT_EQ(result.terms.size(), terms.size());
      for (size_t j = 0; j < terms.size(); ++j) {
        EXPECT_TRUE(close(result.terms[j], golden.number(terms[j].loss + i), tolerance)) << terms[j].loss;
      }
      EXPECT_EQ(result.correct, golden["correct" + i].item<int64_t>());
      EXPECT_EQ(result.labeled, golden["label" + i].numel());
    }
    EXPECT_GT(steps, 0);
    EXPECT_EQ(step.steps(), steps);

    const std::string prefix = "final.";
    size_t of_student = 0;
    for (const auto& [key, expected] : golden.tensors()) {
      if (key.rfind(prefix, 0) != 0) continue;
      const std::string name = state_name(key.substr(prefix.size()), terms);
      ASSERT_TRUE(state.contains(name)) << name;
      EXPECT_TRUE(close(state[name].to(at::kCPU, dtype), expected)) << name;
      of_student += name.rfind("student.", 0) == 0;
    }
    EXPECT_EQ(of_student, options.student->state_dict().size());
  }
}

class GoldenStepTest : public test::GoldenTest {};

TEST_P(GoldenStepTest, MatchesGolden) {
  expect_match(GetParam(), "cpu");
}

class CudaGoldenStepTest : public test::CudaTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(CudaGoldenStepTest, Matches) {
  expect_match(GetParam(), "cuda");
}

INSTANTIATE_TEST_SUITE_P(
    Step, CudaGoldenStepTest, ::testing::ValuesIn(test::golden_cases("step_")), test::name_of_case);
INSTANTIATE_TEST_SUITE_P(Step, GoldenStepTest, ::testing::ValuesIn(test::golden_cases("step_")), test::name_of_case);

}  // namespace
}  // namespace retort
