#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <retort/models/resnet.h>
#include <retort/models/torchscript.h>
#include <retort/train/training_step.h>
#include <torch/csrc/jit/api/module.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <numeric>
#include <optional>
#include <thread>

#include "expect.h"
#include "networks.h"
#include "optimizers.h"
#include "peak_memory.h"
#include "seeded_test.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::close;
using test::copy_of;
using test::error_of;
using test::same_bits;

std::shared_ptr<Network> resnet() {
  ResNetOptions options;
  options.depth = 8;
  options.classes = 5;
  return make_resnet(options);
}

/// A program for images [B, 3, height, width] with logits `y` [B, 5], whose forward ends with the statements `end`.
torch::jit::Module program(const std::string& end) {
  torch::jit::Module module("Net");
  module.register_attribute("training", c10::BoolType::get(), true);
  module.register_parameter("head", at::randn({5, 3}).requires_grad_(), /*is_buffer=*/false);
  module.register_buffer("mean", at::zeros({3}));
  module.register_buffer("var", at::ones({3}));
  module.register_attribute("calls", c10::IntType::get(), 0);
  module.register_attribute("seen", c10::ListType::ofInts(), c10::List<int64_t>());
  module.register_attribute("drift", c10::TensorType::get(), at::zeros({1}));
  module.define(
      "def forward(self, x):\n"
      "    h = torch.batch_norm(x, None, None, self.mean, self.var, self.training, 0.1, 1e-5, False)\n"
      "    y = torch.linear(h.mean([2, 3]), self.head)\n" +
      end + "\n");
  return module;
}

/// A network of your own that has a program: `logits = average of the image * weight^T`.
class OwnNetwork final : public Network {
 public:
  explicit OwnNetwork(bool program_shares) : Network({}), program_shares_(program_shares) {
    weight_ = register_parameter("weight", at::randn({5, 3}));
  }

  int programs = 0;
  /// Called when a program is asked for.
  std::function<void()> on_program;

 protected:
  NetworkOutput compute(const at::Tensor& images) override { return {at::linear(images.mean({2, 3}), weight_), {}}; }

  torch::jit::Module to_torchscript() override {
    ++programs;
    if (on_program) on_program();
    torch::jit::Module module("Own");
    module.register_parameter(
        "weight", program_shares_ ? weight_ : weight_.detach().clone().requires_grad_(), /*is_buffer=*/false);
    module.define(
        "def forward(self, x):\n"
        "    none: List[Tensor] = []\n"
        "    return torch.linear(x.mean([2, 3]), self.weight), none\n");
    return module;
  }

 private:
  bool program_shares_;
  at::Tensor weight_;
};

/// Moves every weight.
void change(Network& network) {
  const at::NoGradGuard no_grad;
  for (const auto& entry : network.state_dict()) {
    at::Tensor tensor = entry.value();
    if (tensor.is_floating_point()) {
      tensor.add_(0.1);
    } else {
      tensor.add_(1);
    }
  }
}

class ServingTest : public test::SeededTest {
 protected:
  std::shared_ptr<Network> load(const torch::jit::Module& module) const {
    module.save(folder_.file("network.ts"));
    return load_torchscript(folder_.file("network.ts"));
  }

  std::vector<std::shared_ptr<Network>> every_kind() const {
    return {
        resnet(),
        load(program("    return y, {'map': h}")),
        load(program("    return y, [h, y]")),
        load(program("    return y, (h, y)")),
        std::make_shared<OwnNetwork>(true),
        std::make_shared<OwnNetwork>(false)};
  }

  test::TemporaryFolder folder_;
  // As predictions take them.
  at::Tensor images_ = at::randn({4, 3, 8, 8}).contiguous(at::MemoryFormat::ChannelsLast);
};

