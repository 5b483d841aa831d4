// Programs of torch.export: that they compute what eager PyTorch does, what their taps are, and what networks made of
// them can do. native/tests/python/exported_test.py makes the cases.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/kd.h>
#include <retort/models/exported.h>
#include <retort/models/torchscript.h>
#include <retort/train/sgd.h>
#include <retort/train/training_step.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "expect.h"
#include "files.h"
#include "models/network_state.h"
#include "networks.h"
#include "seeded_test.h"
#include "temporary_folder.h"

namespace retort {
namespace {

namespace fs = std::filesystem;
using test::close;
using test::copy_of;
using test::error_of;
using test::same_bits;
using Names = std::vector<std::string>;

constexpr uint64_t kSeed = 1;

std::string small_case(const std::string& name) {
  return std::string(RETORT_EXPORTED_DIR) + "/" + name;
}

/// What eager PyTorch computed of a program beside the file.
class ExportedCase {
 public:
  /// @param path of the program
  explicit ExportedCase(std::string path) : path_(std::move(path)) {
    const std::string bytes = test::bytes_of(fs::path(path_).replace_extension(".pt"));
    if (bytes.empty()) throw std::runtime_error("no case of a program at " + path_);
    values_ = torch::jit::pickle_load({bytes.begin(), bytes.end()}).toGenericDict();
  }

  at::Tensor operator[](const std::string& key) const { return values_.at(key).toTensor(); }
  std::vector<std::pair<std::string, at::Tensor>> all(const std::string& key) const {
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    for (const auto& entry : values_.at(key).toGenericDict()) {
      tensors.emplace_back(entry.key().toStringRef(), entry.value().toTensor());
    }
    return tensors;
  }
  Names taps() const {
    Names names;
    for (const auto& [name, value] : all("taps")) names.push_back(name);
    return names;
  }

  /// Expects that the network, loaded with all taps, does the same.
  void expect(Network& network) const {
    constexpr double kTolerance = 1e-9;
    const at::Tensor images = (*this)["images"];
    const at::Tensor before = images.clone();
    network.train();
    manual_seed(kSeed);
    const NetworkOutput output = network.forward(images);
    EXPECT_TRUE(close(output.logits, (*this)["logits"], kTolerance));
    const auto taps = all("taps");
    ASSERT_EQ(taps.size(), output.features.size());
    for (size_t i = 0; i < taps.size(); ++i) {
      EXPECT_TRUE(close(output.features[i], taps[i].second, kTolerance)) << taps[i].first;
    }

    (output.logits * (*this)["cotangent"]).sum().backward();
    const auto parameters = network.named_parameters();
    double largest = 0;
    for (const auto& [name, expected] : all("gradients")) {
      largest = std::max(largest, expected.abs().max().item<double>());
    }
    for (const auto& [name, expected] : all("gradients")) {
      const at::Tensor& gradient = parameters[name].grad();
      ASSERT_TRUE(gradient.defined()) << name;
      // Rounding alone is left of some, as of biases before a normalisation.
      if (expected.abs().max().item<double>() < 1e-9 * largest) continue;
      EXPECT_TRUE(close(gradient, expected, kTolerance)) << name;
    }
    const auto state = network.state_dict();
    const auto expected = all("state");
    EXPECT_EQ(state.size(), expected.size());
    for (const auto& [name, tensor] : expected) EXPECT_TRUE(close(state[name], tensor, kTolerance)) << name;

    network.eval();
    EXPECT_TRUE(close(network.forward(images).logits, (*this)["evaluation"], kTolerance));
    EXPECT_TRUE(close(network.predict(images), (*this)["evaluation"], kTolerance));
    EXPECT_TRUE(same_bits(network.state_dict(), copy_of(state))) << "evaluation changes nothing";
    EXPECT_TRUE(same_bits(images, before)) << "the images are the caller's";
  }

