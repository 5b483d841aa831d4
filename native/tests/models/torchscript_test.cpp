#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/losses/kd.h>
#include <retort/models/torchscript.h>
#include <retort/train/training_step.h>
#include <torch/csrc/jit/api/module.h>

#include <limits>
#include <sstream>

#include "bad_streams.h"
#include "expect.h"
#include "files.h"
#include "models/network_state.h"
#include "networks.h"
#include "seeded_test.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::close;
using test::copy_of;
using test::error_of;
using test::file_error_of;
using test::same_bits;

/// What the scripts of these tests have in common: for images [B, 3, height, width] a map `f` [B, 4, height, width],
/// its average `e` [B, 4] and logits `y` [B, 5].
constexpr const char* kBody = R"(
def forward(self, x):
    h = torch.conv2d(x, self.weight, None, [1, 1], [1, 1])
    f = torch.relu(torch.batch_norm(
        h, self.gamma, self.beta, self.running_mean, self.running_var, self.training, 0.1, 1e-5, False))
    e = f.mean([2, 3])
    y = torch.linear(e, self.head)
)";

std::string attributes_of(const Network& network) {
  return NetworkState::of(network).packed_attributes();
}

class TorchScriptTest : public test::SeededTest {
 protected:
  /// A module whose forward ends with the statements `end`.
  static torch::jit::Module program(const std::string& end) {
    torch::jit::Module module("Net");
    if (!module.hasattr("training")) module.register_attribute("training", c10::BoolType::get(), true);
    module.register_parameter("weight", at::randn({4, 3, 3, 3}).requires_grad_(), /*is_buffer=*/false);
    module.register_parameter("gamma", at::ones({4}).requires_grad_(), /*is_buffer=*/false);
    module.register_parameter("beta", at::zeros({4}).requires_grad_(), /*is_buffer=*/false);
    module.register_parameter("head", at::randn({5, 4}).requires_grad_(), /*is_buffer=*/false);
    module.register_buffer("running_mean", at::zeros({4}));
    module.register_buffer("running_var", at::ones({4}));
    module.register_buffer("n", at::zeros({}, at::kLong));
    module.register_attribute("calls", c10::IntType::get(), 0);
    module.register_attribute("seen", c10::ListType::ofInts(), c10::List<int64_t>());
    module.register_attribute("drift", c10::TensorType::get(), at::zeros({1}));
    module.define(kBody + end + "\n");
    return module;
  }

  std::string save(const torch::jit::Module& module) const {
    module.save(folder_.file("network.ts"));
    return folder_.file("network.ts");
  }

  std::shared_ptr<Network> network(const std::string& end, const std::vector<std::string>& taps = {}) const {
    return load_torchscript(save(program(end)), taps);
  }

  /// The error of a forward pass through a module that ends with `end`.
  std::string forward_error(const std::string& end, const std::vector<std::string>& taps = {}) const {
    const auto loaded = network(end, taps);
    return error_of([&] { loaded->forward(at::zeros({2, 3, 6, 6})); });
  }

  test::TemporaryFolder folder_;
  // As predictions take them.
  at::Tensor images_ = at::randn({4, 3, 6, 6}).contiguous(at::MemoryFormat::ChannelsLast);
};

using Names = std::vector<std::string>;

TEST_F(TorchScriptTest, DictFeaturesAreNamedByTheirKeys) {
  const auto loaded = network("    return y, {'map': f, 'embedding': e}");
  EXPECT_TRUE(loaded->tap_names().empty());
  loaded->probe({3, 6, 6});
  EXPECT_EQ(loaded->tap_names(), (Names{"map", "embedding"}));
  EXPECT_EQ(loaded->tap_shape("map"), (std::vector<int64_t>{4, 6, 6}));
  EXPECT_EQ(loaded->tap_shape("embedding"), (std::vector<int64_t>{4}));
  EXPECT_EQ(loaded->classes(), 5);
}

TEST_F(TorchScriptTest, NamesSelectFromADict) {
  const auto loaded = network("    return y, {'map': f, 'embedding': e, 'hidden': h}", {"embedding", "map"});
  const NetworkOutput output = loaded->forward(images_);
  ASSERT_EQ(output.features.size(), 2u);
  EXPECT_EQ(output.features[0].dim(), 2);
  EXPECT_EQ(output.features[1].dim(), 4);
}

