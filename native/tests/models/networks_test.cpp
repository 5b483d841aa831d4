#include <ATen/Functions.h>
#include <ATen/core/Dict.h>
#include <ATen/core/ivalue.h>
#include <gtest/gtest.h>
#include <retort/retort.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <ostream>
#include <set>

#include "expect.h"
#include "export_test.h"
#include "files.h"
#include "models/torchscript/program.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::close;
using test::copy_of;
using test::error_of;
using test::same_bits;

using Names = std::vector<std::string>;
using Shape = std::vector<int64_t>;

/// A small network of each kind, which tests can afford.
struct Sample {
  std::string name;
  std::function<std::shared_ptr<Network>()> make;
  Shape input_shape;
  Names backbone;
  /// Taps and the BatchNorm before them.
  std::vector<std::pair<std::string, std::string>> norms;
};

std::shared_ptr<Network> small_resnet() {
  ResNetOptions options;
  options.depth = 14;
  options.classes = 5;
  options.filters = {4, 4, 8, 12};
  return make_resnet(options);
}

std::shared_ptr<Network> small_vgg(int64_t depth, const Shape& filters) {
  VggOptions options;
  options.depth = depth;
  options.classes = 5;
  options.filters = filters;
  return make_vgg(options);
}

std::shared_ptr<Network> small_shufflenet_v1() {
  ShuffleNetV1Options options;
  options.classes = 5;
  options.filters = {36, 72, 144};
  options.blocks = {2, 3, 2};
  return make_shufflenet_v1(options);
}

std::shared_ptr<Network> small_shufflenet_v2() {
  ShuffleNetV2Options options;
  options.classes = 5;
  options.filters = {8, 16, 24, 32};
  options.blocks = {1, 2, 1};
  return make_shufflenet_v2(options);
}

std::shared_ptr<Network> small_imagenet_resnet(int64_t depth, const Shape& filters) {
  ImageNetResNetOptions options;
  options.depth = depth;
  options.classes = 5;
  options.filters = filters;
  return make_imagenet_resnet(options);
}

std::shared_ptr<Network> small_imagenet_mobilenet_v2() {
  ImageNetMobileNetV2Options options;
  options.width = 0.0625;
  options.classes = 3;
  // TorchScript draws other numbers for it.
  options.dropout = 0.0;
  return make_imagenet_mobilenet_v2(options);
}

Names numbered(const std::string& prefix, int last) {
  Names names;
  for (int i = 0; i <= last; ++i) names.push_back(prefix + std::to_string(i));
  return names;
}