TEST_F(ServingTest, PredictionsAreThoseOfTheMomentOfPublication) {
  for (const auto& network : every_kind()) {
    network->train();
    const at::Tensor first = network->predict(images_);
    network->publish();
    EXPECT_TRUE(same_bits(network->predict(images_), first));
    change(*network);
    EXPECT_TRUE(same_bits(network->predict(images_), first));
    EXPECT_TRUE(network->is_training());

    network->eval();
    const at::Tensor changed = network->forward(images_).logits.detach();
    EXPECT_FALSE(same_bits(changed, first));
    network->train();
    network->publish();
    EXPECT_TRUE(same_bits(network->predict(images_), changed));
    EXPECT_FALSE(network->predict(images_).requires_grad());
  }
}

TEST_F(ServingTest, EverythingElseIsAboutTheWeightsThatAreTrained) {
  const auto network = resnet();
  network->publish();
  change(*network);
  const auto other = resnet();
  network->save_state_dict(folder_.file("state.pt"));
  other->load_state_dict(folder_.file("state.pt"));
  EXPECT_TRUE(same_bits(other->state_dict(), network->state_dict()));
  const at::Tensor labels = other->predict(images_).argmax(1);
  EXPECT_FALSE(same_bits(network->predict(images_), other->predict(images_)));
  EXPECT_EQ(network->accuracy(images_, labels), 1.0);
}

TEST_F(ServingTest, ConvertingLeavesThePublished) {
  for (const auto& network : {resnet(), load(program("    return y, [h]"))}) {
    network->publish();
    const at::Tensor published = network->predict(images_);
    network->convert(at::kDouble);
    EXPECT_TRUE(same_bits(network->predict(images_), published));

    network->publish();
    const at::Tensor images = images_.to(at::kDouble);
    network->eval();
    EXPECT_TRUE(same_bits(network->predict(images), network->forward(images).logits.detach()));
  }
}

TEST_F(ServingTest, LoadingPublishes) {
  for (const bool is_published : {true, false}) {
    for (const auto& network : every_kind()) {
      network->save_state_dict(folder_.file("state.pt"));
      const at::Tensor saved = network->predict(images_);
      change(*network);
      if (is_published) network->publish();
      EXPECT_FALSE(same_bits(network->predict(images_), saved));
      network->load_state_dict(folder_.file("state.pt"));
      EXPECT_TRUE(same_bits(network->predict(images_), saved));
    }
  }
}

TEST_F(ServingTest, LoadingThatFailsLeavesThePublished) {
  const auto network = resnet();
  std::make_shared<test::TinyNetwork>()->save_state_dict(folder_.file("other.pt"));
  network->publish();
  const at::Tensor published = network->predict(images_);
  change(*network);
  EXPECT_THROW(network->load_state_dict(folder_.file("other.pt")), c10::ValueError);
  EXPECT_TRUE(same_bits(network->predict(images_), published));
}

TEST_F(ServingTest, UnpublishedNetworkPublishesItselfWheneverItHasChanged) {
  for (const auto& network : every_kind()) {
    const at::Tensor first = network->predict(images_);
    EXPECT_TRUE(same_bits(network->predict(images_), first));
    change(*network);
    const at::Tensor second = network->predict(images_);
    EXPECT_FALSE(same_bits(second, first));
    network->convert(at::kDouble);
    EXPECT_TRUE(close(network->predict(images_.to(at::kDouble)), second.to(at::kDouble), 1e-5));
    network->convert(at::kFloat);
    network->publish();
    change(*network);
    EXPECT_TRUE(same_bits(network->predict(images_), second)) << "what somebody has published stays";
  }
}

TEST_F(ServingTest, UnpublishedNetworkFollowsItsSteps) {
  for (const bool late : {false, true}) {
    const auto student = resnet();
    TrainingStepOptions options;
    options.student = student;
    options.input_shape = {3, 8, 8};
    options.late_results = late;
    TrainingStep step(options);
    Batch batch;
    batch.images = images_;
    batch.labels = at::arange(4);
    StepResult result;
    at::Tensor last = student->predict(images_);
    for (int i = 0; i < 3; ++i) {
      step.run(batch, result);
      const at::Tensor logits = student->predict(images_);
      EXPECT_FALSE(same_bits(logits, last));
      EXPECT_EQ(student->accuracy(images_, logits.argmax(1)), 1.0);
      last = logits;
    }
  }
}