TEST_F(TorchScriptTest, ListAndTupleFeaturesAreNumbered) {
  for (const std::string end : {"    return y, [f, e]", "    return y, (f, e)"}) {
    const auto loaded = network(end);
    loaded->probe({3, 6, 6});
    EXPECT_EQ(loaded->tap_names(), (Names{"0", "1"}));
    EXPECT_EQ(loaded->tap_shape("0"), (std::vector<int64_t>{4, 6, 6}));
    const auto named = network(end, {"map", "embedding"});
    named->probe({3, 6, 6});
    EXPECT_EQ(named->tap_names(), (Names{"map", "embedding"}));
    EXPECT_EQ(named->tap_shape("embedding"), (std::vector<int64_t>{4}));
  }
}

TEST_F(TorchScriptTest, NoFeatures) {
  const auto loaded = network("    empty: List[Tensor] = []\n    return y, empty");
  loaded->probe({3, 6, 6});
  EXPECT_TRUE(loaded->tap_names().empty());
  EXPECT_EQ(loaded->classes(), 5);
}

TEST_F(TorchScriptTest, ComputesWhatTheModuleComputes) {
  torch::jit::Module module = program("    return y, [f, e]");
  const auto loaded = load_torchscript(save(module));
  const auto outputs = module.forward({images_}).toTuple();
  const NetworkOutput output = loaded->forward(images_);
  EXPECT_TRUE(same_bits(output.logits, outputs->elements()[0].toTensor()));
  EXPECT_TRUE(same_bits(output.features[0], outputs->elements()[1].toTensorVector()[0]));
  EXPECT_TRUE(output.logits.requires_grad());
}

TEST_F(TorchScriptTest, StateDictIsTheModules) {
  const auto loaded = network("    return y, [f]");
  const Names expected = {"weight", "gamma", "beta", "head", "running_mean", "running_var", "n"};
  EXPECT_EQ(loaded->state_dict().keys(), expected);
  EXPECT_EQ(loaded->parameter_count(), 4 * 3 * 9 + 4 + 4 + 5 * 4);
  at::Tensor(loaded->state_dict()["head"]).zero_();
  EXPECT_EQ(loaded->predict(images_).abs().max().item<float>(), 0.0f);
}

TEST_F(TorchScriptTest, PartsHaveTheirOwnNames) {
  torch::jit::Module inner("Inner");
  inner.register_parameter("scale", at::full({1}, 2.0), /*is_buffer=*/false);
  inner.define("def forward(self, x):\n    return x * self.scale\n");
  torch::jit::Module outer("Outer");
  outer.register_module("block", inner);
  outer.define("def forward(self, x):\n    y = self.block.forward(x)\n    return y, [y]\n");
  const auto loaded = load_torchscript(save(outer));
  EXPECT_EQ(loaded->state_dict().keys(), (Names{"block.scale"}));
  EXPECT_TRUE(close(loaded->predict(at::ones({2, 3})), at::full({2, 3}, 2.0)));
}

TEST_F(TorchScriptTest, BatchNormFollowsTheMode) {
  const auto loaded = network("    return y, [f]");
  const at::Tensor mean = loaded->state_dict()["running_mean"];
  EXPECT_TRUE(loaded->is_training());
  loaded->predict(images_);
  EXPECT_TRUE(same_bits(mean, at::zeros({4})));
  EXPECT_TRUE(loaded->is_training());
  loaded->forward(images_);
  const at::Tensor moved = mean.clone();
  EXPECT_GT(moved.abs().max().item<double>(), 0.0);
  loaded->eval();
  loaded->forward(images_);
  EXPECT_TRUE(same_bits(mean, moved));
}

TEST_F(TorchScriptTest, ModuleSavedInEvaluationModeStaysInIt) {
  torch::jit::Module module = program("    return y, [f]");
  module.eval();
  const auto loaded = load_torchscript(save(module));
  EXPECT_FALSE(loaded->is_training());
  loaded->predict(images_);
  EXPECT_FALSE(loaded->is_training());
}

