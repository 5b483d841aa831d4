#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <retort/data/augmentation.h>
#include <retort/errors.h>
#include <retort/runtime.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "expect.h"
#include "golden.h"
#include "reference/augmentation.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::close;
using test::error_of;
using test::Golden;
using test::same_bits;

AugmentationOptions options_of(int64_t padding, ImageFill fill = ImageFill::kZero, double flip = 0) {
  AugmentationOptions options;
  options.padding = padding;
  options.fill = fill;
  options.flip = flip;
  return options;
}

/// Everything at once, from any size to 6 rows and 9 columns.
AugmentationOptions everything() {
  AugmentationOptions options;
  options.height = 6;
  options.width = 9;
  options.resized_crop = RandomResizedCrop();
  options.flip = 0.5;
  options.color_jitter = {0.4, 0.4, 0.4, 0.1};
  options.mean = {0.485, 0.456, 0.406};
  options.deviation = {0.229, 0.224, 0.225};
  options.cutout = 3;
  return options;
}

class AugmentationTest : public test::SeededTest {
 protected:
  at::Tensor images_ = at::rand({40, 3, 5, 7});
  at::Tensor indices_ = at::randperm(1000, at::kLong).slice(0, 0, 40);
};

TEST_F(AugmentationTest, MatchesTheFormula) {
  for (ImageFill fill : {ImageFill::kZero, ImageFill::kReflect}) {
    for (int64_t padding : {0, 1, 4}) {
      for (double flip : {0.0, 0.3, 1.0}) {
        for (const auto& [mean, deviation] : std::vector<std::pair<std::vector<double>, std::vector<double>>>{
                 {{}, {}}, {{0.4}, {0.3}}, {{0.5, 0.4, 0.3}, {0.2, 0.3, 0.5}}}) {
          AugmentationOptions options = options_of(padding, fill, flip);
          options.mean = mean;
          options.deviation = deviation;
          for (const auto& [seed, round] : {std::pair<int64_t, int64_t>{0, 0}, {7, 3}, {-5, 1000}}) {
            const at::Tensor expected = reference::augment(images_, indices_, options, seed, round);
            const at::Tensor augmented = augment(images_, indices_, options, seed, round);
            EXPECT_TRUE(mean.empty() ? same_bits(augmented, expected) : close(augmented, expected, 1e-6))
                << "padding " << padding << ", flip " << flip << ", seed " << seed;
          }
        }
      }
    }
  }
}

TEST_F(AugmentationTest, ZeroPaddingLargerThanTheImage) {
  const AugmentationOptions options = options_of(9);
  EXPECT_TRUE(
      same_bits(augment(images_, indices_, options, 1, 2), reference::augment(images_, indices_, options, 1, 2)));
}

TEST_F(AugmentationTest, OutputSizeIsTheMovedCentre) {
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{5, 7}, {4, 6}, {3, 4}, {2, 1}, {1, 7}}) {
    for (int64_t padding : {0, 1, 4}) {
      AugmentationOptions options = options_of(padding, ImageFill::kReflect, 0.5);
      options.height = height;
      options.width = width;
      const at::Tensor augmented = augment(images_, indices_, options, 1, 2);
      EXPECT_EQ(augmented.sizes(), at::IntArrayRef({40, 3, height, width}));
      EXPECT_TRUE(same_bits(augmented, reference::augment(images_, indices_, options, 1, 2)));
    }
  }
}

TEST_F(AugmentationTest, ResizedCropMatchesLibTorch) {
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>{5, 7}, {1, 1}, {2, 3}, {4, 40}, {23, 2}, {50, 70}}) {
    for (const RandomResizedCrop& crop :
         {RandomResizedCrop(), RandomResizedCrop{1, 1, 0.1, 10}, RandomResizedCrop{0.01, 0.02, 1, 1},
          RandomResizedCrop{1, 1, 3, 3}, RandomResizedCrop{0.9, 1, 0.2, 0.25}}) {
      AugmentationOptions options = options_of(0, ImageFill::kZero, 0.5);
      options.height = height;
      options.width = width;
      options.resized_crop = crop;
      const at::Tensor augmented = augment(images_, indices_, options, 1, 2);
      EXPECT_TRUE(close(augmented, reference::augment(images_, indices_, options, 1, 2), 2e-6))
          << height << " " << width << ", scale from " << crop.min_scale;
    }
  }
}

