#include "runtime/exit_gate.h"

#include <gtest/gtest.h>
#include <retort/retort.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <future>
#include <thread>

#include "seeded_test.h"

namespace retort {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kMoment{50};
constexpr milliseconds kLong{60000};

/// Runs a call in a thread until end() or the end of the test.
class Call {
 public:
  explicit Call(ExitGate& gate) : thread_([this, &gate] { run(gate); }) { begun_.get_future().wait(); }
  ~Call() {
    if (thread_.joinable()) end();
  }

  void end() {
    end_.set_value();
    thread_.join();
  }

 private:
  void run(ExitGate& gate) {
    gate.enter(kMoment);
    begun_.set_value();
    end_.get_future().wait();
    gate.leave();
  }

  std::promise<void> begun_, end_;
  std::thread thread_;
};

TEST(ExitGateTest, ClosesAtOnceWithoutCalls) {
  ExitGate gate;
  std::thread([&] { EXPECT_TRUE(gate.close(milliseconds(0))); }).join();
}

TEST(ExitGateTest, WaitsForCallsOfOtherThreads) {
  ExitGate gate;
  Call first(gate), second(gate);
  const auto close = [&](milliseconds patience) {
    return std::async(std::launch::async, [&gate, patience] { return gate.close(patience); });
  };
  EXPECT_FALSE(close(kMoment).get());
  first.end();
  EXPECT_FALSE(close(kMoment).get());
  auto closed = close(kLong);
  second.end();
  EXPECT_TRUE(closed.get());
}

TEST(ExitGateTest, LetsNoCallBeginOnceClosed) {
  ExitGate gate;
  std::thread([&] { gate.close(kMoment); }).join();
  EXPECT_FALSE(gate.enter(kMoment));
  std::thread([&] { EXPECT_TRUE(gate.close(milliseconds(0))); }).join();
}

TEST(ExitGateTest, LetsACallWithinACallBegin) {
  ExitGate gate;
  std::thread([&] {
    ASSERT_TRUE(gate.enter(kMoment));
    std::thread([&] { EXPECT_FALSE(gate.close(kMoment)); }).join();
    EXPECT_TRUE(gate.enter(kMoment));
    gate.leave();
    std::thread([&] { EXPECT_FALSE(gate.close(kMoment)); }).join();
    gate.leave();
    std::thread([&] { EXPECT_TRUE(gate.close(milliseconds(0))); }).join();
  }).join();
}

TEST(ExitGateTest, LetsTheClosingThreadThrough) {
  ExitGate gate;
  std::thread([&] {
    ASSERT_TRUE(gate.enter(kMoment));
    EXPECT_TRUE(gate.close(milliseconds(0)));
    gate.leave();
    EXPECT_TRUE(gate.enter(kMoment));
    gate.leave();
  }).join();
}

constexpr int kStatus = 42;

/// Repeats a call in threads, and ends the process a moment after they have begun.
[[noreturn]] void exit_during(const std::function<void()>& call) {
  constexpr int kThreads = 2;
  static std::atomic<int> begun{0};
  for (int i = 0; i < kThreads; ++i) {
    std::thread([call] {
      ++begun;
      for (;;) call();
    }).detach();
  }
  while (begun < kThreads) std::this_thread::yield();
  std::this_thread::sleep_for(kMoment);
  std::exit(kStatus);
}

std::shared_ptr<Network> network() {
  ResNetOptions options;
  options.depth = 20;
  return make_resnet(options);
}

[[noreturn]] void exit_during_predictions() {
  const auto model = network();
  model->probe({3, 32, 32});
  const at::Tensor images = at::randn({256, 3, 32, 32});
  model->predict(images);  // compiles the network's program; what a running call makes, exit() destroys too early
  exit_during([&] { model->predict(images); });
}

[[noreturn]] void exit_during_steps() {
  TrainingStepOptions options;
  options.student = network();
  options.input_shape = {3, 32, 32};
  TrainingStep step(options);
  Batch batch;
  batch.images = at::randn({128, 3, 32, 32});
  batch.labels = at::zeros({128}, at::kLong);
  exit_during([&] {
    StepResult result;
    step.run(batch, result);
  });
}

[[noreturn]] void exit_during_losses() {
  const std::vector<at::Tensor> maps = {at::randn({256, 64, 16, 16})};
  exit_during([&] { nst_loss(maps, maps, NstOptions()); });
}

/// A network that ends the process.
class Exiting final : public Network {
 public:
  Exiting() : Network({}) {}

 private:
  NetworkOutput compute(const at::Tensor&) override { std::exit(kStatus); }
};

/// Each exits in a process of its own.
class ExitTest : public test::SeededTest {
 protected:
  ExitTest() { testing::FLAGS_gtest_death_test_style = "threadsafe"; }
};

TEST_F(ExitTest, WaitsForPredictions) {
  EXPECT_EXIT(exit_during_predictions(), testing::ExitedWithCode(kStatus), "");
}

TEST_F(ExitTest, WaitsForSteps) {
  EXPECT_EXIT(exit_during_steps(), testing::ExitedWithCode(kStatus), "");
}

TEST_F(ExitTest, WaitsForLosses) {
  EXPECT_EXIT(exit_during_losses(), testing::ExitedWithCode(kStatus), "");
}

TEST_F(ExitTest, DoesNotWaitForTheCallThatExits) {
  EXPECT_EXIT(std::make_shared<Exiting>()->predict(at::zeros(1)), testing::ExitedWithCode(kStatus), "");
}

/// Ends its own thread in its destructor, as services do, and there a step.
class Service {
 public:
  Service()
      : thread_([this] {
          TrainingStepOptions options;
          options.student = make_mlp({{4, 3}});
          options.input_shape = {4};
          options.late_results = true;
          const auto step = std::make_unique<TrainingStep>(options);
          Batch batch;
          batch.images = at::zeros({2, 4});
          batch.labels = at::zeros({2}, at::kLong);
          StepResult result;
          step->run(batch, result);
          has_run_ = true;
          while (!ends_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }) {
    while (!has_run_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ~Service() {
    ends_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> has_run_{false}, ends_{false};
  std::thread thread_;
};

[[noreturn]] void exit_with_a_static_service() {
  static const Service service;
  make_mlp({{4, 3}});  // lets exit() close the gate before it destroys the service
  std::exit(kStatus);
}

[[noreturn]] void exit_with_a_static_step() {
  static std::unique_ptr<TrainingStep> step;
  TrainingStepOptions options;
  options.student = make_mlp({{4, 3}});
  options.input_shape = {4};
  step = std::make_unique<TrainingStep>(options);
  std::exit(kStatus);
}

[[noreturn]] void exit_with_a_static_checkpoint() {
  static std::unique_ptr<const StepCheckpoint> checkpoint;
  TrainingStepOptions options;
  options.student = make_mlp({{4, 3}});
  options.input_shape = {4};
  checkpoint.reset(new StepCheckpoint(TrainingStep(options).checkpoint()));
  std::exit(kStatus);
}

TEST_F(ExitTest, StaticDestructorsMayDestroyStepsAndCheckpoints) {
  EXPECT_EXIT(exit_with_a_static_service(), testing::ExitedWithCode(kStatus), "");
  EXPECT_EXIT(exit_with_a_static_step(), testing::ExitedWithCode(kStatus), "");
  EXPECT_EXIT(exit_with_a_static_checkpoint(), testing::ExitedWithCode(kStatus), "");
}

}  // namespace
}  // namespace retort