const std::vector<Sample>& samples() {
  static const Names residual = {"conv1", "bn1", "layer1", "layer2", "layer3"};
  static const Names residual_of_four = {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"};
  static const Names blocks = {"block0", "block1", "block2", "block3", "block4"};
  static const std::vector<Sample> all = {
      {"resnet",
       small_resnet,
       {3, 8, 12},
       residual,
       {{"layer1.pre", "layer1.1.bn2"}, {"layer2.pre", "layer2.1.bn2"}, {"layer3.pre", "layer3.1.bn2"}}},
      {"wide_resnet",
       [] {
         return make_wide_resnet({10, 1, 5, 3});
       },
       {3, 8, 12},
       {"conv1", "block1", "block2", "block3"},
       {{"layer1.pre", "block2.layer.0.bn1"}, {"layer2.pre", "block3.layer.0.bn1"}, {"layer3.pre", "bn1"}}},
      {"vgg",
       [] {
         return small_vgg(11, {4, 6, 8, 10, 12});
       },
       {3, 8, 12},
       blocks,
       {{"layer1.pre", "block1.1"},
        {"layer2.pre", "block2.4"},
        {"layer3.pre", "block3.4"},
        {"layer4.pre", "block4.4"}}},
      {"vgg_64",
       [] {
         return small_vgg(8, {4, 4, 6, 8, 10});
       },
       {3, 64, 16},
       blocks,
       {{"layer1.pre", "block1.1"},
        {"layer2.pre", "block2.1"},
        {"layer3.pre", "block3.1"},
        {"layer4.pre", "block4.1"}}},
      {"mobilenet_v2",
       [] {
         return make_mobilenet_v2({0.0625, 3, 3});
       },
       {3, 8, 12},
       {"conv1", "blocks"},
       {{"layer1.pre", "blocks.1.1.conv.7"},
        {"layer2.pre", "blocks.2.2.conv.7"},
        {"layer3.pre", "blocks.4.2.conv.7"},
        {"layer4.pre", "blocks.6.0.conv.7"}}},
      {"shufflenet_v1", small_shufflenet_v1, {3, 8, 12}, residual, {}},
      {"shufflenet_v2", small_shufflenet_v2, {3, 8, 12}, residual, {}},
      {"imagenet_resnet18",
       [] {
         return small_imagenet_resnet(18, {4, 6, 8, 10, 12});
       },
       {3, 34, 40},
       residual_of_four,
       {{"layer1.pre", "layer1.1.bn2"},
        {"layer2.pre", "layer2.1.bn2"},
        {"layer3.pre", "layer3.1.bn2"},
        {"layer4.pre", "layer4.1.bn2"}}},
      {"imagenet_resnet50",
       [] {
         return small_imagenet_resnet(50, {4, 2, 3, 4, 5});
       },
       {3, 34, 40},
       residual_of_four,
       {{"layer1.pre", "layer1.2.bn3"},
        {"layer2.pre", "layer2.3.bn3"},
        {"layer3.pre", "layer3.5.bn3"},
        {"layer4.pre", "layer4.2.bn3"}}},
      {"imagenet_mobilenet_v2",
       small_imagenet_mobilenet_v2,
       {3, 34, 40},
       numbered("features.", 17),
       {{"layer1.pre", "features.3.conv.3"},
        {"layer2.pre", "features.6.conv.3"},
        {"layer3.pre", "features.13.conv.3"},
        {"layer4.pre", "features.17.conv.3"}}}};
  return all;
}

std::ostream& operator<<(std::ostream& stream, const Sample& sample) {
  return stream << sample.name;
}

std::string name_of(const ::testing::TestParamInfo<Sample>& info) {
  return info.param.name;
}

at::Tensor images_of(const Sample& sample, int64_t batch = 4) {
  Shape shape = {batch};
  shape.insert(shape.end(), sample.input_shape.begin(), sample.input_shape.end());
  return at::randn(shape);
}

/// What Python's torch says of a network, see python/networks_test.py.
class NetworkCase {
 public:
  explicit NetworkCase(std::string path) : path_(std::move(path)) {
    const std::string bytes = test::bytes_of(path_);
    if (bytes.empty()) throw std::runtime_error("no case of a network at " + path_);
    values_ = torch::jit::pickle_load({bytes.begin(), bytes.end()}).toGenericDict();
  }

  at::Tensor operator[](const std::string& key) const { return values_.at(key).toTensor(); }

  Names state_names() const {
    Names names;
    for (const auto& entry : values_.at("model").toGenericDict()) names.push_back(entry.key().toStringRef());
    return names;
  }

  /// Expects that the network with the case's weights does the same.
  /// @param in_training the tolerance in training mode; by default the same
  void expect(Network& network, at::ScalarType dtype, double tolerance, double in_training = 0.0) const {
    network.convert(dtype);
    EXPECT_EQ(network.state_dict().keys(), state_names());
    network.load_state_dict(path_);
    const at::Tensor images = (*this)["images"].to(dtype);
    network.eval();
    const NetworkOutput output = network.forward(images);
    EXPECT_TRUE(close(output.logits.to(at::kDouble), (*this)["logits"], tolerance));
    const auto taps = values_.at("taps").toGenericDict();
    EXPECT_EQ(taps.size(), output.features.size());
    for (size_t i = 0; i < output.features.size(); ++i) {
      const std::string tap = network.tap_names()[i];
      EXPECT_TRUE(close(output.features[i].to(at::kDouble), taps.at(tap).toTensor(), tolerance)) << tap;
    }
    network.train();
    const at::Tensor training = network.forward(images).logits.to(at::kDouble);
    EXPECT_TRUE(close(training, (*this)["training"], std::max(tolerance, in_training)));
  }

 private:
  std::string path_;
  c10::impl::GenericDict values_{c10::AnyType::get(), c10::AnyType::get()};
};

class NetworkCaseTest : public test::SeededTest {};

TEST_F(NetworkCaseTest, SmallNetworksAgreeWithPython) {
  for (const Sample& sample : samples()) {
    SCOPED_TRACE(sample.name);
    const NetworkCase expected(std::string(RETORT_NETWORKS_DIR) + "/" + sample.name + ".pt");
    expected.expect(*sample.make(), at::kDouble, 1e-9);
    // Fifty layers that normalise eight numbers each multiply what is rounded.
    const bool is_deep = sample.name == "imagenet_resnet50" || sample.name == "imagenet_mobilenet_v2";
    expected.expect(*sample.make(), at::kFloat, 1e-5, is_deep ? 1e-3 : 0.0);
  }
}

TEST_F(NetworkCaseTest, NamedNetworksAgreeWithPython) {
  const char* folder = std::getenv("RETORT_NETWORK_CASES");
  if (!folder) GTEST_SKIP() << "RETORT_NETWORK_CASES names no folder of cases";
  ASSERT_FALSE(std::filesystem::is_empty(folder));
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const std::string name = file.path().stem();
    SCOPED_TRACE(name);
    NetworkCase(file.path()).expect(*make_network(name, 100), at::kDouble, 1e-9);
  }
}

