#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/models/metrics.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "expect.h"
#include "networks.h"
#include "seeded_test.h"

namespace retort {
namespace {

using test::error_of;
using test::same_bits;
using test::TinyNetwork;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A batch's predictions and how many labels are among the top ones, by sorting.
struct Reference {
  Reference(const at::Tensor& logits, const at::Tensor& labels, int64_t top)
      : confusion(at::zeros({logits.size(1), logits.size(1)}, at::kLong)) {
    for (int64_t b = 0; b < logits.size(0); ++b) {
      const int64_t label = labels[b].item<int64_t>();
      if (label < 0) continue;
      std::vector<int64_t> order(static_cast<size_t>(logits.size(1)));
      std::iota(order.begin(), order.end(), 0);
      const auto value = [&](int64_t i) {
        const auto logit = logits[b][i].item<double>();
        return std::isnan(logit) ? -kInfinity : logit;
      };
      std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) { return value(i) > value(j); });
      confusion[label][order.front()] += 1;
      const auto place = std::find(order.begin(), order.end(), label) - order.begin();
      in_top += place < top;
    }
  }

  at::Tensor confusion;
  int64_t in_top = 0;
};

class MetricsTest : public test::SeededTest {};

TEST_F(MetricsTest, CountsAsSortingDoes) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}) {
    for (const int64_t classes : {1, 2, 5, 6, 40}) {
      // Few values, so that many are equal.
      const at::Tensor logits = at::randint(-3, 4, {50, classes}).to(dtype);
      const at::Tensor labels = at::randint(-1, classes, {50}, at::kLong);
      for (const int64_t top : {1, 3, 5, 100}) {
        const Reference expected(logits, labels, top);
        const at::Tensor confusion = at::zeros({classes, classes}, at::kLong);
        EXPECT_EQ(count_predictions(logits, labels, confusion, top), expected.in_top);
        EXPECT_TRUE(same_bits(confusion, expected.confusion)) << dtype << ' ' << classes << ' ' << top;
      }
    }
  }
}

TEST_F(MetricsTest, AddsUpOverBatches) {
  const at::Tensor logits = at::randn({30, 7});
  const at::Tensor labels = at::randint(-1, 7, {30}, at::kLong);
  const at::Tensor all = at::zeros({7, 7}, at::kLong);
  const int64_t in_top = count_predictions(logits, labels, all);
  const at::Tensor parts = at::zeros({7, 7}, at::kLong);
  int64_t in_top_of_parts = 0;
  for (int64_t i = 0; i < 30; i += 8) {
    const int64_t end = std::min<int64_t>(30, i + 8);
    in_top_of_parts += count_predictions(logits.slice(0, i, end), labels.slice(0, i, end), parts);
  }
  EXPECT_EQ(in_top_of_parts, in_top);
  EXPECT_TRUE(same_bits(parts, all));
  // Of no memory in a row.
  const at::Tensor strided = at::zeros({7, 7}, at::kLong);
  EXPECT_EQ(count_predictions(logits.t().contiguous().t(), labels, strided), in_top);
  EXPECT_TRUE(same_bits(strided, all));
}

TEST_F(MetricsTest, NanIsLessThanEveryNumber) {
  const at::Tensor logits = at::tensor({-kInfinity, kNan, 0.0, kNan, 1.0}).unsqueeze(0);
  const auto in_top = [&](int64_t label, int64_t top) {
    return count_predictions(logits, at::tensor({label}), at::zeros({5, 5}, at::kLong), top);
  };
  const std::vector<int64_t> order = {4, 2, 0, 1, 3};
  for (int64_t place = 0; place < 5; ++place) {
    EXPECT_EQ(in_top(order[place], place + 1), 1) << place;
    if (place > 0) {
      EXPECT_EQ(in_top(order[place], place), 0) << place;
    }
  }
}

