#include "models/preprocessor.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/errors.h>
#include <retort/train/training_step.h>

#include <functional>
#include <limits>

#include "expect.h"
#include "networks.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::close;
using test::error_of;
using test::same_bits;

Preprocessing options_of(
    std::vector<double> mean = {}, std::vector<double> deviation = {}, bool channels_last = false) {
  Preprocessing options;
  options.mean = std::move(mean);
  options.deviation = std::move(deviation);
  options.channels_last = channels_last;
  return options;
}

Preprocessor preprocessor_of(Preprocessing options, std::vector<int64_t> input_shape) {
  options.input_shape = std::move(input_shape);
  return Preprocessor("TrainingStep", options);
}

/// As the header says, in float64.
at::Tensor naive(const Preprocessing& options, const at::Tensor& images) {
  at::Tensor values = (options.channels_last ? images.permute({0, 3, 1, 2}) : images).to(at::kDouble).clone();
  if (images.scalar_type() == at::kByte) values.div_(255);
  for (int64_t c = 0; c < values.size(1) && !options.mean.empty(); ++c) {
    const size_t own = options.mean.size() == 1 ? 0 : static_cast<size_t>(c);
    values.select(1, c).sub_(options.mean[own]).div_(options.deviation[own]);
  }
  return values;
}

at::Tensor random_images(const std::vector<int64_t>& shape, at::ScalarType dtype) {
  return dtype == at::kByte ? at::randint(256, shape, at::kByte) : at::rand(shape, at::kDouble).to(dtype);
}

class ImagesTest : public test::SeededTest {};

TEST_F(ImagesTest, MatchesTheFormula) {
  const std::vector<int64_t> first = {5, 3, 4, 6}, last = {5, 4, 6, 3};
  for (const auto& options :
       {options_of(), options_of({0.4}, {0.3}), options_of({0.5, 0.4, 0.3}, {0.2, 0.3, 0.5}), options_of({}, {}, true),
        options_of({0.4}, {0.3}, true), options_of({0.5, 0.4, 0.3}, {0.2, 0.3, 0.5}, true)}) {
    const Preprocessor preparation = preprocessor_of(options, {3, 4, 6});
    for (at::ScalarType like : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16}) {
      for (at::ScalarType from : {at::kByte, like}) {
        const std::vector<int64_t>& shape = options.channels_last ? last : first;
        std::vector<int64_t> twice = shape;
        twice[3] *= 2;
        const at::Tensor plain = random_images(shape, from);
        for (const auto& images :
             {plain, random_images(twice, from).slice(3, 0, {}, 2), plain.transpose(0, 2).contiguous().transpose(0, 2),
              plain.select(0, 1).unsqueeze(0).expand(shape)}) {
          for (at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
            SCOPED_TRACE(c10::str(options.description(), ' ', from, " to ", like, ' ', images.strides(), ' ', format));
            preparation.check(images, like);
            const at::Tensor prepared = preparation.prepare(images, like, format);
            EXPECT_EQ(prepared.scalar_type(), like);
            EXPECT_TRUE(prepared.is_contiguous(format));
            const double tolerance = like == at::kDouble ? 1e-14 : like == at::kFloat ? 1e-6 : test::tolerance_of(like);
            EXPECT_TRUE(close(prepared, naive(options, images), tolerance));
          }
        }
      }
    }
  }
}

TEST_F(ImagesTest, OfAnyRank) {
  for (const std::vector<int64_t>& shape :
       std::vector<std::vector<int64_t>>{{2, 3}, {2, 3, 7}, {2, 3, 2, 3, 4}, {2, 3, 1, 1}, {1, 3, 1, 5}}) {
    const Preprocessing options = options_of({0.5, 0.4, 0.3}, {0.2, 0.3, 0.5});
    const Preprocessor preparation = preprocessor_of(options, {shape.begin() + 1, shape.end()});
    for (at::ScalarType from : {at::kByte, at::kFloat}) {
      const at::Tensor images = random_images(shape, from);
      preparation.check(images, at::kFloat);
      EXPECT_TRUE(
          close(preparation.prepare(images, at::kFloat, at::MemoryFormat::Contiguous), naive(options, images), 1e-6))
          << images.sizes();
    }
  }
}

