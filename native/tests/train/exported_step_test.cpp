// Steps of training between exported networks against plain PyTorch, which native/tests/python/exported_step_test.py
// runs first.
#include <gtest/gtest.h>
#include <retort/losses/crd.h>
#include <retort/losses/kd.h>
#include <retort/losses/nst.h>
#include <retort/losses/ofd.h>
#include <retort/models/exported.h>
#include <retort/train/training_step.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "expect.h"
#include "files.h"
#include "optimizers.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::close;
using test::NamedTensors;
using Dict = c10::impl::GenericDict;
using Names = std::vector<std::string>;

constexpr double kTolerance = 1e-9;

/// The terms by the names that the file gives them, in its order.
std::vector<Term> terms_of(const Dict& file) {
  const auto crd = std::make_shared<CrdOptions>();
  crd->samples = file.at("samples").toInt();
  crd->dimension = file.at("dimension").toInt();
  const std::map<std::string, std::shared_ptr<CriterionOptions>> criteria = {
      {"kd", std::make_shared<KdOptions>()},
      {"nst", std::make_shared<NstOptions>()},
      {"ofd", std::make_shared<OfdOptions>()},
      {"crd", crd}};
  const auto taps_of = [&](const char* side, const c10::IValue& loss) {
    Names taps;
    for (const c10::IValue& tap : file.at(side).toGenericDict().at(loss).toListRef()) taps.push_back(tap.toStringRef());
    return taps;
  };
  std::vector<Term> terms;
  for (const auto& entry : file.at("student_taps").toGenericDict()) {
    const c10::IValue& loss = entry.key();
    const double weight = file.at("weights").toGenericDict().at(loss).toDouble();
    terms.push_back(
        {weight, criteria.at(loss.toStringRef()), taps_of("student_taps", loss), taps_of("teacher_taps", loss)});
  }
  return terms;
}

/// A network of the folder with the taps of all terms, each once.
std::shared_ptr<Network> load(const std::string& path, const std::vector<Term>& terms, Names Term::*of_side) {
  Names taps;
  for (const Term& term : terms) {
    for (const std::string& tap : term.*of_side) {
      if (std::find(taps.begin(), taps.end(), tap) == taps.end()) taps.push_back(tap);
    }
  }
  return load_exported(path, taps);
}

void expect_state(const TrainingStep& step, const Dict& expected) {
  const NamedTensors state = step.state();
  EXPECT_EQ(state.size(), expected.size());
  for (const auto& entry : expected) {
    const std::string name = entry.key().toStringRef();
    const at::Tensor* tensor = state.find(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_TRUE(close(*tensor, entry.value().toTensor(), kTolerance)) << name;
  }
}

class ExportedStepTest : public test::SeededTest {};

TEST_F(ExportedStepTest, AgreesWithPython) {
  const char* variable = std::getenv("RETORT_EXPORTED_STEP");
  if (!variable) GTEST_SKIP() << "RETORT_EXPORTED_STEP names no folder of a step";
  const std::string folder = std::string(variable) + "/";
  const std::string bytes = test::bytes_of(folder + "step.pt");
  const Dict file = torch::jit::pickle_load({bytes.begin(), bytes.end()}).toGenericDict();

  TrainingStepOptions options;
  options.terms = terms_of(file);
  options.student = load(folder + "student.pt2", options.terms, &Term::student_taps);
  options.teachers = {load(folder + "teacher.pt2", options.terms, &Term::teacher_taps)};
  const Dict sgd = file.at("sgd").toGenericDict();
  options.optimizer =
      test::sgd(sgd.at("learning_rate").toDouble(), sgd.at("momentum").toDouble(), sgd.at("weight_decay").toDouble());
  options.cross_entropy.weight = file.at("weights").toGenericDict().at("cross_entropy").toDouble();
  const auto steps = file.at("steps").toList();
  const auto tensor_of = [&](size_t i, const char* name) { return steps.get(i).toGenericDict().at(name).toTensor(); };
  options.input_shape = tensor_of(0, "images").sizes().slice(1).vec();
  TrainingStep step(options);

  // The networks start as their files have them, the criteria as Python drew them.
  const Dict initial = file.at("initial").toGenericDict();
  const NamedTensors state = step.state();
  for (const auto& entry : initial) {
    const std::string name = entry.key().toStringRef();
    if (name.rfind("terms.", 0) == 0) state[name].copy_(entry.value().toTensor());
  }
  expect_state(step, initial);

  manual_seed(static_cast<uint64_t>(file.at("seed").toInt()));
  for (size_t i = 0; i < steps.size(); ++i) {
    SCOPED_TRACE("step " + std::to_string(i));
    StepResult result;
    step.run(
        {tensor_of(i, "images"), tensor_of(i, "labels"), tensor_of(i, "indices"), tensor_of(i, "contrast")}, result);
    const Dict expected = steps.get(i).toGenericDict();
    const Dict losses = expected.at("losses").toGenericDict();
    EXPECT_TRUE(close(result.cross_entropy, losses.at("cross_entropy").toDouble(), kTolerance));
    size_t term = 0;
    for (const auto& entry : file.at("student_taps").toGenericDict()) {
      EXPECT_TRUE(close(result.terms.at(term++), losses.at(entry.key()).toDouble(), kTolerance)) << entry.key();
    }
    expect_state(step, expected.at("state").toGenericDict());
  }
}

}  // namespace
}  // namespace retort