// A forward pass that counts itself in four ways: it assigns a buffer and a number anew, as old TorchScript files do,
// and changes a list and a tensor that is no buffer in place. The hidden counters show in the logits.
constexpr const char* kAssigns = R"(
    self.n = self.n + 1
    self.calls = self.calls + 1
    self.seen.append(self.calls)
    self.drift.add_(1)
    return y * (self.calls + len(self.seen) + self.drift), [f]
)";

TEST_F(TorchScriptTest, AssignedBuffersAreUpToDate) {
  const auto loaded = network(kAssigns);
  const at::Tensor held = loaded->state_dict()["n"];
  loaded->forward(images_);
  loaded->forward(images_);
  EXPECT_EQ(loaded->state_dict()["n"].item<int64_t>(), 2);
  EXPECT_EQ(held.item<int64_t>(), 2) << "the state dict must share the network's memory";

  loaded->save_state_dict(folder_.file("state.pt"));
  const auto other = network(kAssigns);
  other->load_state_dict(folder_.file("state.pt"));
  EXPECT_TRUE(same_bits(other->state_dict(), loaded->state_dict()));
  other->forward(images_);
  EXPECT_EQ(other->state_dict()["n"].item<int64_t>(), 3);
  other->load_state_dict(folder_.file("state.pt"));
  EXPECT_EQ(other->state_dict()["n"].item<int64_t>(), 2);
}

TEST_F(TorchScriptTest, RestorePutsAssignedAttributesBack) {
  const auto loaded = network(kAssigns);
  loaded->forward(images_);
  const auto snapshot = NetworkState::of(*loaded).new_snapshot();
  snapshot->take();
  const auto before = copy_of(loaded->state_dict());
  loaded->eval();
  const at::Tensor second = loaded->forward(images_).logits;
  const at::Tensor third = loaded->forward(images_).logits;
  EXPECT_FALSE(same_bits(third, second));
  snapshot->restore();
  EXPECT_TRUE(same_bits(loaded->state_dict(), before));
  EXPECT_TRUE(same_bits(loaded->forward(images_).logits, second));
  snapshot->restore();
  EXPECT_TRUE(same_bits(loaded->forward(images_).logits, second)) << "a snapshot must serve twice";
}

TEST_F(TorchScriptTest, ProbeChangesNothing) {
  const auto loaded = network(kAssigns);
  const auto before = copy_of(loaded->state_dict());
  loaded->probe({3, 6, 6});
  EXPECT_TRUE(same_bits(loaded->state_dict(), before));
  loaded->eval();
  const at::Tensor first = loaded->forward(images_).logits;
  const at::Tensor second = loaded->forward(images_).logits;
  EXPECT_TRUE(close(second, 2 * first)) << "the counter must have started from 0";
}

TEST_F(TorchScriptTest, TrainsAndTeaches) {
  TrainingStepOptions options;
  options.student = network(kAssigns);
  options.teachers = {load_torchscript(save(program("    return y, {'map': f}")))};
  options.input_shape = {3, 6, 6};
  options.terms = {{1.0, std::make_shared<KdOptions>(), {}, {}}};
  TrainingStep step(options);
  const auto before = copy_of(step.state());
  const auto teacher_before = copy_of(options.teachers[0].network->state_dict());
  Batch batch;
  batch.images = images_;
  batch.labels = at::tensor({0, 1, 2, -1}, at::kLong);
  StepResult result;
  step.run(batch, result);
  for (const auto& entry : step.state()) EXPECT_FALSE(same_bits(entry.value(), before[entry.key()])) << entry.key();
  EXPECT_TRUE(same_bits(options.teachers[0].network->state_dict(), teacher_before));

  // A failure after the student's forward pass: everything the pass has changed goes back.
  const auto after = copy_of(step.state());
  batch.images = at::full_like(images_, std::numeric_limits<float>::infinity());
  EXPECT_EQ(error_of([&] { step.run(batch, result); }), "TrainingStep: cross-entropy must be finite (got nan)");
  EXPECT_TRUE(same_bits(step.state(), after));
  batch.images = images_;
  step.run(batch, result);
  EXPECT_EQ(step.state()["student.n"].item<int64_t>(), 2);
}