TEST_F(ImagesTest, SourceStaysAsItIs) {
  const at::Tensor images = random_images({2, 3, 4, 6}, at::kFloat);
  const at::Tensor before = images.clone();
  preprocessor_of(options_of({0.4}, {0.3}), {3, 4, 6}).prepare(images, at::kFloat, at::MemoryFormat::Contiguous);
  EXPECT_TRUE(same_bits(images, before));
}

TEST_F(ImagesTest, NothingToChangeIsNoCopy) {
  const auto is_copied = [](const Preprocessing& options, const at::Tensor& images, at::MemoryFormat format) {
    const Preprocessor preparation = preprocessor_of(options, {3, 4, 6});
    return preparation.prepare(images, at::kFloat, format).const_data_ptr() != images.const_data_ptr();
  };
  const auto contiguous = at::MemoryFormat::Contiguous, channels_last = at::MemoryFormat::ChannelsLast;
  const at::Tensor first = at::rand({2, 3, 4, 6}), last = at::rand({2, 4, 6, 3});
  EXPECT_FALSE(is_copied(options_of(), first, contiguous));
  EXPECT_TRUE(is_copied(options_of(), first, channels_last));
  EXPECT_FALSE(is_copied(options_of({}, {}, true), last, channels_last));
  EXPECT_TRUE(is_copied(options_of({}, {}, true), last, contiguous));
  EXPECT_TRUE(is_copied(options_of({0.5}, {1}), first, contiguous));
  EXPECT_TRUE(is_copied(options_of(), first.to(at::kDouble), contiguous));
}

TEST_F(ImagesTest, OneChannelHasTheStridesOfTheFormat) {
  // Such images are contiguous in both formats, wherever they come from.
  for (const Preprocessing& options : {options_of(), options_of({0.5}, {0.2}), options_of({}, {}, true)}) {
    const std::vector<int64_t> shape =
        options.channels_last ? std::vector<int64_t>{2, 4, 6, 1} : std::vector<int64_t>{2, 1, 4, 6};
    const Preprocessor preparation = preprocessor_of(options, {1, 4, 6});
    for (at::ScalarType from : {at::kByte, at::kFloat, at::kDouble}) {
      for (at::MemoryFormat format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
        SCOPED_TRACE(c10::str(options.description(), ' ', from, ' ', format));
        const at::Tensor images = random_images(shape, from),
                         prepared = preparation.prepare(images, at::kFloat, format);
        EXPECT_EQ(prepared.suggest_memory_format(), format);
        EXPECT_TRUE(close(prepared, naive(options, images), 1e-6));
      }
    }
  }
}

// ---- in a step ------------------------------------------------------------------------------------------------------

/// The state after two steps on these images.
test::NamedTensors trained_on(const Preprocessing& options_of_images, const at::Tensor& images) {
  manual_seed(1);
  TrainingStepOptions options;
  options.student = std::make_shared<test::TinyNetwork>();
  options.input_shape = {3, 4, 6};
  options.preprocessing = options_of_images;
  TrainingStep step(options);
  Batch batch;
  batch.images = images;
  batch.labels = at::tensor({0, 4, 2, 1, 3}, at::kLong);
  StepResult result;
  for (int i = 0; i < 2; ++i) step.run(batch, result);
  return test::copy_of(step.state());
}

TEST_F(ImagesTest, StepOnBytesIsThatOnFloats) {
  const at::Tensor bytes = random_images({5, 3, 4, 6}, at::kByte);
  const at::Tensor floats = bytes.to(at::kFloat) * static_cast<float>(1.0 / 255);
  const test::NamedTensors expected = trained_on(options_of(), floats);
  EXPECT_TRUE(same_bits(trained_on(options_of(), bytes), expected));
  EXPECT_TRUE(same_bits(trained_on(options_of({}, {}, true), bytes.permute({0, 2, 3, 1}).contiguous()), expected));

  const Preprocessing normalised = options_of({0.5, 0.4, 0.3}, {0.2, 0.3, 0.5});
  const test::NamedTensors of_bytes = trained_on(normalised, bytes);
  const test::NamedTensors by_hand = trained_on(options_of(), naive(normalised, bytes).to(at::kFloat));
  for (const auto& entry : by_hand) EXPECT_TRUE(close(of_bytes[entry.key()], entry.value(), 1e-4)) << entry.key();
  EXPECT_FALSE(close(of_bytes["student.conv.weight"], expected["student.conv.weight"], 1e-4));
}