TEST_F(AugmentationTest, ResizedCropOfTheWholeImageInItsSizeIsTheImage) {
  AugmentationOptions options;
  options.resized_crop = RandomResizedCrop{1, 1, 1.4, 1.4};
  EXPECT_TRUE(same_bits(augment(images_, indices_, options, 1, 2), images_));
}

TEST_F(AugmentationTest, ResizedCropsHaveTheRangesOfTheirOptions) {
  // Of an image whose values are its columns, or its rows, the ends of a crop tell the part.
  const int64_t size = 200;
  const at::Tensor ramp = at::arange(size, at::kFloat).expand({size, size});
  const at::Tensor image = at::stack({ramp.t(), ramp}).unsqueeze(0);
  AugmentationOptions options;
  options.height = options.width = 100;
  options.resized_crop = RandomResizedCrop{0.25, 0.5, 0.5, 2};
  std::vector<double> areas, ratios, tops;
  for (int64_t index = 0; index < 401; ++index) {
    const at::Tensor crop = augment(image, at::full({1}, index, at::kLong), options, 3, 0);
    const double height = (crop[0][0][90][50] - crop[0][0][10][50]).item<double>() / 0.8;
    const double width = (crop[0][1][50][90] - crop[0][1][50][10]).item<double>() / 0.8;
    areas.push_back(height * width / size / size);
    ratios.push_back(std::log2(width / height));
    tops.push_back((crop[0][0][50][50].item<double>() + 0.5 - height * 0.505) / (size - height));
  }
  const auto expect_uniform = [](std::vector<double> values, double low, double high) {
    std::sort(values.begin(), values.end());
    EXPECT_NEAR(values.front(), low, (high - low) / 25);
    EXPECT_NEAR(values[200], (low + high) / 2, (high - low) / 8);
    EXPECT_NEAR(values.back(), high, (high - low) / 25);
  };
  expect_uniform(areas, 0.25, 0.5);
  expect_uniform(ratios, -1, 1);
  expect_uniform(tops, 0, 1);
}

TEST_F(AugmentationTest, ColorJitterMatchesTheFormula) {
  for (int64_t channels : {1, 3}) {
    at::Tensor images = images_.slice(1, 0, channels).clone();
    images.select(2, 0).copy_(images.select(2, 0).select(1, 0).unsqueeze(1).expand({40, channels, 7}));  // grey
    images.select(2, 1).round_();  // primary colours, black and white
    for (const ColorJitter& jitter :
         {ColorJitter{0.4, 0, 0, 0}, ColorJitter{0, 0.4, 0, 0}, ColorJitter{0, 0, 0.4, 0}, ColorJitter{0, 0, 0, 0.1},
          ColorJitter{0, 0, 0, 0.5}, ColorJitter{0.4, 0.4, 0.4, 0.1}, ColorJitter{2, 3, 4, 0.5}}) {
      AugmentationOptions options;
      options.color_jitter = jitter;
      options.flip = 0.5;
      options.mean = {0.5};
      options.deviation = {0.25};
      EXPECT_TRUE(
          close(augment(images, indices_, options, 1, 2), reference::augment(images, indices_, options, 1, 2), 5e-6));
    }
  }
}

TEST_F(AugmentationTest, ColorJitterDrawsEveryOrder) {
  std::set<std::array<int, 4>> orders;
  for (int64_t number = 0; number < 24; ++number) orders.insert(reference::order_of(number));
  EXPECT_EQ(orders.size(), 24u);
  const at::Tensor image = at::tensor({0.9f, 0.2f, 0.1f, 0.3f, 0.6f, 0.95f}).view({1, 3, 2, 1});
  AugmentationOptions options;
  options.color_jitter = {0.4, 0.4, 0.4, 0.1};
  for (int64_t index = 0; index < 300; ++index) {
    const at::Tensor indices = at::full({1}, index, at::kLong);
    EXPECT_TRUE(close(augment(image, indices, options, 1, 2), reference::augment(image, indices, options, 1, 2), 5e-6));
  }
}

TEST_F(AugmentationTest, CutoutIsZeroAfterNormalisation) {
  for (int64_t side : {1, 2, 3, 5, 30}) {
    for (const std::vector<double>& value : std::vector<std::vector<double>>{{}, {0.5}, {0.1, 0.2, 0.3}}) {
      AugmentationOptions options;
      options.mean = {0.5};
      options.deviation = {0.25};
      options.cutout = side;
      options.cutout_value = value;
      EXPECT_TRUE(
          close(augment(images_, indices_, options, 1, 2), reference::augment(images_, indices_, options, 1, 2), 1e-6));
    }
  }
}