class NetworksTest : public test::ExportTest, public ::testing::WithParamInterface<Sample> {
 protected:
  NetworksTest() : ExportTest(GetParam().input_shape) {}
};

TEST_P(NetworksTest, TapsAreNamedAlike) {
  const auto network = GetParam().make();
  network->probe(GetParam().input_shape);
  Names expected = {"stem"};
  const int layers = network->tap_names().size() == 10 ? 4 : 3;
  for (const char* suffix : {"", ".pre"}) {
    for (int i = 1; i <= layers; ++i) expected.push_back("layer" + std::to_string(i) + suffix);
  }
  expected.emplace_back("embedding");
  EXPECT_EQ(network->tap_names(), expected);
}

TEST_P(NetworksTest, ClassifierTakesTheEmbedding) {
  const auto network = GetParam().make();
  const NetworkOutput output = network->forward(images_of(GetParam()));
  const auto state = network->state_dict();
  const size_t last = state.size();
  EXPECT_TRUE(
      close(output.logits, at::linear(output.features.back(), state[last - 2].value(), state[last - 1].value())));
}

TEST_P(NetworksTest, GradientsReachEveryParameter) {
  const auto network = GetParam().make();
  network->forward(images_of(GetParam(), 8)).logits.square().sum().backward();
  for (const auto& entry : network->named_parameters()) {
    SCOPED_TRACE(entry.key());
    ASSERT_TRUE(entry.value().grad().defined());
    EXPECT_GT(entry.value().grad().abs().max().item<double>(), 0.0);
  }
}

TEST_P(NetworksTest, GradientsOfTapsReachTheImages) {
  const auto network = GetParam().make();
  const at::Tensor images = images_of(GetParam()).requires_grad_();
  const NetworkOutput output = network->forward(images);
  for (size_t i = 0; i < output.features.size(); ++i) {
    const auto gradient = torch::autograd::grad(
        {output.features[i].square().sum()}, {images}, /*grad_outputs=*/{}, /*retain_graph=*/true);
    EXPECT_GT(gradient[0].abs().max().item<double>(), 0.0) << network->tap_names()[i];
  }
}