TEST_F(MetricsTest, TopOneIsAccuracyWhateverTheLogits) {
  for (const double first : {0.0, kNan}) {
    at::Tensor logits = at::randn({40, 6}).to(at::kDouble);
    logits.select(1, 0).fill_(first);
    logits.select(1, 3).fill_(kNan);
    const at::Tensor labels = at::randint(0, 6, {40}, at::kLong);
    const at::Tensor confusion = at::zeros({6, 6}, at::kLong);
    const int64_t correct = count_predictions(logits, labels, confusion, 1);
    EXPECT_EQ(correct, confusion.trace().item<int64_t>());
    EXPECT_EQ(confusion.sum().item<int64_t>(), 40);
  }
}

TEST_F(MetricsTest, NetworkCountsAsItsAccuracyDoes) {
  const auto network = std::make_shared<TinyNetwork>(6);
  network->train();
  const at::Tensor images = at::randn({40, 3, 6, 6});
  const at::Tensor labels = at::randint(-1, 6, {40}, at::kLong);
  const at::Tensor confusion = at::zeros({6, 6}, at::kLong);
  const int64_t in_top = network->count_predictions(images, labels, confusion);
  EXPECT_EQ(network->accuracy(images, labels), confusion.trace().item<double>() / confusion.sum().item<double>());
  EXPECT_TRUE(network->is_training());
  const Reference expected(network->predict(images), labels, kTopPredictions);
  EXPECT_EQ(in_top, expected.in_top);
  EXPECT_TRUE(same_bits(confusion, expected.confusion));
  // Nothing to count is no mistake: another batch may have labels.
  EXPECT_EQ(network->count_predictions(images, at::full({40}, -1, at::kLong), confusion), 0);
  EXPECT_TRUE(same_bits(confusion, expected.confusion));
}

TEST_F(MetricsTest, RejectsArgumentsAndCountsNothing) {
  const at::Tensor logits = at::randn({4, 5});
  const at::Tensor labels = at::zeros({4}, at::kLong);
  const at::Tensor confusion = at::zeros({5, 5}, at::kLong);
  const auto error = [](const at::Tensor& of, const at::Tensor& given, const at::Tensor& counts, int64_t top = 5) {
    return error_of([&] { count_predictions(of, given, counts, top); });
  };
  EXPECT_EQ(error({}, labels, confusion), "count_predictions: logits must be given (got an undefined tensor)");
  EXPECT_EQ(
      error(at::randn({4}), labels, confusion),
      "count_predictions: logits must be floating point of shape [batch, classes] (got Float [4])");
  EXPECT_EQ(
      error(at::zeros({4, 5}, at::kLong), labels, confusion),
      "count_predictions: logits must be floating point of shape [batch, classes] (got Long [4, 5])");
  EXPECT_EQ(error(logits, {}, confusion), "count_predictions: labels must be given (got an undefined tensor)");
  EXPECT_EQ(
      error(logits, at::tensor({0, 1, 2, 5}, at::kLong), confusion),
      "count_predictions: labels must be between -1 and 4 (got 5 at 3)");
  EXPECT_EQ(error(logits, labels, {}), "count_predictions: confusion must be given (got an undefined tensor)");
  const std::string rule = "count_predictions: confusion must be contiguous int64 of shape [5, 5] on the CPU (got ";
  EXPECT_EQ(error(logits, labels, at::zeros({5, 5})), rule + "Float [5, 5] on cpu)");
  EXPECT_EQ(error(logits, labels, at::zeros({5, 4}, at::kLong)), rule + "Long [5, 4] on cpu)");
  EXPECT_EQ(error(logits, labels, at::zeros({5, 5}, at::kLong).t()), rule + "Long [5, 5] on cpu)");
  EXPECT_EQ(error(logits, labels, confusion, 0), "count_predictions: top must be at least 1 (got 0)");
  EXPECT_EQ(confusion.sum().item<int64_t>(), 0);
}

}  // namespace
}  // namespace retort