TEST_F(AugmentationTest, CutoutsCentreIsAnyPixel) {
  AugmentationOptions options;
  options.cutout = 1;
  std::map<int64_t, int> times;
  for (int64_t index = 0; index < 35 * 40; ++index) {
    const at::Tensor augmented = augment(at::ones({1, 1, 5, 7}), at::full({1}, index, at::kLong), options, 5, 0);
    EXPECT_EQ(augmented.sum().item<double>(), 34);
    ++times[augmented.argmin().item<int64_t>()];
  }
  EXPECT_EQ(times.size(), 35u);
  for (const auto& [place, count] : times) EXPECT_NEAR(count, 40, 32) << place;  // five deviations
}

TEST_F(AugmentationTest, OptionsDoNotChangeOthersDraws) {
  // The same flips and factors with and without the rest, seen by images that are symmetric or of one colour.
  const at::Tensor flat = at::rand({40, 3, 1, 1}).expand({40, 3, 5, 7}).contiguous();
  AugmentationOptions jitter;
  jitter.color_jitter = {0.4, 0, 0.4, 0.1};
  AugmentationOptions all = jitter;
  all.flip = 0.5;
  all.resized_crop = RandomResizedCrop();
  EXPECT_TRUE(close(augment(flat, indices_, all, 1, 2), augment(flat, indices_, jitter, 1, 2), 1e-5));
  all.resized_crop.reset();
  all.padding = 3;
  all.fill = ImageFill::kReflect;
  EXPECT_TRUE(same_bits(augment(flat, indices_, all, 1, 2), augment(flat, indices_, jitter, 1, 2)));

  const AugmentationOptions flip = options_of(0, ImageFill::kZero, 0.5);
  AugmentationOptions cutout = flip;
  cutout.cutout = 3;
  const at::Tensor flipped = augment(images_ + 1, indices_, flip, 1, 2);
  const at::Tensor cut = augment(images_ + 1, indices_, cutout, 1, 2);
  EXPECT_TRUE(same_bits(cut, at::where(cut == 0, cut, flipped)));
}

/// Whatever changes this makes trainings that are resumed go on with other images.
TEST_F(AugmentationTest, BitsAreTheSameOnEveryMachine) {
  const at::Tensor images = (at::arange(4 * 3 * 31 * 37, at::kLong) * 7919 % 256).view({4, 3, 31, 37}) / 255.0;
  const auto checksum = [&](const AugmentationOptions& options) {
    const at::Tensor augmented = augment(images.to(at::kFloat), at::arange(4, at::kLong), options, 3, 4);
    uint64_t sum = 0;
    for (int64_t i = 0; i < augmented.numel(); ++i) {
      uint32_t value;
      std::memcpy(&value, augmented.const_data_ptr<float>() + i, sizeof(value));
      sum = reference::bits(sum ^ value, 0);
    }
    return sum;
  };
  EXPECT_EQ(checksum(options_of(3, ImageFill::kReflect, 0.5)), 472464077621685445u);
  AugmentationOptions options = everything();
  options.height = 29;
  options.width = 33;
  EXPECT_EQ(checksum(options), 12736345045522546751u);
}

TEST_F(AugmentationTest, ReflectsByHand) {
  // 0 1 2 with two more on each side is 2 1 0 1 2 1 0.
  const std::vector<std::vector<float>> windows = {{2, 1, 0}, {1, 0, 1}, {0, 1, 2}, {1, 2, 1}, {2, 1, 0}};
  const at::Tensor image = at::arange(3, at::kFloat).expand({1, 1, 3, 3}).contiguous();
  std::map<std::vector<float>, int> seen;
  for (int64_t round = 0; round < 200; ++round) {
    const at::Tensor augmented =
        augment(image, at::zeros({1}, at::kLong), options_of(2, ImageFill::kReflect), 5, round).flatten();
    const float* values = augmented.const_data_ptr<float>();
    const std::vector<float> row(values, values + 3);
    for (int y = 1; y < 3; ++y) EXPECT_EQ(std::vector<float>(values + 3 * y, values + 3 * y + 3), row);
    EXPECT_NE(std::find(windows.begin(), windows.end(), row), windows.end());
    ++seen[row];
  }
  EXPECT_EQ(seen.size(), 4u);  // the first and the last are the same
}