TEST_F(TorchScriptTest, SavesItsProgram) {
  const auto loaded = network(kAssigns);
  loaded->forward(images_);
  loaded->eval();
  loaded->save_torchscript(folder_.file("copy.ts"));
  const auto copy = load_torchscript(folder_.file("copy.ts"));
  EXPECT_FALSE(copy->is_training());
  EXPECT_TRUE(same_bits(copy->state_dict(), loaded->state_dict()));
  EXPECT_EQ(copy->state_dict()["n"].item<int64_t>(), 1);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(same_bits(copy->forward(images_).logits, loaded->forward(images_).logits));
}

TEST_F(TorchScriptTest, PacksAttributes) {
  const auto loaded = network(kAssigns);
  loaded->eval();
  loaded->forward(images_);
  const std::string packed = attributes_of(*loaded);
  const at::Tensor second = loaded->forward(images_).logits;
  EXPECT_FALSE(same_bits(loaded->forward(images_).logits, second));
  for (int i = 0; i < 2; ++i) {
    NetworkState::of(*loaded).unpack_attributes(packed)();
    EXPECT_EQ(attributes_of(*loaded), packed);
    EXPECT_TRUE(same_bits(loaded->forward(images_).logits, second)) << "bytes must serve twice";
  }

  const auto other = network(kAssigns);
  EXPECT_NE(attributes_of(*other), packed);
  NetworkState::of(*other).unpack_attributes(packed)();
  EXPECT_EQ(attributes_of(*other), packed);
}

TEST_F(TorchScriptTest, PacksPlainDataOfEveryPart) {
  const auto text = c10::StringType::get();
  torch::jit::Module inner("Inner");
  inner.register_attribute("names", c10::DictType::create(text, c10::ListType::ofTensors()), [] {
    c10::Dict<std::string, c10::List<at::Tensor>> names;
    names.insert("a", c10::List<at::Tensor>({at::randn({2}), at::ones({}, at::kLong)}));
    return names;
  }());
  inner.register_attribute("last", c10::OptionalType::ofTensor(), c10::IValue(), false, /*is_buffer=*/true);
  inner.register_attribute("pair", c10::TupleType::create({c10::BoolType::get(), text}), std::make_tuple(true, "b"));
  inner.register_attribute("rate", c10::FloatType::get(), 0.1);
  inner.define("def forward(self, x):\n    self.last = x\n    self.rate = self.rate / 3\n    return x\n");
  torch::jit::Module outer("Outer");
  outer.register_module("inner", inner);
  // Left out: the reader would need the program's class.
  const auto unit = outer._ivalue()->compilation_unit();
  const auto type = c10::ClassType::create(c10::QualifiedName("__torch__.Thing"), unit);
  type->addAttribute("size", c10::IntType::get());
  unit->register_type(type);
  outer.register_attribute("thing", type, torch::jit::Object(unit, type)._ivalue());
  outer.define("def forward(self, x):\n    return self.inner.forward(x), [x]\n");
  const auto loaded = load_torchscript(save(outer));
  const std::string first = attributes_of(*loaded);
  loaded->forward(at::ones({2, 3}));
  const std::string second = attributes_of(*loaded);
  EXPECT_NE(second, first);
  NetworkState::of(*loaded).unpack_attributes(first)();
  EXPECT_EQ(attributes_of(*loaded), first);
  NetworkState::of(*loaded).unpack_attributes(second)();
  EXPECT_EQ(attributes_of(*loaded), second);
}

/// The attributes of a module `Net` with an integer `calls` and what `add` adds.
std::shared_ptr<Network> counter(
    const std::string& path, const std::function<void(torch::jit::Module&)>& add = [](torch::jit::Module&) {}) {
  torch::jit::Module module("Net");
  add(module);
  module.define("def forward(self, x):\n    return x, [x]\n");
  module.save(path);
  return load_torchscript(path);
}