TEST_P(NetworksTest, WeightsComeFromTheDefaultGenerator) {
  manual_seed(1);
  const auto first = GetParam().make();
  const auto other = GetParam().make();
  manual_seed(1);
  EXPECT_TRUE(same_bits(GetParam().make()->state_dict(), first->state_dict()));
  EXPECT_FALSE(same_bits(other->state_dict(), first->state_dict()));
}

TEST_P(NetworksTest, StateDictIsSavedAndLoaded) {
  const auto network = GetParam().make();
  network->forward(images_of(GetParam()));
  network->save_state_dict(folder_.file("state.pt"));
  const auto other = GetParam().make();
  other->load_state_dict(folder_.file("state.pt"));
  EXPECT_TRUE(same_bits(other->state_dict(), network->state_dict()));
}

TEST_P(NetworksTest, ProgramComputesTheSameBits) {
  const auto network = GetParam().make();
  const auto program = exported(*network);
  EXPECT_EQ(program->tap_names(), network->tap_names());
  // TorchScript rewrites a program after its first runs.
  for (const bool training : {true, true, true, false, false, true}) {
    network->train(training);
    program->train(training);
    expect_same_pass(*network, *program, images_of(GetParam()));
    EXPECT_TRUE(same_bits(program->state_dict(), network->state_dict()));
  }
}

TEST_P(NetworksTest, ProgramKeepsModeAndDtype) {
  const auto network = GetParam().make();
  network->convert(at::kDouble);
  EXPECT_TRUE(exported(*network)->is_training());
  network->eval();
  const auto program = exported(*network);
  EXPECT_FALSE(program->is_training());
  EXPECT_EQ(program->tensor_options().dtype(), at::kDouble);
}

TEST_P(NetworksTest, ProgramServesManyAtOnce) {
  const auto network = GetParam().make();
  network->save_torchscript(folder_.file("network.ts"));
  EXPECT_FALSE(may_change_itself(torch::jit::load(folder_.file("network.ts"))));
  const at::Tensor images = images_of(GetParam());
  const at::Tensor expected = network->predict(images);
  network->publish();
  EXPECT_TRUE(same_bits(network->predict(images), expected));
}

TEST_P(NetworksTest, IsTrained) {
  TrainingStepOptions options;
  options.student = GetParam().make();
  options.input_shape = GetParam().input_shape;
  const auto adam = std::make_shared<AdamOptions>();
  adam->learning_rate = 0.01;
  options.optimizer = adam;
  TrainingStep step(options);
  Batch batch;
  batch.images = images_of(GetParam(), 6);
  batch.labels = at::tensor({0, 1, 2, 0, 1, 2}, at::kLong);
  StepResult first, last;
  step.run(batch, first);
  for (int i = 0; i < 60; ++i) step.run(batch, last);
  EXPECT_LT(last.cross_entropy, first.cross_entropy / 2);
}

TEST_P(NetworksTest, BackboneIsTrainedByAStage) {
  const auto network = GetParam().make();
  EXPECT_EQ(network->backbone(), GetParam().backbone);
  TrainingStepOptions options;
  options.student = network;
  options.input_shape = GetParam().input_shape;
  options.trained = network->backbone();
  TrainingStep step(options);
  const auto before = copy_of(network->state_dict());
  Batch batch;
  batch.images = images_of(GetParam());
  batch.labels = at::tensor({0, 1, 2, 0}, at::kLong);
  StepResult result;
  step.run(batch, result);
  const Names& backbone = GetParam().backbone;
  // Not each parameter by itself: what a BatchNorm scales has no gradient where another one follows.
  std::set<std::string> changed;
  for (const auto& entry : network->named_parameters()) {
    if (same_bits(entry.value(), before[entry.key()])) continue;
    const auto part = std::find_if(backbone.begin(), backbone.end(), [&](const std::string& name) {
      return entry.key().compare(0, name.size() + 1, name + ".") == 0;
    });
    changed.insert(part == backbone.end() ? entry.key() : *part);
  }
  EXPECT_EQ(changed, std::set<std::string>(backbone.begin(), backbone.end()));
}