TEST_F(AugmentationTest, ImageIsTheSameInEveryBatch) {
  for (const AugmentationOptions& options : {options_of(2, ImageFill::kReflect, 0.5), everything()}) {
    const at::Tensor whole = augment(images_, indices_, options, 3, 4);
    // Batches of one, and those of four and of three ranks, the last of which has fewer.
    for (int64_t size : {1, 10, 15}) {
      std::vector<at::Tensor> parts;
      for (int64_t i = 0; i < images_.size(0); i += size) {
        parts.push_back(augment(images_.slice(0, i, i + size), indices_.slice(0, i, i + size), options, 3, 4));
      }
      EXPECT_TRUE(same_bits(at::cat(parts), whole));
    }
    const at::Tensor order = at::randperm(40, at::kLong);
    EXPECT_TRUE(
        same_bits(augment(images_.index({order}), indices_.index({order}), options, 3, 4), whole.index({order})));
  }
}

TEST_F(AugmentationTest, ThreadsMakeNoDifference) {
  const at::Tensor many = at::rand({90, 3, 160, 160});  // more than two threads' worth
  const at::Tensor indices = at::arange(90, at::kLong);
  AugmentationOptions resized = everything();
  resized.height = resized.width = 140;
  for (const AugmentationOptions& options : {options_of(9, ImageFill::kReflect, 0.5), resized}) {
    set_threads(1);
    const at::Tensor expected = augment(many, indices, options, 3, 4);
    for (int64_t threads : {2, 4}) {
      set_threads(threads);
      EXPECT_TRUE(same_bits(augment(many, indices, options, 3, 4), expected));
    }
  }
}

TEST_F(AugmentationTest, SeedRoundAndIndexChangeTheDraw) {
  const AugmentationOptions options = options_of(2, ImageFill::kReflect, 0.5);
  const at::Tensor one = augment(images_, indices_, options, 3, 4);
  EXPECT_TRUE(same_bits(augment(images_, indices_, options, 3, 4), one));
  EXPECT_FALSE(same_bits(augment(images_, indices_, options, 4, 4), one));
  EXPECT_FALSE(same_bits(augment(images_, indices_, options, 3, 5), one));
  EXPECT_FALSE(same_bits(augment(images_, indices_ + 1, options, 3, 4), one));
}

TEST_F(AugmentationTest, DrawsAreEquallyLikely) {
  constexpr int64_t kImages = 50000;
  // A point in the middle of 7x7 shows where it has gone; its left neighbour, whether it was mirrored.
  at::Tensor image = at::zeros({1, 1, 7, 7});
  image[0][0][3][3] = 1;
  image[0][0][3][2] = 0.5;
  const at::Tensor augmented = augment(
      image.expand({kImages, 1, 7, 7}), at::arange(kImages, at::kLong), options_of(2, ImageFill::kZero, 0.25), 11, 0);
  const at::Tensor places = augmented.flatten(1).argmax(1);
  std::map<int64_t, int> times;
  int64_t mirrored = 0;
  for (int64_t i = 0; i < kImages; ++i) {
    const int64_t place = places[i].item<int64_t>();
    ++times[place];
    mirrored += augmented.const_data_ptr<float>()[i * 49 + place + 1] == 0.5f;
  }
  EXPECT_EQ(times.size(), 25u);
  for (const auto& [place, count] : times) EXPECT_NEAR(count, kImages / 25, 220) << place;  // five deviations
  EXPECT_NEAR(static_cast<double>(mirrored), kImages / 4.0, 490);
}

TEST_F(AugmentationTest, TakesAnyStrides) {
  const AugmentationOptions options = options_of(2, ImageFill::kZero, 0.5);
  const at::Tensor expected = augment(images_, indices_, options, 3, 4);
  const at::Tensor channels_last = images_.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor spread = at::stack({indices_, indices_}, 1).select(1, 0);
  const at::Tensor augmented = augment(channels_last, spread, options, 3, 4);
  EXPECT_TRUE(augmented.is_contiguous());
  EXPECT_TRUE(same_bits(augmented, expected));
}

TEST_F(AugmentationTest, SourceStaysAsItIs) {
  const at::Tensor before = images_.clone();
  augment(images_, indices_, options_of(2, ImageFill::kReflect, 0.5), 3, 4);
  EXPECT_TRUE(same_bits(images_, before));
}