TEST_F(TorchScriptTest, UnpackRejectsOtherBytesAndChangesNothing) {
  const auto with = [this](const std::string& name, const c10::TypePtr& type, const c10::IValue& value) {
    return counter(folder_.file("counter.ts"), [&](torch::jit::Module& module) {
      module.register_attribute("calls", c10::IntType::get(), 1);
      module.register_attribute(name, type, value);
    });
  };
  const auto loaded = with("seen", c10::ListType::ofInts(), c10::List<int64_t>({1, 2}));
  const std::string packed = attributes_of(*loaded);
  const auto unpack = [&](const std::string& bytes) {
    return error_of([&] { NetworkState::of(*loaded).unpack_attributes(bytes)(); });
  };
  const std::string start = "Network.unpack_attributes: ";

  EXPECT_EQ(unpack(""), start + "bytes must hold the attribute calls (got none)");
  EXPECT_EQ(
      unpack(attributes_of(*with("heard", c10::IntType::get(), 1))),
      start + "bytes must hold the attribute seen (got none)");
  EXPECT_EQ(
      unpack(attributes_of(*with("seen", c10::ListType::ofStrings(), c10::List<std::string>({"a"})))),
      start + "seen must be of type int[] (got str[])");
  EXPECT_EQ(
      unpack(attributes_of(*network(kAssigns))), start + "bytes must hold the network's 2 attributes only (got 3)");
  const auto none = counter(folder_.file("none.ts"));
  EXPECT_EQ(attributes_of(*none), "");
  NetworkState::of(*none).unpack_attributes("")();
  EXPECT_EQ(
      error_of([&] { NetworkState::of(*none).unpack_attributes(packed)(); }),
      start + "bytes must hold the network's 0 attributes only (got 2)");

  for (const std::string& bytes : {std::string("garbage"), std::string(3, '\0'), packed.substr(0, packed.size() / 2)}) {
    EXPECT_EQ(
        unpack(bytes), c10::str(start, "bytes must be those of packed_attributes (got ", bytes.size(), " others)"));
  }
  EXPECT_EQ(attributes_of(*loaded), packed);
}

TEST_F(TorchScriptTest, UnpackFindsEveryDamagedByte) {
  const auto loaded = network(kAssigns);
  const std::string packed = attributes_of(*loaded);
  for (size_t i = 0; i < packed.size(); ++i) {
    std::string damaged = packed;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_THROW(NetworkState::of(*loaded).unpack_attributes(damaged), c10::ValueError) << i;
  }
  EXPECT_EQ(attributes_of(*loaded), packed);
}

TEST_F(TorchScriptTest, ConvertsTheModule) {
  const auto loaded = network("    return y, [f]");
  const at::Tensor expected = loaded->predict(images_);
  loaded->convert(at::kDouble);
  const at::Tensor logits = loaded->predict(images_.to(at::kDouble));
  EXPECT_EQ(logits.scalar_type(), at::kDouble);
  EXPECT_TRUE(close(logits, expected, 1e-5));
  EXPECT_EQ(loaded->state_dict()["n"].scalar_type(), at::kLong);
}

TEST_F(TorchScriptTest, RoundTripByStreams) {
  const auto network = load_torchscript(save(program("    return y, {'map': f, 'mean': e}")));
  const at::Tensor images = at::randn({2, 3, 6, 6});
  std::stringstream stream;
  network->save_torchscript(stream);
  const auto loaded = load_torchscript(stream, {"mean"});
  EXPECT_EQ(loaded->tap_names(), std::vector<std::string>{"mean"});
  EXPECT_TRUE(same_bits(loaded->state_dict(), network->state_dict()));
  EXPECT_TRUE(same_bits(loaded->predict(images), network->predict(images)));
}

TEST_F(TorchScriptTest, RejectsStreams) {
  std::ostringstream whole;
  program("    return y, [f]").save(whole);
  for (const std::string& bytes : {std::string(), std::string("not a module"), whole.str().substr(0, 500)}) {
    EXPECT_EQ(
        file_error_of([&] {
          std::istringstream stream(bytes);
          load_torchscript(stream, {}, "the upload");
        }),
        "load_torchscript: file must be a TorchScript module saved by torch.jit.save (got the upload)");
  }
  test::BreakingBuffer half(whole.str().substr(0, 500));
  std::istream breaking(&half);
  EXPECT_EQ(
      file_error_of([&] { load_torchscript(breaking); }),
      "load_torchscript: stream must be one that can be read (got the stream)");
}

