#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>
#include <retort/data/augmentation.h>
#include <retort/errors.h>
#include <retort/runtime.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "expect.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::close;
using test::error_of;
using test::same_bits;

AugmentationOptions options_of(int64_t padding, ImageFill fill = ImageFill::kZero, double flip = 0) {
  AugmentationOptions options;
  options.padding = padding;
  options.fill = fill;
  options.flip = flip;
  return options;
}

/// The header's splitmix64, after Steele, Lea and Flood, 2014.
uint64_t bits(uint64_t key, uint64_t i) {
  uint64_t state = key;
  uint64_t z = 0;
  for (uint64_t draw = 0; draw <= i; ++draw) {
    state += 0x9e3779b97f4a7c15u;
    z = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
  }
  return z;
}

double share(uint64_t random) {
  return std::ldexp(static_cast<double>(random >> 11), -53);
}

/// As the header says, by LibTorch's own pad, slice, flip and arithmetic.
at::Tensor naive(
    const at::Tensor& images, const at::Tensor& indices, const AugmentationOptions& options, uint64_t seed,
    uint64_t round) {
  std::vector<at::Tensor> results;
  const int64_t p = options.padding;
  for (int64_t i = 0; i < images.size(0); ++i) {
    const uint64_t key = bits(bits(seed, round), static_cast<uint64_t>(indices[i].item<int64_t>()));
    const auto top = static_cast<int64_t>(share(bits(key, 0)) * static_cast<double>(2 * p + 1));
    const auto left = static_cast<int64_t>(share(bits(key, 1)) * static_cast<double>(2 * p + 1));
    const at::Tensor image = images[i].unsqueeze(0);
    const at::Tensor padded = options.fill == ImageFill::kZero ? at::constant_pad_nd(image, {p, p, p, p}, 0)
                                                               : at::reflection_pad2d(image, {p, p, p, p});
    at::Tensor result = padded.slice(2, top, top + images.size(2)).slice(3, left, left + images.size(3));
    if (share(bits(key, 2)) < options.flip) result = result.flip(3);
    result = result.to(at::kDouble);
    for (int64_t c = 0; c < images.size(1) && !options.mean.empty(); ++c) {
      const size_t own = options.mean.size() == 1 ? 0 : static_cast<size_t>(c);
      result.select(1, c).sub_(options.mean[own]).div_(options.deviation[own]);
    }
    results.push_back(result);
  }
  return at::cat(results).to(at::kFloat);
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
            const at::Tensor expected =
                naive(images_, indices_, options, static_cast<uint64_t>(seed), static_cast<uint64_t>(round));
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
  EXPECT_TRUE(same_bits(augment(images_, indices_, options, 1, 2), naive(images_, indices_, options, 1, 2)));
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
  const AugmentationOptions options = options_of(2, ImageFill::kReflect, 0.5);
  const at::Tensor whole = augment(images_, indices_, options, 3, 4);
  for (int64_t i = 0; i < images_.size(0); ++i) {
    const auto alone = augment(images_.slice(0, i, i + 1), indices_.slice(0, i, i + 1), options, 3, 4);
    EXPECT_TRUE(same_bits(alone, whole.slice(0, i, i + 1)));
  }
  const at::Tensor order = at::randperm(40, at::kLong);
  EXPECT_TRUE(same_bits(augment(images_.index({order}), indices_.index({order}), options, 3, 4), whole.index({order})));
}

TEST_F(AugmentationTest, ThreadsMakeNoDifference) {
  const at::Tensor many = at::rand({90, 3, 160, 160});  // more than two threads' worth
  const at::Tensor indices = at::arange(90, at::kLong);
  const AugmentationOptions options = options_of(9, ImageFill::kReflect, 0.5);
  const at::Tensor expected = augment(many, indices, options, 3, 4);
  for (int64_t threads : {2, 4}) {
    set_threads(threads);
    EXPECT_TRUE(same_bits(augment(many, indices, options, 3, 4), expected));
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
      "augment: augmented must be contiguous and of the images' shape [40, 3, 5, 7] (got [40, 3, 5, 6])");
}

}  // namespace
}  // namespace retort