TEST_P(NetworksTest, NormsHaveTheChannelsOfTheirTaps) {
  const auto network = GetParam().make();
  network->probe(GetParam().input_shape);
  for (const auto& [tap, norm] : GetParam().norms) {
    EXPECT_EQ(network->norm_before(tap), norm);
    EXPECT_EQ(network->state_dict()[norm + ".running_var"].size(0), network->tap_shape(tap)[0]);
  }
  Names known;
  for (const auto& entry : GetParam().norms) known.push_back(entry.first);
  for (const std::string tap : {"stem", "layer1", "embedding"}) {
    EXPECT_EQ(
        error_of([&] { network->norm_before(tap); }),
        known.empty()
            ? "Network.norm_before: network must have a BatchNorm before a tap (got none)"
            : c10::str("Network.norm_before: tap must be one of ", c10::Join(", ", known), " (got ", tap, ")"));
  }
  EXPECT_EQ(
      error_of([&] { network->norm_before("bottom"); }),
      c10::str("Network: tap must be one of ", c10::Join(", ", network->tap_names()), " (got bottom)"));
}

TEST_P(NetworksTest, RejectsOtherImages) {
  const auto network = GetParam().make();
  for (const at::Tensor& images : {at::zeros({2, 1, 8, 8}), at::zeros({2, 3, 8})}) {
    const std::string error = error_of([&] { network->predict(images); });
    const std::string rule = c10::str(": images must be of shape [batch, 3, height, width] (got ", images.sizes(), ")");
    EXPECT_EQ(error.substr(std::min(error.find(':'), error.size())), rule);
  }
}

INSTANTIATE_TEST_SUITE_P(All, NetworksTest, ::testing::ValuesIn(samples()), name_of);

class NamedNetworksTest : public test::SeededTest {};

TEST_F(NamedNetworksTest, SizesAreThePublished) {
  struct Size {
    std::string name;
    int64_t parameters;
    size_t entries;
  };
  const std::vector<Size> sizes = {
      {"resnet8", 83892, 56},        {"resnet14", 181108, 92},    {"resnet20", 278324, 128},
      {"resnet32", 472756, 200},     {"resnet44", 667188, 272},   {"resnet56", 861620, 344},
      {"resnet110", 1736564, 668},   {"resnet8x4", 1233540, 62},  {"resnet32x4", 7433860, 206},
      {"wrn_16_1", 180916, 82},      {"wrn_16_2", 703284, 83},    {"wrn_40_1", 569780, 226},
      {"wrn_40_2", 2255156, 227},    {"vgg8", 3965028, 37},       {"vgg11", 9277284, 58},
      {"vgg13", 9462180, 72},        {"vgg16", 14774436, 93},     {"vgg19", 20086692, 114},
      {"MobileNetV2", 812836, 320},  {"ShuffleV1", 949258, 296},  {"ShuffleV2", 1355528, 338},
      {"resnet18", 11227812, 122},   {"resnet34", 21335972, 218}, {"resnet50", 23712932, 320},
      {"mobilenet_v2", 2351972, 314}};
  Names names;
  for (const Size& size : sizes) {
    SCOPED_TRACE(size.name);
    names.push_back(size.name);
    const auto network = make_network(size.name, 100);
    EXPECT_EQ(network->parameter_count(), size.parameters);
    EXPECT_EQ(network->state_dict().size(), size.entries);
  }
  EXPECT_EQ(network_names(), names);
}