TEST_F(ServingTest, UnpublishedNetworkPublishesNothingTwice) {
  const auto copies = std::make_shared<OwnNetwork>(false);
  for (int i = 0; i < 3; ++i) copies->predict(images_);
  EXPECT_EQ(copies->programs, 1);
  change(*copies);
  for (int i = 0; i < 3; ++i) copies->predict(images_);
  EXPECT_EQ(copies->programs, 2);
}

TEST_F(ServingTest, UnpublishedNetworkWaitsForAStepOnlyOnce) {
  for (const auto& network : every_kind()) {
    const at::Tensor expected = network->predict(images_);
    change(*network);
    std::unique_lock<std::mutex> step(network->mutex());
    auto prediction =
        std::async(std::launch::async, [&] { EXPECT_TRUE(same_bits(network->predict(images_), expected)); });
    EXPECT_EQ(prediction.wait_for(std::chrono::minutes(1)), std::future_status::ready);
    step.unlock();
    EXPECT_FALSE(same_bits(network->predict(images_), expected));
  }
}

/// A failure is neither hidden behind older weights nor remembered.
TEST_F(ServingTest, UnpublishedNetworkMayFailToPublishItself) {
  const auto network = std::make_shared<OwnNetwork>(false);
  const auto fail = [] { throw std::runtime_error("no memory"); };
  network->on_program = fail;
  network->eval();
  EXPECT_TRUE(same_bits(network->predict(images_), network->forward(images_).logits.detach())) << "it runs itself";
  network->on_program = nullptr;
  const at::Tensor first = network->predict(images_);
  EXPECT_EQ(network->programs, 2);

  change(*network);
  network->on_program = fail;
  EXPECT_THROW(network->predict(images_), std::runtime_error);
  network->on_program = nullptr;
  EXPECT_FALSE(same_bits(network->predict(images_), first));
}

TEST_F(ServingTest, LoadingThatCannotPublishChangesNothing) {
  const auto network = std::make_shared<OwnNetwork>(false);
  network->save_state_dict(folder_.file("state.pt"));
  change(*network);
  network->publish();
  const auto before = copy_of(network->state_dict());
  const at::Tensor published = network->predict(images_);
  network->on_program = [] { throw std::runtime_error("no memory"); };
  EXPECT_THROW(network->load_state_dict(folder_.file("state.pt")), std::runtime_error);
  EXPECT_TRUE(same_bits(network->state_dict(), before));
  EXPECT_TRUE(same_bits(network->predict(images_), published));
}

TEST_F(ServingTest, AClassOfOnesOwnNeedsAProgram) {
  const auto network = std::make_shared<test::TinyNetwork>();
  const at::Tensor expected = network->predict(images_);
  EXPECT_EQ(
      error_of([&] { network->publish(); }),
      "Network: network must be a native or a TorchScript one, or implement to_torchscript (got "
      "retort::test::TinyNetwork)");
  EXPECT_TRUE(same_bits(network->predict(images_), expected));
  // It has nothing to publish by itself either: it runs.
  change(*network);
  EXPECT_FALSE(same_bits(network->predict(images_), expected));

  const auto shares = std::make_shared<OwnNetwork>(true);
  const auto copies = std::make_shared<OwnNetwork>(false);
  for (int i = 0; i < 3; ++i) {
    shares->publish();
    copies->publish();
  }
  EXPECT_EQ(shares->programs, 1);
  EXPECT_EQ(copies->programs, 3);
}

TEST_F(ServingTest, NothingThatAPredictionNeedsWaitsForTheMutex) {
  for (const auto& network : every_kind()) {
    network->probe({3, 8, 8});
    network->publish();
    const at::Tensor expected = network->predict(images_);
    std::unique_lock<std::mutex> step(network->mutex());
    std::future<void> prediction = std::async(std::launch::async, [&] {
      EXPECT_TRUE(same_bits(network->predict(images_), expected));
      EXPECT_EQ(network->input_shape(), (std::vector<int64_t>{3, 8, 8}));
      EXPECT_EQ(network->classes(), 5);
      for (const std::string& tap : network->tap_names()) {
        EXPECT_GE(network->tap_index(tap), 0);
        EXPECT_FALSE(network->tap_shape(tap).empty());
      }
    });
    // As long as it takes on a busy machine, but not for ever.
    EXPECT_EQ(prediction.wait_for(std::chrono::minutes(1)), std::future_status::ready);
    step.unlock();
  }
}