// ---- errors ---------------------------------------------------------------------------------------------------------

TEST_F(ImagesTest, RejectsOptions) {
  const auto error_after = [](const Preprocessing& options, const std::vector<int64_t>& shape = {3, 4, 6}) {
    return error_of([&] { preprocessor_of(options, shape); });
  };
  EXPECT_EQ(
      error_after(options_of({0.5}, {})), "TrainingStep: mean and deviation must have the same length (got 1 and 0)");
  EXPECT_EQ(
      error_after(options_of({0.5, 0.5}, {1, 1})),
      "TrainingStep: mean must be one for each of 3 channels, or one (got 2)");
  EXPECT_EQ(
      error_after(options_of({}, {}, true), {7}),
      "TrainingStep: input shape must be [channels, height, width] for images with channels last (got [7])");
  const double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  for (const auto& [mean, text] : {std::pair{infinity, "inf"}, std::pair{nan, "nan"}}) {
    EXPECT_EQ(
        error_after(options_of({0, mean, 0}, {1, 1, 1})),
        c10::str("TrainingStep: mean must be finite (got ", text, ")"));
  }
  for (const auto& [deviation, text] :
       {std::pair{infinity, "inf"}, std::pair{nan, "nan"}, std::pair{0.0, "0"}, std::pair{-1.0, "-1"}}) {
    EXPECT_EQ(
        error_after(options_of({0, 0, 0}, {1, 1, deviation})),
        c10::str("TrainingStep: deviation must be positive and finite (got ", text, ")"));
  }
}

TEST_F(ImagesTest, RejectsImages) {
  const auto error_of_images = [](const at::Tensor& images, const Preprocessing& options = {}) {
    const Preprocessor preparation = preprocessor_of(options, {3, 4, 6});
    const auto check = [&] { preparation.check(images, at::kFloat); };
    EXPECT_THROW(check(), ShapeError);
    return error_of(check);
  };
  EXPECT_EQ(error_of_images({}), "TrainingStep: images must be given (got an undefined tensor)");
  EXPECT_EQ(error_of_images(at::rand({})), "TrainingStep: images must be of shape [batch, 3, 4, 6] (got [])");
  EXPECT_EQ(
      error_of_images(at::rand({2, 4, 6, 3})),
      "TrainingStep: images must be of shape [batch, 3, 4, 6] (got [2, 4, 6, 3])");
  EXPECT_EQ(
      error_of_images(at::rand({2, 3, 4, 6}), options_of({}, {}, true)),
      "TrainingStep: images must be of shape [batch, 4, 6, 3] (got [2, 3, 4, 6])");
  EXPECT_EQ(error_of_images(at::rand({0, 3, 4, 6})), "TrainingStep: images must not be empty (got [0, 3, 4, 6])");
  for (at::ScalarType dtype : {at::kDouble, at::kHalf, at::kChar, at::kInt}) {
    EXPECT_EQ(
        error_of_images(at::ones({2, 3, 4, 6}, dtype)),
        c10::str("TrainingStep: images must be of the network's dtype Float or bytes (got ", dtype, ")"));
  }
  EXPECT_EQ(
      error_of_images(at::rand({2, 3, 4, 6}, at::kMeta)),
      "TrainingStep: images must be on the network's device cpu (got meta)");
  EXPECT_EQ(error_of_images(at::rand({2, 3, 4, 6}).to_sparse()), "TrainingStep: images must be dense (got Sparse)");
}

}  // namespace
}  // namespace retort