TEST_F(NamedNetworksTest, TapsAreOfThePublishedShapes) {
  struct Taps {
    std::string name;
    std::vector<Shape> shapes;  // the stem and the layers
    int64_t embedding;
  };
  const std::vector<Taps> all = {
      {"resnet8", {{16, 32, 32}, {16, 32, 32}, {32, 16, 16}, {64, 8, 8}}, 64},
      {"resnet8x4", {{32, 32, 32}, {64, 32, 32}, {128, 16, 16}, {256, 8, 8}}, 256},
      {"wrn_16_1", {{16, 32, 32}, {16, 32, 32}, {32, 16, 16}, {64, 8, 8}}, 64},
      {"wrn_16_2", {{16, 32, 32}, {32, 32, 32}, {64, 16, 16}, {128, 8, 8}}, 128},
      {"vgg8", {{64, 32, 32}, {128, 16, 16}, {256, 8, 8}, {512, 4, 4}, {512, 4, 4}}, 512},
      {"MobileNetV2", {{16, 16, 16}, {12, 16, 16}, {16, 8, 8}, {48, 4, 4}, {160, 2, 2}}, 1280},
      {"ShuffleV1", {{24, 32, 32}, {240, 16, 16}, {480, 8, 8}, {960, 4, 4}}, 960},
      {"ShuffleV2", {{24, 32, 32}, {116, 16, 16}, {232, 8, 8}, {464, 4, 4}}, 1024}};
  for (const Taps& taps : all) {
    SCOPED_TRACE(taps.name);
    const auto network = make_network(taps.name, 100);
    network->probe({3, 32, 32});
    EXPECT_EQ(network->classes(), 100);
    EXPECT_EQ(network->tap_shape("stem"), taps.shapes[0]);
    for (size_t i = 1; i < taps.shapes.size(); ++i) {
      const std::string layer = "layer" + std::to_string(i);
      EXPECT_EQ(network->tap_shape(layer), taps.shapes[i]) << layer;
      EXPECT_EQ(network->tap_shape(layer + ".pre"), taps.shapes[i]) << layer;
    }
    EXPECT_EQ(network->tap_shape("embedding"), Shape{taps.embedding});
  }
}

TEST_F(NamedNetworksTest, TakeOtherImages) {
  for (const std::string name : {"resnet8", "wrn_16_1", "vgg8", "MobileNetV2", "ShuffleV1", "ShuffleV2"}) {
    const auto network = make_network(name, 7, 1);
    const at::Tensor logits = network->predict(at::zeros({2, 1, 19, 10}));
    EXPECT_EQ(logits.sizes(), at::IntArrayRef({2, 7})) << name;
  }
  EXPECT_EQ(
      error_of([] {
        make_network("vgg8", 7)->predict(at::zeros({2, 3, 8, 7}));
      }),
      "Vgg: images must have a height and width of at least 8 (got [2, 3, 8, 7])");
}

TEST_F(NamedNetworksTest, RejectsArguments) {
  EXPECT_EQ(
      error_of([] { make_network("resnet9", 10); }),
      c10::str(
          "make_network: name must be one of ", c10::Join(", ", network_names()),
          ", mlp_<units>_... (got resnet9, did you mean resnet8?)"));
  EXPECT_EQ(error_of([] { make_network("vgg8", 0); }), "make_network: classes must be positive (got 0)");
  EXPECT_EQ(error_of([] { make_network("vgg8", 10, -1); }), "make_network: input channels must be positive (got -1)");
}

