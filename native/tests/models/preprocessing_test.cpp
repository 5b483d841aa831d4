#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/models/mlp.h>
#include <retort/models/predictor.h>
#include <retort/models/resnet.h>
#include <retort/models/torchscript.h>
#include <retort/train/training_step.h>

#include <fstream>
#include <sstream>

#include "expect.h"
#include "files.h"
#include "models/preprocessing_text.h"
#include "networks.h"
#include "seeded_test.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::close;
using test::error_of;
using test::file_error_of;
using test::same_bits;

const Preprocessing kOfStep = {{3, 8, 8}, {0.5, 0.4, 0.3}, {0.2, 0.3, 0.5}, false};

std::shared_ptr<Network> resnet() {
  ResNetOptions options;
  options.depth = 8;
  options.classes = 5;
  return make_resnet(options);
}

/// As the header says.
at::Tensor normalized(const at::Tensor& images, const Preprocessing& preprocessing) {
  const at::Tensor mean = at::tensor(preprocessing.mean, at::kFloat).view({-1, 1, 1});
  const at::Tensor deviation = at::tensor(preprocessing.deviation, at::kFloat).view({-1, 1, 1});
  return (images - mean) / deviation;
}

class NetworkPreprocessingTest : public test::SeededTest {
 protected:
  /// A network of the same weights that prepares nothing.
  static std::shared_ptr<Network> plain(Network& network) {
    std::stringstream file;
    network.save_state_dict(file);
    auto other = resnet();
    other->load_state_dict(file);
    other->set_preprocessing({});
    return other;
  }

  TrainingStepOptions options(const Preprocessing& preprocessing) const {
    TrainingStepOptions options;
    options.student = student_;
    options.teachers = {teacher_};
    options.preprocessing = preprocessing;
    return options;
  }

  test::TemporaryFolder folder_;
  std::shared_ptr<Network> student_ = resnet();
  std::shared_ptr<Network> teacher_ = resnet();
  at::Tensor images_ = at::rand({4, 3, 8, 8});
  at::Tensor labels_ = at::tensor({0, 1, 2, 3}, at::kLong);
};

TEST_F(NetworkPreprocessingTest, IsThatOfTheStepForBothNetworks) {
  const TrainingStep step(options(kOfStep));
  EXPECT_EQ(student_->preprocessing(), kOfStep);
  EXPECT_EQ(teacher_->preprocessing(), kOfStep);
  EXPECT_EQ(student_->input_shape(), kOfStep.input_shape);

  const auto expected = plain(*student_);
  EXPECT_TRUE(close(student_->predict(images_), expected->predict(normalized(images_, kOfStep)), 1e-5));
  const at::Tensor predicted = expected->predict(normalized(images_, kOfStep)).argmax(1);
  EXPECT_EQ(student_->accuracy(images_, predicted), 1.0);
}

TEST_F(NetworkPreprocessingTest, NormalizesEachFeatureOfRows) {
  constexpr int64_t kFeatures = 300;
  Preprocessing of_rows;
  of_rows.input_shape = {kFeatures};
  for (int64_t i = 0; i < kFeatures; ++i) {
    of_rows.mean.push_back(0.1 * static_cast<double>(i) - 7);
    of_rows.deviation.push_back(0.5 + 0.01 * static_cast<double>(i));
  }
  const at::Tensor rows = 5 * at::randn({6, kFeatures});
  const at::Tensor prepared = (rows - at::tensor(of_rows.mean, at::kFloat)) / at::tensor(of_rows.deviation, at::kFloat);
  const at::Tensor labels = at::randint(4, {6}, at::kLong);
  const auto student = make_mlp({{kFeatures, 5, 4}});
  const auto expected = make_mlp({{kFeatures, 5, 4}});
  std::stringstream weights;
  student->save_state_dict(weights);
  expected->load_state_dict(weights);

  const auto train = [&](const std::shared_ptr<Network>& network, const Preprocessing& preprocessing,
                         const at::Tensor& images) {
    TrainingStepOptions options;
    options.student = network;
    options.preprocessing = preprocessing;
    options.input_shape = {kFeatures};
    StepResult result;
    TrainingStep(options).run({images, labels, {}, {}}, result);
    network->publish();
    return network->predict(images);
  };
  const at::Tensor logits = train(expected, {}, prepared);
  EXPECT_TRUE(close(train(student, of_rows, rows), logits, 1e-4));
  const auto learned = expected->state_dict();
  for (const std::string& name : learned.keys()) {
    EXPECT_TRUE(close(student->state_dict()[name], learned[name], 1e-4)) << name;
  }

  student->save_state_dict(folder_.file("student.pt"));
  const auto loaded = make_mlp({{kFeatures, 5, 4}});
  loaded->load_state_dict(folder_.file("student.pt"));
  EXPECT_EQ(loaded->preprocessing(), of_rows);
  EXPECT_TRUE(same_bits(loaded->predict(rows), student->predict(rows)));
}

TEST_F(NetworkPreprocessingTest, TakesBytesAndChannelsLast) {
  const at::Tensor bytes = at::randint(256, {4, 3, 8, 8}, at::kByte);
  student_->set_preprocessing(kOfStep);
  const at::Tensor expected = student_->predict(bytes.to(at::kFloat) / 255);
  EXPECT_TRUE(close(student_->predict(bytes), expected, 1e-5));

  Preprocessing last = kOfStep;
  last.channels_last = true;
  student_->set_preprocessing(last);
  EXPECT_TRUE(close(student_->predict(bytes.permute({0, 2, 3, 1})), expected, 1e-5));
  EXPECT_EQ(
      error_of([&] { student_->predict(bytes); }),
      "Network: images must be of shape [batch, 8, 8, 3] (got [4, 3, 8, 8])");
}