TEST_F(ServingTest, ManyThreadsPredictWhileOthersPublish) {
  const auto network = resnet();
  network->publish();
  std::vector<at::Tensor> versions = {network->predict(images_)};
  std::atomic<bool> ends{false};
  std::vector<std::vector<at::Tensor>> seen(4);
  std::vector<std::thread> threads;
  for (auto& mine : seen) {
    threads.emplace_back([&] {
      while (!ends) mine.push_back(network->predict(images_));
    });
  }
  for (int i = 0; i < 20; ++i) {
    change(*network);
    network->eval();
    versions.push_back(network->forward(images_).logits.detach());
    network->publish();
    std::this_thread::yield();
  }
  ends = true;
  for (std::thread& thread : threads) thread.join();
  for (const auto& mine : seen) {
    size_t version = 0;
    for (const at::Tensor& logits : mine) {
      while (version < versions.size() && !logits.equal(versions[version])) ++version;
      ASSERT_LT(version, versions.size()) << "no version published, or one after a later one";
    }
  }
}

TEST_F(ServingTest, OldVersionsAreFreed) {
  ResNetOptions options;
  options.filters = {32, 64, 128, 256};
  options.depth = 14;  // 11 MB
  const auto network = make_resnet(options);
  const auto publish = [&](int times) {
    for (int i = 0; i < times; ++i) {
      network->publish();
      network->predict(images_);
    }
  };
  publish(3);
  const std::optional<int64_t> grown = test::peak_memory([&] { publish(20); });
  if (!grown) GTEST_SKIP() << "this kernel does not tell";
  EXPECT_LT(*grown, 60'000'000);
}

TEST_F(ServingTest, TensorsInOneStorageAreKeptApart) {
  torch::jit::Module module("Net");
  const at::Tensor flat = at::randn({30});
  module.register_parameter("one", flat.slice(0, 0, 15).view({5, 3}), /*is_buffer=*/false);
  module.register_parameter("two", flat.slice(0, 15, 30).view({5, 3}), /*is_buffer=*/false);
  module.define(
      "def forward(self, x):\n"
      "    e = x.mean([2, 3])\n"
      "    return torch.linear(e, self.one) - torch.linear(e, self.two), [e]\n");
  const auto network = load(module);
  const at::Tensor expected = network->predict(images_);
  network->publish();
  EXPECT_TRUE(same_bits(network->predict(images_), expected));
}

TEST_F(ServingTest, InferenceModeDoesNotMatter) {
  const auto network = load(program("    self.drift.add_(1)\n    return y * self.drift, [h]"));
  {
    const c10::InferenceMode inference;
    network->publish();
    network->predict(images_);
  }
  const at::Tensor second = network->predict(images_);
  const c10::InferenceMode inference;
  EXPECT_TRUE(close(network->predict(images_), second * 1.5));
}

// A program that counts its forward passes in three ways, which show in the logits.
constexpr const char* kCounts = R"(
    self.calls = self.calls + 1
    self.seen.append(self.calls)
    self.drift.add_(1)
    assert self.calls == len(self.seen), 'two at once'
    return torch.zeros_like(y) + self.calls + len(self.seen) + self.drift, [h])";