TEST_F(NamedNetworksTest, MlpHasTheLayersOfItsName) {
  const auto network = make_network("mlp_8_5", 3, 12);
  const auto weights = network->state_dict();
  EXPECT_EQ(weights["0.weight"].sizes(), at::IntArrayRef({8, 12}));
  EXPECT_EQ(weights["2.weight"].sizes(), at::IntArrayRef({5, 8}));
  EXPECT_EQ(weights["4.weight"].sizes(), at::IntArrayRef({3, 5}));
  EXPECT_EQ(weights.size(), 6u);
  for (const std::string name : {"mlp_1", "mlp_256_128", "mlp_999999999", "resnet8"}) {
    EXPECT_TRUE(is_network_name(name)) << name;
  }
  for (const std::string name :
       {"", "mlp", "mlp_", "mlp_0", "mlp_08", "mlp_8_", "mlp__8", "mlp_-8", "mlp_8x", "mlp8", "xmlp_8",
        "mlp_1000000000", "mlp_<units>_...", "resnet9"}) {
    EXPECT_FALSE(is_network_name(name)) << name;
    EXPECT_NE(error_of([&] { make_network(name, 3, 12); }), "") << name;
  }
}

TEST_F(NamedNetworksTest, AreMadeForSamplesOfAShape) {
  EXPECT_EQ(make_network_for("vgg8", 5, {1, 16, 8})->predict(at::zeros({2, 1, 16, 8})).size(1), 5);
  EXPECT_EQ(make_network_for("mlp_3", 5, {2, 4, 4})->predict(at::zeros({2, 2, 4, 4})).size(1), 5);
  EXPECT_EQ(make_network_for("mlp_3", 5, {7})->predict(at::zeros({2, 7})).size(1), 5);
  EXPECT_EQ(
      error_of([] { make_network_for("mlp_3", 5, {}); }),
      "make_network_for: input shape must have positive sizes (got [])");
  EXPECT_EQ(
      error_of([] {
        make_network_for("vgg8", 5, {3, 0, 8});
      }),
      "make_network_for: input shape must have positive sizes (got [3, 0, 8])");
}

TEST_F(NamedNetworksTest, WeightsAreDrawnAsPublished) {
  const auto deviation = [](const at::Tensor& weight) { return weight.std().item<double>(); };
  // Over the fan out: sqrt(2 / (kernel² out)).
  const auto wide = make_network("wrn_16_2", 100)->state_dict();
  EXPECT_TRUE(close(deviation(wide["block3.layer.0.conv1.weight"]), std::sqrt(2.0 / (9 * 128)), 0.03));
  EXPECT_TRUE(same_bits(wide["fc.bias"], at::zeros({100})));
  EXPECT_LE(wide["fc.weight"].abs().max().item<double>(), 1 / std::sqrt(128.0));
  const auto vgg = make_network("vgg8", 100)->state_dict();
  EXPECT_TRUE(close(deviation(vgg["block2.0.weight"]), std::sqrt(2.0 / (9 * 256)), 0.03));
  EXPECT_TRUE(same_bits(vgg["block2.0.bias"], at::zeros({256})));
  EXPECT_TRUE(close(deviation(vgg["classifier.weight"]), 0.01, 0.03));
  EXPECT_TRUE(same_bits(vgg["classifier.bias"], at::zeros({100})));
  const auto mobile = make_network("MobileNetV2", 100)->state_dict();
  EXPECT_TRUE(close(deviation(mobile["conv2.0.weight"]), std::sqrt(2.0 / 1280), 0.03));
  EXPECT_TRUE(close(deviation(mobile["blocks.5.1.conv.3.weight"]), std::sqrt(2.0 / (9 * 480)), 0.1));
  EXPECT_TRUE(close(deviation(mobile["classifier.0.weight"]), 0.01, 0.03));
  EXPECT_TRUE(same_bits(mobile["classifier.0.bias"], at::zeros({100})));
  // As torch.nn.Conv2d: uniform over +-1 / sqrt(fan in).
  const auto shuffle = make_network("ShuffleV2", 100)->state_dict();
  const at::Tensor& weight = shuffle["layer3.1.conv1.weight"];
  EXPECT_LE(weight.abs().max().item<double>(), 1 / std::sqrt(232.0));
  EXPECT_TRUE(close(deviation(weight), 1 / std::sqrt(3 * 232.0), 0.03));
}