TEST_F(NetworkPreprocessingTest, GoesWithTheWeightsThatArePublished) {
  student_->publish();
  const at::Tensor before = student_->predict(images_);
  student_->set_preprocessing(kOfStep);
  EXPECT_TRUE(same_bits(student_->predict(images_), before));
  student_->publish();
  EXPECT_FALSE(same_bits(student_->predict(images_), before));
}

TEST_F(NetworkPreprocessingTest, IsInheritedByALaterStep) {
  teacher_->set_preprocessing(kOfStep);
  TrainingStepOptions none = options({});
  none.input_shape = {3, 8, 8};
  const TrainingStep step(none);
  EXPECT_EQ(student_->preprocessing(), kOfStep);

  Preprocessing another = kOfStep;
  another.mean[0] = 0.1;
  const TrainingStep other(options(another));
  EXPECT_EQ(student_->preprocessing(), another);
  EXPECT_EQ(teacher_->preprocessing(), kOfStep) << "a teacher keeps what it was trained with";
}

TEST_F(NetworkPreprocessingTest, IsSavedWithTheNetwork) {
  student_->set_preprocessing(kOfStep);
  const at::Tensor expected = student_->predict(images_);

  student_->save_state_dict(folder_.file("student.pt"));
  auto loaded = resnet();
  loaded->load_state_dict(folder_.file("student.pt"));
  EXPECT_EQ(loaded->preprocessing(), kOfStep);
  EXPECT_EQ(loaded->input_shape(), kOfStep.input_shape);
  EXPECT_TRUE(close(loaded->predict(images_), expected, 1e-5));

  student_->save_torchscript(folder_.file("student.ts"));
  const auto program = load_torchscript(folder_.file("student.ts"));
  EXPECT_EQ(program->preprocessing(), kOfStep);
  EXPECT_EQ(program->input_shape(), kOfStep.input_shape);
  EXPECT_TRUE(close(program->predict(images_), expected, 1e-5));
}

TEST_F(NetworkPreprocessingTest, IsThatOfTheFile) {
  std::stringstream file;
  teacher_->save_state_dict(file);
  student_->set_preprocessing(kOfStep);
  student_->load_state_dict(file);
  EXPECT_TRUE(student_->preprocessing().is_identity());

  TrainingStepOptions alone = options(kOfStep);
  TrainingStep step(alone);
  std::stringstream copy;
  step.checkpoint().write_student(copy);
  auto loaded = resnet();
  loaded->load_state_dict(copy);
  EXPECT_EQ(loaded->preprocessing(), kOfStep);
}

TEST_F(NetworkPreprocessingTest, TextIsWholeOrRefused) {
  const std::string text = packed(kOfStep);
  EXPECT_EQ(parse_preprocessing("f", text, "file"), kOfStep);
  EXPECT_EQ(parse_preprocessing("f", packed(Preprocessing()), "file"), Preprocessing());
  for (size_t size = 0; size + 1 < text.size(); ++size) {
    EXPECT_THROW(parse_preprocessing("f", text.substr(0, size), "file"), FileError) << size;
  }
  EXPECT_EQ(
      file_error_of([] { parse_preprocessing("f", "retort.preprocessing 2\n", "file"); }),
      "f: preprocessing of file must be whole, of version 1 (got 23 bytes)");
  Preprocessing wrong = kOfStep;
  wrong.deviation[1] = 0;
  EXPECT_EQ(
      file_error_of([&] { parse_preprocessing("f", packed(wrong), "file"); }),
      "f: deviation must be positive and finite (got 0) in file");
}

TEST_F(NetworkPreprocessingTest, PredictorPreparesAsTheNetwork) {
  const TrainingStep step(options(kOfStep));
  const Predictor predictor(student_);
  const at::Tensor logits = student_->predict(images_);
  EXPECT_TRUE(same_bits(predictor.logits(images_), logits));
  EXPECT_TRUE(close(predictor.probabilities(images_), logits.softmax(1), 1e-6));
}

TEST_F(NetworkPreprocessingTest, PredictorTakesAnotherLayout) {
  student_->set_preprocessing(kOfStep);
  Preprocessing last = kOfStep;
  last.channels_last = true;
  const Predictor predictor(student_, last);
  const at::Tensor bytes = at::randint(256, {2, 3, 8, 8}, at::kByte);
  EXPECT_TRUE(close(predictor.logits(bytes.permute({0, 2, 3, 1})), student_->predict(bytes), 1e-5));
  EXPECT_TRUE(predictor.preprocessing().channels_last);

  last.mean = {0.1};
  last.deviation = {1};
  EXPECT_EQ(
      error_of([&] { const Predictor other(student_, last); }),
      "Predictor: preprocessing must normalise as the network's, images(mean=[0.5, 0.4, 0.3], deviation=[0.2, 0.3, "
      "0.5], channels_last=false) (got images(mean=[0.1], deviation=[1], channels_last=true))");
  EXPECT_EQ(error_of([] { const Predictor none(nullptr); }), "Predictor: network must be given (got null)");
}

TEST_F(NetworkPreprocessingTest, OfANetworkWithoutAProgramIsUsed) {
  const auto own = std::make_shared<test::TinyNetwork>();
  const at::Tensor plain = own->predict(normalized(images_, kOfStep));
  own->set_preprocessing(kOfStep);
  EXPECT_TRUE(close(own->predict(images_), plain, 1e-5));
}

}  // namespace
}  // namespace retort