 private:
  std::string path_;
  c10::impl::GenericDict values_{c10::AnyType::get(), c10::AnyType::get()};
};

void expect_cases_of(const fs::path& folder) {
  size_t count = 0;
  for (const auto& file : fs::directory_iterator(folder)) {
    if (file.path().extension() != ".pt2") continue;
    SCOPED_TRACE(file.path().stem().string());
    const ExportedCase expected(file.path());
    expected.expect(*load_exported(file.path(), expected.taps()));
    ++count;
  }
  EXPECT_GT(count, 0U);
}

class ExportedCaseTest : public test::SeededTest {};

TEST_F(ExportedCaseTest, SmallProgramsAgreeWithPython) {
  expect_cases_of(RETORT_EXPORTED_DIR);
}

TEST_F(ExportedCaseTest, AgreesWithPython) {
  const char* folder = std::getenv("RETORT_EXPORTED_CASES");
  if (!folder) GTEST_SKIP() << "RETORT_EXPORTED_CASES names no folder of cases";
  expect_cases_of(folder);
}

class ExportedTest : public test::SeededTest {
 protected:
  const std::string residual_ = small_case("residual-2.10.pt2");
  const ExportedCase case_{residual_};
  const at::Tensor images_ = case_["images"];
  test::TemporaryFolder folder_;
};

// ---- taps -----------------------------------------------------------------------------------------------------------

TEST_F(ExportedTest, FeaturesAreWhatTheModelReturns) {
  EXPECT_EQ(load_exported(residual_)->tap_names(), Names());
  const auto attention = load_exported(small_case("attention-2.10.pt2"));
  EXPECT_EQ(attention->tap_names(), Names({"tokens", "query"}));
  attention->probe({3, 8, 8});
  EXPECT_EQ(attention->classes(), 5);
  EXPECT_EQ(attention->tap_shape("tokens"), std::vector<int64_t>({4, 8}));
  EXPECT_EQ(attention->tap_shape("query"), std::vector<int64_t>({2, 4, 4}));
}

TEST_F(ExportedTest, TapsHaveNames) {
  const Names taps = {"first=layer1.0.relu@0", "layer1.0.relu", "before=layer1.0.relu:in", "layer1.0.relu@0:in"};
  const auto network = load_exported(residual_, taps);
  EXPECT_EQ(network->tap_names(), Names({"first", "layer1.0.relu", "before", "layer1.0.relu@0:in"}));
  network->eval();
  const NetworkOutput output = network->forward(images_);
  const auto& features = output.features;
  EXPECT_TRUE(same_bits(features[0], at::relu(features[3])));
  EXPECT_TRUE(same_bits(features[1], at::relu(features[2]))) << "without a number it is the last call";
  EXPECT_FALSE(same_bits(features[0], features[1]));
}

TEST_F(ExportedTest, TapsAreRefused) {
  const auto error_with = [&](const Names& taps) { return error_of([&] { load_exported(residual_, taps); }); };
  EXPECT_EQ(
      error_with({"layer1.0.rleu"}),
      "load_exported: tap must be at one of the program's 30 modules (got layer1.0.rleu, did you mean layer1.0.relu, "
      "layer1.1.relu, layer1.0.bn1, layer1.0.bn2, layer2.2.relu?)");
  EXPECT_EQ(
      error_with({"x=layer1.0.relu@2"}),
      "load_exported: tap must be at one of the calls @0 to @1 of layer1.0.relu (got layer1.0.relu@2)");
  for (const std::string text : {"", "=", "a=", "=layer1", "layer1@", "layer1@x", "layer1@-1", "layer1@1x:in", ":in"}) {
    EXPECT_EQ(
        error_with({text}),
        "load_exported: tap must be a module's path such as layer1=layer1.1.relu@0 or layer1.1.relu:in (got " + text +
            ")");
  }
  EXPECT_EQ(error_with({"a=layer1", "a=layer2"}), "load_exported: taps must have names of their own (got a twice)");
  EXPECT_EQ(
      error_of([] { load_exported(small_case("attention-2.10.pt2"), {"heads"}); }),
      "load_exported: tap must be at a module that returns one tensor (got heads, which returns 3)");
}

TEST_F(ExportedTest, KnowsItsStructure) {
  const auto network = load_exported(residual_, {"stem=bn1", "layer1=layer1.1.relu:in", "layer2"});
  EXPECT_EQ(network->backbone(), Names({"conv1", "bn1", "layer1", "layer2"}));
  EXPECT_EQ(network->norm_before("stem"), "bn1");
  // The output of a branch plus the shortcut; with stochastic depth between, there is none.
  EXPECT_EQ(
      error_of([&] { network->norm_before("layer2"); }), "Network.norm_before: tap must be one of stem (got layer2)");
}

TEST_F(ExportedTest, SuggestedTapsAreThoseOfANativeNetwork) {
  const std::vector<std::string> taps = suggest_exported_taps(residual_);
  const auto network = load_exported(residual_, taps);
  network->probe({3, 6, 6});
  EXPECT_EQ(network->tap_names(), (std::vector<std::string>{"layer1", "layer1.pre", "layer2", "layer2.pre"}));
  EXPECT_EQ(network->tap_shape("layer2.pre"), (std::vector<int64_t>{8, 3, 3}));
  std::ifstream stream(residual_, std::ios::binary);
  EXPECT_EQ(suggest_exported_taps(stream), taps);
  EXPECT_EQ(suggest_exported_taps(small_case("attention-2.10.pt2")).back(), "embedding=head:in");
}

TEST_F(ExportedTest, IsDescribed) {
  const std::string text = describe_exported(residual_);
  EXPECT_EQ(
      text.substr(text.find('\n') + 1, text.find("\nmodule") - text.find('\n') - 1),
      "images [batch, 3, 6, 6], logits [batch, 8]\n");
  EXPECT_NE(text.find(", 57 operators, 2292 parameters\n"), std::string::npos);
  EXPECT_NE(
      text.find("layer1.0.relu@1  ReLU                                 0  [batch, 4, 6, 6]\n"), std::string::npos);
  EXPECT_NE(
      text.find("taps to begin with\n"
                "layer1=layer1  [batch, 4, 6, 6]\n"
                "layer1.pre=layer1.1.relu@1:in  [batch, 4, 6, 6]\n"
                "layer2=layer2  [batch, 8, 3, 3]\n"
                "layer2.pre=layer2.2.relu@1:in  [batch, 8, 3, 3]\n"),
      std::string::npos);
  const std::string noisy = describe_exported(small_case("noisy-2.10.pt2"));
  EXPECT_NE(noisy.find("with a program of its own for evaluation\n"), std::string::npos);
  EXPECT_NE(
      describe_exported(small_case("pointwise_teacher-2.10.pt2")).find("exported in evaluation mode"),
      std::string::npos);
  EXPECT_EQ(
      test::file_error_of([] { describe_exported("/no/such.pt2"); }),
      "describe_exported: path must be an existing file (got /no/such.pt2)");
}

// ---- networks -------------------------------------------------------------------------------------------------------

TEST_F(ExportedTest, IsSavedAndLoaded) {
  const Names taps = {"layer1", "layer2"};
  const auto network = load_exported(residual_, taps);
  network->eval();
  const NetworkOutput expected = network->forward(images_);
  network->save_state_dict(folder_.file("state.pt"));
  network->save_torchscript(folder_.file("network.ts"));

  const auto script = load_torchscript(folder_.file("network.ts"));
  EXPECT_EQ(script->state_dict().keys(), network->state_dict().keys());
  EXPECT_TRUE(same_bits(script->forward(images_).logits, expected.logits));
  EXPECT_TRUE(same_bits(script->forward(images_).features[1], expected.features[1]));

  const auto other = load_exported(residual_, taps);
  for (const at::Tensor& parameter : other->parameters()) parameter.detach().fill_(0.5);
  other->eval();
  other->load_state_dict(folder_.file("state.pt"));
  EXPECT_TRUE(same_bits(other->forward(images_).logits, expected.logits));
}

TEST_F(ExportedTest, IsReadFromAStream) {
  std::ifstream file(residual_, std::ios::binary);
  const auto network = load_exported(file, {"layer1"});
  network->eval();
  const auto same = load_exported(residual_);
  EXPECT_TRUE(same_bits(network->predict(images_), same->predict(images_)));
}

TEST_F(ExportedTest, ComputesInOtherTypesAndFormats) {
  const auto network = load_exported(residual_, {"layer1"});
  const at::Tensor expected = network->predict(images_);
  network->convert(at::kFloat);
  network->eval();
  const at::Tensor images = images_.to(at::kFloat);
  const NetworkOutput output = network->forward(images);
  EXPECT_EQ(output.logits.scalar_type(), at::kFloat);
  EXPECT_TRUE(close(output.logits.to(at::kDouble), expected, 1e-5));
  const NetworkOutput last = network->forward(images.contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(last.features[0].is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(close(last.logits, output.logits, 1e-5));
}

TEST_F(ExportedTest, PartsHaveTheirModes) {
  const auto network = load_exported(residual_);
  network->eval();
  const at::Tensor evaluated = network->forward(images_).logits;
  const auto state = copy_of(network->state_dict());
  // Only the statistics of one layer move.
  for (const auto& part : network->named_modules()) {
    if (part.key() == "layer1.0.bn1") part.value()->train();
  }
  EXPECT_FALSE(same_bits(network->forward(images_).logits, evaluated));
  for (const auto& entry : network->state_dict()) {
    const bool moves =
        entry.key().find("layer1.0.bn1.running") == 0 || entry.key() == "layer1.0.bn1.num_batches_tracked";
    EXPECT_EQ(same_bits(entry.value(), state[entry.key()]), !moves) << entry.key();
  }
}

TEST_F(ExportedTest, TiedParametersAreOne) {
  const auto network = load_exported(residual_);
  const auto state = network->state_dict();
  EXPECT_EQ(state["tied.weight"].const_data_ptr(), state["fc.weight"].const_data_ptr());
}

TEST_F(ExportedTest, ImagesMustFit) {
  const auto network = load_exported(residual_);
  EXPECT_EQ(
      error_of([&] {
        network->predict(at::zeros({2, 3, 6, 7}, at::kDouble));
      }),
      "ExportedNetwork: images must be of the exported shape [batch, 3, 6, 6] (got [2, 3, 6, 7])");
  EXPECT_EQ(network->predict(at::zeros({1, 3, 6, 6}, at::kDouble)).size(0), 1);
}

TEST_F(ExportedTest, OneValuePerChannelHasNoStatistics) {
  // The map that is normalised last has one position.
  const auto network = load_exported(small_case("pointwise-2.10.pt2"));
  network->train();
  EXPECT_EQ(
      error_of([&] {
        network->forward(at::zeros({1, 3, 2, 2}, at::kDouble));
      }),
      "ExportedNetwork: images must be accepted by the module (got [1, 3, 2, 2]: Expected more than 1 value per "
      "channel "
      "when training)");
  EXPECT_NO_THROW(network->forward(at::zeros({2, 3, 2, 2}, at::kDouble)));
  network->eval();
  EXPECT_NO_THROW(network->forward(at::zeros({1, 3, 2, 2}, at::kDouble)));
}

// ---- training -------------------------------------------------------------------------------------------------------

TrainingStepOptions step_options(const std::shared_ptr<Network>& student, const std::shared_ptr<Network>& teacher) {
  TrainingStepOptions options;
  options.student = student;
  if (teacher) options.teachers = {teacher};
  options.input_shape = {3, 6, 6};
  if (teacher) options.terms = {{0.9, std::make_shared<KdOptions>(), {}, {}}};
  auto sgd = std::make_shared<SgdOptions>();
  sgd->learning_rate = 0.05;
  sgd->momentum = 0.9;
  options.optimizer = sgd;
  return options;
}

TEST_F(ExportedTest, LearnsAndResumes) {
  const auto teacher = load_exported(small_case("pointwise_teacher-2.10.pt2"));
  const auto make = [&] { return std::make_unique<TrainingStep>(step_options(load_exported(residual_), teacher)); };
  Batch batch;
  batch.images = images_;
  batch.labels = at::tensor({0, 3, 7}, at::kLong);
  StepResult result;
  const auto step = make();
  manual_seed(3);
  step->run(batch, result);
  const double first = result.total;
  step->run(batch, result);
  step->save(folder_.file("step.retort"));
  const auto twin = make();
  twin->load(folder_.file("step.retort"));
  StepResult expected;
  for (int i = 0; i < 20; ++i) {
    manual_seed(10 + i);
    step->run(batch, expected);
    manual_seed(10 + i);
    twin->run(batch, result);
    EXPECT_EQ(result.total, expected.total) << i;
  }
  EXPECT_LT(expected.total, first);
  EXPECT_TRUE(same_bits(twin->state(), step->state()));
}

TEST_F(ExportedTest, EvaluationCanTeachNotLearn) {
  const auto evaluation = load_exported(small_case("pointwise_teacher-2.10.pt2"));
  EXPECT_EQ(
      error_of([&] { TrainingStep step(step_options(evaluation, nullptr)); }),
      "TrainingStep: student must be exported in training mode, by export(model.train(), …) (got a program of "
      "evaluation)");
}

}  // namespace
}  // namespace retort