TEST_F(AugmentationTest, RejectsOptions) {
  const auto error_after = [&](const AugmentationOptions& options, int64_t round = 0) {
    return error_of([&] { augment(images_, indices_, options, 0, round); });
  };
  EXPECT_EQ(error_after(options_of(-1)), "augment: padding must be at least 0 (got -1)");
  EXPECT_EQ(
      error_after(options_of(int64_t{1} << 40)), "augment: padding must be at most 2147483647 (got 1099511627776)");
  EXPECT_EQ(
      error_after(options_of(5, ImageFill::kReflect)),
      "augment: padding must be less than the images' 5 rows and 7 columns to be reflected (got 5)");
  EXPECT_EQ(error_after(options_of(0, ImageFill::kZero, 1.5)), "augment: flip must be between 0 and 1 (got 1.5)");
  EXPECT_EQ(
      error_after(options_of(0, ImageFill::kZero, std::numeric_limits<double>::quiet_NaN())),
      "augment: flip must be between 0 and 1 (got nan)");
  AugmentationOptions options;
  options.mean = {0.5, 0.5};
  EXPECT_EQ(error_after(options), "augment: mean and deviation must have the same length (got 2 and 0)");
  options.deviation = {1, 1};
  EXPECT_EQ(error_after(options), "augment: mean must be one for each of 3 channels, or one (got 2)");
  options.mean = {0.5};
  options.deviation = {0};
  EXPECT_EQ(error_after(options), "augment: deviation must be positive and finite (got 0)");
  EXPECT_EQ(error_after({}, -1), "augment: round must be at least 0 (got -1)");
}

TEST_F(AugmentationTest, RejectsOptionsOfCrops) {
  const auto error_after = [&](auto change) {
    AugmentationOptions options;
    change(options);
    return error_of([&] { augment(images_, indices_, options, 0, 0); });
  };
  const auto error_of_crop = [&](RandomResizedCrop crop) {
    return error_after([&](AugmentationOptions& options) { options.resized_crop = crop; });
  };
  EXPECT_EQ(
      error_after([](AugmentationOptions& options) { options.height = 3; }),
      "augment: height and width must both be positive, or 0 (got 3 and 0)");
  EXPECT_EQ(
      error_after([](AugmentationOptions& options) { options.height = options.width = -1; }),
      "augment: height and width must both be positive, or 0 (got -1 and -1)");
  EXPECT_EQ(
      error_after([](AugmentationOptions& options) { options.height = options.width = 6; }),
      "augment: height and width must be at most the images' 5 and 7 without a resized crop (got 6 and 6)");
  EXPECT_EQ(
      error_after([](AugmentationOptions& options) {
        options.padding = 2;
        options.resized_crop = RandomResizedCrop();
      }),
      "augment: padding must be 0 beside a resized crop (got 2)");
  EXPECT_EQ(
      error_of_crop({0, 1, 1, 1}),
      "augment: scale must be positive and finite, the minimum first, and at most 1 (got 0 and 1)");
  EXPECT_EQ(
      error_of_crop({0.5, 1.5, 1, 1}),
      "augment: scale must be positive and finite, the minimum first, and at most 1 (got 0.5 and 1.5)");
  EXPECT_EQ(
      error_of_crop({0.5, 1, 2, 1}), "augment: ratio must be positive and finite, the minimum first (got 2 and 1)");
  EXPECT_EQ(
      error_of_crop({0.5, 1, 1, std::numeric_limits<double>::infinity()}),
      "augment: ratio must be positive and finite, the minimum first (got 1 and inf)");
  EXPECT_EQ(
      error_of_crop({0.5, 1, std::numeric_limits<double>::quiet_NaN(), 1}),
      "augment: ratio must be positive and finite, the minimum first (got nan and 1)");
}