TEST_F(TorchScriptTest, RejectsFiles) {
  const std::string missing = folder_.file("missing.ts");
  EXPECT_EQ(
      file_error_of([&] { load_torchscript(missing); }),
      "load_torchscript: path must be an existing file (got " + missing + ")");
  std::make_shared<test::TinyNetwork>()->save_state_dict(folder_.file("state.pt"));
  std::ostringstream whole;
  program("    return y, [f]").save(whole);
  const std::string half = whole.str().substr(0, whole.str().size() / 2);
  for (const std::string& path :
       {folder_.write("empty.ts", ""), folder_.write("text.ts", "not a module"), folder_.write("half.ts", half),
        folder_.file("state.pt")}) {
    EXPECT_EQ(
        file_error_of([&] { load_torchscript(path); }),
        "load_torchscript: file must be a TorchScript module saved by torch.jit.save (got " + path + ")");
  }
}

TEST_F(TorchScriptTest, RejectsOtherOutputs) {
  const auto not_a_pair = [](const std::string& type) {
    return "TorchScriptNetwork: forward must return (logits, features) (got " + type + ")";
  };
  EXPECT_EQ(forward_error("    return y"), not_a_pair("Tensor"));
  EXPECT_EQ(forward_error("    return y, f, e"), not_a_pair("(Tensor, Tensor, Tensor)"));
  EXPECT_EQ(forward_error("    return [y], [f]"), not_a_pair("(Tensor[], Tensor[])"));

  const auto not_features = [](const std::string& type) {
    return "TorchScriptNetwork: features must be a dict, list or tuple of tensors (got " + type + ")";
  };
  EXPECT_EQ(forward_error("    return y, f"), not_features("Tensor"));
  EXPECT_EQ(forward_error("    return y, 3"), not_features("int"));
  EXPECT_EQ(forward_error("    return y, [1, 2]"), not_features("int[]"));
  EXPECT_EQ(forward_error("    return y, (f, 2)"), not_features("(Tensor, int)"));
  EXPECT_EQ(forward_error("    return y, {1: f}"), not_features("Dict(int, Tensor)"));
  EXPECT_EQ(forward_error("    return y, {'map': 1}"), not_features("Dict(str, int)"));

  EXPECT_EQ(forward_error("    return y.sum(), [f]"), "Network.forward: logits must be of shape [2, classes] (got [])");
  EXPECT_EQ(
      forward_error("    return y, [f, e[0]]"),
      "Network.forward: feature '1' must have the batch of 2 first (got [4])");
}

TEST_F(TorchScriptTest, RejectsNames) {
  EXPECT_EQ(
      forward_error("    return y, [f, e]", {"map"}),
      "Network.forward: features must be one for each of 1 taps (got 2)");
  EXPECT_EQ(
      forward_error("    return y, {'map': f, 'embedding': e}", {"layer9"}),
      "TorchScriptNetwork: features must have the key layer9 (got 2 others)");
  const auto loaded = network("    return y, [f, e]");
  loaded->probe({3, 6, 6});
  EXPECT_EQ(error_of([&] { loaded->tap_shape("map"); }), "Network: tap must be one of 0, 1 (got map)");
}

TEST_F(TorchScriptTest, FailuresInsideTheModuleAreOneLine) {
  const auto loaded = network("    return y, [f]");
  EXPECT_EQ(
      error_of([&] {
        loaded->predict(at::zeros({2, 7, 6, 6}));
      }),
      "TorchScriptNetwork: images must be accepted by the module (got [2, 7, 6, 6]: Given groups=1, weight of size "
      "[4, 3, 3, 3], expected input[2, 7, 6, 6] to have 3 channels, but got 7 channels instead)");
  EXPECT_EQ(
      forward_error("    assert x.size(0) != 2, 'two is a crowd'\n    return y, [f]"),
      "TorchScriptNetwork: images must be accepted by the module (got [2, 3, 6, 6]: AssertionError: two is a crowd)");
}

// ---- taps at modules ------------------------------------------------------------------------------------------------