TEST_F(ServingTest, ProgramsWithStateTakeTurns) {
  const auto network = load(program(kCounts));
  network->eval();
  network->forward(images_);
  network->publish();
  constexpr int kThreads = 4;
  constexpr int kCalls = 50;
  std::vector<std::vector<float>> seen(kThreads);
  std::vector<std::thread> threads;
  for (auto& mine : seen) {
    threads.emplace_back([&] {
      for (int i = 0; i < kCalls; ++i) mine.push_back(network->predict(images_)[0][0].item<float>());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<float> all;
  for (const auto& mine : seen) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i], 3.0F * static_cast<float>(i + 2));
  // The state is the version's: neither the network nor the next version has it.
  EXPECT_EQ(network->forward(images_).logits[0][0].item<float>(), 6.0F);
  network->publish();
  EXPECT_EQ(network->predict(images_)[0][0].item<float>(), 9.0F);
}

TEST_F(ServingTest, ErrorsAreThoseOfTheNetworkItself) {
  const auto fails = load(program("    assert x.size(0) != 2, 'two is a crowd'\n    return y, [h]"));
  const auto no_pair = load(program("    return y"));
  const auto no_batch = load(program("    return y.sum(), [h]"));
  const std::vector<std::shared_ptr<Network>> networks = {resnet(), fails, no_pair, no_batch};
  const std::vector<at::Tensor> inputs = {
      at::Tensor(), at::zeros({}), at::zeros({2, 3, 8}), at::zeros({2, 1, 8, 8}), at::zeros({2, 3, 8, 8})};
  std::vector<std::string> expected;
  const auto errors = [&] {
    std::vector<std::string> texts;
    for (const auto& network : networks) {
      for (const at::Tensor& input : inputs) {
        // The last one is fine for a ResNet.
        if (network != networks[0] || !input.is_same(inputs.back())) {
          texts.push_back(error_of([&] { network->predict(input); }));
        }
      }
    }
    return texts;
  };
  const auto before = errors();
  for (const auto& network : networks) network->publish();
  EXPECT_EQ(errors(), before);
  EXPECT_EQ(before[3], "ResNet: images must be of shape [batch, 3, height, width] (got [2, 1, 8, 8])");
  EXPECT_EQ(
      before[8],
      "TorchScriptNetwork: images must be accepted by the module (got [2, 3, 8, 8]: AssertionError: two is a crowd)");

  // What only LibTorch finds wrong with a native network.
  try {
    networks[0]->predict(at::zeros({2, 3, 8, 8}, at::kLong));
    ADD_FAILURE() << "no error";
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    EXPECT_FALSE(text.empty());
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

TEST_F(ServingTest, AFailedPublicationLeavesThePublished) {
  torch::jit::Module module = program("    return y, [h]");
  const auto network = load(module);
  network->publish();
  const at::Tensor published = network->predict(images_);
  const auto own = std::make_shared<test::TinyNetwork>();
  EXPECT_THROW(own->publish(), c10::ValueError);
  EXPECT_TRUE(same_bits(network->predict(images_), published));
}

TEST_F(ServingTest, AStepPublishesItsStudent) {
  const auto student = resnet();
  TrainingStepOptions options;
  options.student = student;
  options.input_shape = {3, 8, 8};
  options.optimizer = test::sgd(0.1, 0.9, 0);
  TrainingStep step(options);
  Batch batch;
  batch.images = images_;
  batch.labels = at::tensor({0, 4, 2, 1}, at::kLong);
  StepResult result;
  step.run(batch, result);
  step.save(folder_.file("step"));
  step.publish();
  const at::Tensor first = student->predict(images_);

  step.run(batch, result);
  EXPECT_TRUE(same_bits(student->predict(images_), first));
  step.publish();
  const at::Tensor second = student->predict(images_);
  EXPECT_FALSE(same_bits(second, first));

  step.load(folder_.file("step"));
  EXPECT_TRUE(same_bits(student->predict(images_), second));
  step.publish();
  EXPECT_TRUE(same_bits(student->predict(images_), first));
}

TEST_F(ServingTest, PublishingDisturbsNoTraining) {
  const auto train = [this](bool publishes) {
    manual_seed(7);
    TrainingStepOptions options;
    options.student = resnet();
    options.input_shape = {3, 8, 8};
    options.optimizer = test::sgd(0.1, 0.9, 0);
    TrainingStep step(options);
    Batch batch;
    batch.images = images_;
    batch.labels = at::tensor({0, 4, 2, 1}, at::kLong);
    StepResult result;
    for (int i = 0; i < 3; ++i) {
      step.run(batch, result);
      if (publishes) step.publish();
    }
    return copy_of(step.state());
  };
  EXPECT_TRUE(same_bits(train(true), train(false)));
}

}  // namespace
}  // namespace retort