TEST_F(AugmentationTest, RejectsOptionsOfColorsAndCutout) {
  const auto error_of_jitter = [&](ColorJitter jitter, int64_t channels = 3) {
    AugmentationOptions options;
    options.color_jitter = jitter;
    return error_of([&] { augment(images_.slice(1, 0, channels), indices_, options, 0, 0); });
  };
  EXPECT_EQ(error_of_jitter({-1, 0, 0, 0}), "augment: brightness must be at least 0 and finite (got -1)");
  EXPECT_EQ(
      error_of_jitter({0, std::numeric_limits<double>::infinity(), 0, 0}),
      "augment: contrast must be at least 0 and finite (got inf)");
  EXPECT_EQ(
      error_of_jitter({0, 0, std::numeric_limits<double>::quiet_NaN(), 0}),
      "augment: saturation must be at least 0 and finite (got nan)");
  EXPECT_EQ(error_of_jitter({0, 0, 0, 0.6}), "augment: hue must be between 0 and 0.5 (got 0.6)");
  EXPECT_EQ(
      error_of_jitter({0.4, 0, 0, 0}, 2),
      "augment: images must have 1 or 3 channels for their colours to be changed (got 2)");
  AugmentationOptions options;
  options.cutout = -1;
  const auto call = [&] { augment(images_, indices_, options, 0, 0); };
  EXPECT_EQ(error_of(call), "augment: cutout must be between 0 and 2147483647 (got -1)");
  options.cutout = 2;
  options.cutout_value = {1, 2};
  EXPECT_EQ(error_of(call), "augment: cutout_value must be one for each of 3 channels, or one (got 2)");
  options.cutout_value = {std::numeric_limits<double>::infinity()};
  EXPECT_EQ(error_of(call), "augment: cutout_value must be finite (got inf)");
}

TEST_F(AugmentationTest, RejectsTensors) {
  const auto error_after = [&](const at::Tensor& images, const at::Tensor& indices) {
    const auto call = [&] { augment(images, indices, {}, 0, 0); };
    EXPECT_THROW(call(), ShapeError);
    return error_of(call);
  };
  EXPECT_EQ(error_after({}, indices_), "augment: images must be given (got an undefined tensor)");
  EXPECT_EQ(
      error_after(images_.to(at::kDouble), indices_),
      "augment: images must be dense float32 on the CPU (got Double, Strided, cpu)");
  EXPECT_EQ(
      error_after(images_[0], indices_),
      "augment: images must be of shape [batch, channels, height, width] and not empty (got [3, 5, 7])");
  EXPECT_EQ(error_after(images_, {}), "augment: indices must be given (got an undefined tensor)");
  EXPECT_EQ(
      error_after(images_, indices_.slice(0, 1)),
      "augment: indices must be int64 of shape [40] on the CPU (got Long [39], cpu)");
  EXPECT_EQ(
      error_of([&] { augment(images_, indices_ - 2000, {}, 0, 0); }).substr(0, 42),
      "augment: indices must be at least 0 (got -");
  at::Tensor same = images_;
  EXPECT_EQ(
      error_of([&] { augment_into(same, images_, indices_, {}, 0, 0); }),
      "augment: augmented must not overlap with images (got memory that does)");
  at::Tensor small = at::empty({40, 3, 5, 6});
  EXPECT_EQ(
      error_of([&] { augment_into(small, images_, indices_, {}, 0, 0); }),
      "augment: augmented must be contiguous and of the result's shape [40, 3, 5, 7] (got [40, 3, 5, 6])");
}

class AugmentationGoldenTest : public test::GoldenTest {};

std::vector<double> numbers_of(const Golden& golden, const std::string& key) {
  const at::Tensor& values = golden[key];
  return {values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel()};
}

TEST_P(AugmentationGoldenTest, MatchesGolden) {
  const Golden golden(GetParam());
  const auto whole = [&](const std::string& key) { return static_cast<int64_t>(golden.number(key)); };
  AugmentationOptions options = options_of(
      whole("padding"), whole("reflect") == 0 ? ImageFill::kZero : ImageFill::kReflect, golden.number("flip"));
  options.height = golden["size"][0].item<int64_t>();
  options.width = golden["size"][1].item<int64_t>();
  if (const std::vector<double> scale = numbers_of(golden, "scale"); !scale.empty()) {
    const std::vector<double> ratio = numbers_of(golden, "ratio");
    options.resized_crop = RandomResizedCrop{scale[0], scale[1], ratio[0], ratio[1]};
  }
  const std::vector<double> jitter = numbers_of(golden, "jitter");
  options.color_jitter = {jitter[0], jitter[1], jitter[2], jitter[3]};
  options.mean = numbers_of(golden, "mean");
  options.deviation = numbers_of(golden, "deviation");
  options.cutout = whole("cutout");
  options.cutout_value = numbers_of(golden, "cutout_value");
  const at::Tensor augmented = augment(golden["images"], golden["indices"], options, whole("seed"), whole("round"));
  EXPECT_TRUE(close(augmented, golden["augmented"], 1e-5));
}

INSTANTIATE_TEST_SUITE_P(
    Golden, AugmentationGoldenTest, ::testing::ValuesIn(test::golden_cases("augmentation_")), test::name_of_case);

}  // namespace
}  // namespace retort