TEST_F(NamedNetworksTest, FamiliesRejectOptions) {
  for (int64_t depth : std::initializer_list<int64_t>{4, 8, 12, 1210, -2}) {
    EXPECT_EQ(
        error_of([&] {
          make_wide_resnet({depth, 1, 10, 3});
        }),
        c10::str("make_wide_resnet: depth must be 6n + 4 between 10 and 1204 (got ", depth, ")"));
  }
  for (int64_t width : std::initializer_list<int64_t>{0, 65}) {
    EXPECT_EQ(
        error_of([&] {
          make_wide_resnet({10, width, 10, 3});
        }),
        c10::str("make_wide_resnet: width must be between 1 and 64 (got ", width, ")"));
  }
  EXPECT_EQ(error_of([] { make_wide_resnet({10, 1, 0, 3}); }), "make_wide_resnet: classes must be positive (got 0)");

  EXPECT_EQ(error_of([] { small_vgg(10, {4, 4, 4, 4, 4}); }), "make_vgg: depth must be 8, 11, 13, 16 or 19 (got 10)");
  EXPECT_EQ(error_of([] { small_vgg(8, {4, 4, 4, 4}); }), "make_vgg: filters must be five numbers (got 4)");
  EXPECT_EQ(error_of([] { small_vgg(8, {4, 4, 0, 4, 4}); }), "make_vgg: filters must be positive (got 0)");

  for (double width : {0.05, 17.0}) {
    EXPECT_EQ(
        error_of([&] {
          make_mobilenet_v2({width, 10, 3});
        }),
        c10::str("make_mobilenet_v2: width must be between 0.0625 and 16 (got ", width, ")"));
  }
  EXPECT_EQ(
      error_of([] {
        make_mobilenet_v2({0.5, 10, 0});
      }),
      "make_mobilenet_v2: input channels must be positive (got 0)");

  ShuffleNetV1Options first;
  first.filters = {240, 480};
  EXPECT_EQ(error_of([&] { make_shufflenet_v1(first); }), "make_shufflenet_v1: filters must be three numbers (got 2)");
  first.filters = {240, 240, 480};
  EXPECT_EQ(
      error_of([&] { make_shufflenet_v1(first); }),
      "make_shufflenet_v1: filters must be multiples of 12 that grow from 24 on (got 240 after 240)");
  first.filters = {40, 80, 120};
  EXPECT_EQ(
      error_of([&] { make_shufflenet_v1(first); }),
      "make_shufflenet_v1: filters must be multiples of 12 that grow from 24 on (got 40 after 24)");
  first.blocks = {4, 0, 4};
  EXPECT_EQ(error_of([&] { make_shufflenet_v1(first); }), "make_shufflenet_v1: blocks must be positive (got 0)");
  first.blocks = {4, 4};
  first.filters = {240, 480, 960};
  EXPECT_EQ(error_of([&] { make_shufflenet_v1(first); }), "make_shufflenet_v1: blocks must be three numbers (got 2)");

  ShuffleNetV2Options second;
  second.filters = {8, 8, 8};
  EXPECT_EQ(error_of([&] { make_shufflenet_v2(second); }), "make_shufflenet_v2: filters must be four numbers (got 3)");
  second.filters = {8, 9, 8, 9};
  EXPECT_EQ(
      error_of([&] { make_shufflenet_v2(second); }),
      "make_shufflenet_v2: filters must be positive, those of the layers even (got 9)");
  second.blocks = {1, 1, -1};
  EXPECT_EQ(error_of([&] { make_shufflenet_v2(second); }), "make_shufflenet_v2: blocks must be positive (got -1)");
  second.blocks = {1};
  second.filters = {8, 8, 8, 8};
  EXPECT_EQ(error_of([&] { make_shufflenet_v2(second); }), "make_shufflenet_v2: blocks must be three numbers (got 1)");
}

}  // namespace
}  // namespace retort