/// Returns logits alone; a part is called twice and overwrites what it is given, another one in a branch.
torch::jit::Module program_of_parts() {
  const auto part = [](const std::string& name) {
    torch::jit::Module module(name);
    module.register_attribute("training", c10::BoolType::get(), true);
    return module;
  };
  torch::jit::Module act = part("Act");
  act.define("def forward(self, x):\n    return torch.relu_(x)\n");
  torch::jit::Module block = part("Block");
  block.register_parameter("weight", at::randn({3, 3, 3, 3}).requires_grad_(), /*is_buffer=*/false);
  block.register_module("act", act);
  block.define(
      "def forward(self, x):\n"
      "    y = self.act.forward(torch.conv2d(x, self.weight, None, [1, 1], [1, 1]))\n"
      "    return self.act.forward(y - x)\n");
  torch::jit::Module pair = part("Pair");
  pair.define("def forward(self, x):\n    return x, 2 * x\n");
  torch::jit::Module net = part("Net");
  net.register_parameter("head", at::randn({5, 3}).requires_grad_(), /*is_buffer=*/false);
  net.register_buffer("calls", at::zeros({}, at::kLong));
  net.register_module("layer1", block);
  net.register_module("pair", pair);
  net.define(
      "def logits(self, x):\n"
      "    first, second = self.pair.forward(self.layer1.forward(x))\n"
      "    if self.training:\n"
      "        self.calls.add_(1)\n"
      "        first = self.layer1.forward(first)\n"
      "    return torch.linear(first.mean([2, 3]), self.head)\n"
      "def forward(self, x):\n"
      "    return self.logits(x)\n");
  return net;
}

TEST_F(TorchScriptTest, TapsAreAtParts) {
  const torch::jit::Module program = program_of_parts();
  const auto loaded = load_torchscript(
      save(program), {"conv=layer1.act@0:in", "first=layer1.act@0", "sum=layer1.act:in", "last=layer1.act",
                      "map=layer1", "images=layer1:in"});
  EXPECT_EQ(loaded->tap_names(), std::vector<std::string>({"conv", "first", "sum", "last", "map", "images"}));
  loaded->eval();
  const NetworkOutput output = loaded->forward(images_);
  const at::Tensor conv = at::conv2d(images_, program.attr("layer1").toModule().attr("weight").toTensor(), {}, 1, 1);
  const at::Tensor first = at::relu(conv);
  const std::vector<at::Tensor> expected = {
      conv, first, first - images_, at::relu(first - images_), at::relu(first - images_), images_};
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_TRUE(close(output.features[i], expected[i])) << i;
  EXPECT_TRUE(close(output.logits, at::linear(expected[4].mean({2, 3}), program.attr("head").toTensor())));

  // It trains, serves and is saved under the same names.
  EXPECT_EQ(loaded->state_dict().keys(), std::vector<std::string>({"head", "calls", "layer1.weight"}));
  EXPECT_TRUE(same_bits(loaded->predict(images_), output.logits));
  loaded->train();
  loaded->forward(images_).features[2].sum().backward();
  EXPECT_GT(loaded->named_parameters()["layer1.weight"].grad().abs().max().item<double>(), 0);
  EXPECT_EQ(loaded->state_dict()["calls"].item<int64_t>(), 1);
  loaded->save_torchscript(folder_.file("tapped.ts"));
  const auto again = load_torchscript(folder_.file("tapped.ts"), {"sum"});
  again->eval();
  EXPECT_TRUE(same_bits(again->forward(images_).features[0], output.features[2]));
}

TEST_F(TorchScriptTest, TapsAtPartsAreRefused) {
  const std::string file = save(program_of_parts());
  const auto error_with = [&](const std::string& tap) { return error_of([&] { load_torchscript(file, {tap}); }); };
  EXPECT_EQ(
      error_with("a=layer1.atc"),
      "load_torchscript: tap must be at one of the program's 3 modules (got layer1.atc, did you mean layer1.act, "
      "layer1, "
      "pair?)");
  EXPECT_EQ(
      error_with("a=layer1.act@2"),
      "load_torchscript: tap must be at one of the calls @0 to @1 of layer1.act (got layer1.act@2)");
  EXPECT_EQ(
      error_with("a=pair"),
      "load_torchscript: tap must be at a module that returns one tensor (got pair, which returns 2)");
  EXPECT_EQ(
      error_with("a="),
      "load_torchscript: tap must be a module's path such as layer1=layer1.1.relu@0 or layer1.1.relu:in (got a=)");
}

}  // namespace
}  // namespace retort
