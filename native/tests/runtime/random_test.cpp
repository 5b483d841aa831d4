#include "runtime/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <numeric>
#include <set>
#include <vector>

namespace retort {
namespace {

std::vector<int64_t> order_of(const Shuffle& shuffle, int64_t count) {
  std::vector<int64_t> order;
  for (int64_t place = 0; place < count; ++place) order.push_back(shuffle[place]);
  return order;
}

TEST(ShuffleTest, HasEveryNumberOnce) {
  for (int64_t count : {1, 2, 3, 4, 5, 7, 8, 9, 31, 100, 1023, 1024, 1025, 4095, 5000}) {
    std::vector<int64_t> numbers(static_cast<size_t>(count));
    std::iota(numbers.begin(), numbers.end(), 0);
    for (uint64_t key : {uint64_t{0}, uint64_t{1}, uint64_t{77}, ~uint64_t{0}}) {
      std::vector<int64_t> order = order_of(Shuffle(key, count), count);
      std::sort(order.begin(), order.end());
      EXPECT_EQ(order, numbers) << count << " numbers, key " << key;
    }
  }
}

TEST(ShuffleTest, HasNoNumberTwiceOfVeryMany) {
  constexpr int64_t kCount = (int64_t{1} << 40) + 3;
  const Shuffle shuffle(5, kCount);
  std::set<int64_t> numbers;
  for (int64_t place = 0; place < 10000; ++place) numbers.insert(shuffle[place]);
  EXPECT_EQ(numbers.size(), 10000u);
  EXPECT_GE(*numbers.begin(), 0);
  EXPECT_LT(*numbers.rbegin(), kCount);
}

TEST(ShuffleTest, KeyDecidesTheOrder) {
  std::set<std::vector<int64_t>> orders;
  for (uint64_t key = 0; key < 1000; ++key) {
    const std::vector<int64_t> order = order_of(Shuffle(key, 50), 50);
    EXPECT_EQ(order_of(Shuffle(key, 50), 50), order);
    orders.insert(order);
  }
  EXPECT_EQ(orders.size(), 1000u);
}

TEST(ShuffleTest, EveryPlaceHasEveryNumberEquallyOften) {
  constexpr int64_t kCount = 10;
  constexpr int kKeys = 40000;
  for (int64_t place : {int64_t{0}, int64_t{4}, kCount - 1}) {
    std::array<int, kCount> drawn{};
    for (uint64_t i = 0; i < kKeys; ++i) ++drawn[Shuffle(random_bits(3, i), kCount)[place]];
    // Five standard deviations.
    for (int times : drawn) EXPECT_NEAR(times, kKeys / kCount, 300) << "place " << place;
  }
}

TEST(ShuffleTest, OrdersOfThreeAreEquallyLikely) {
  constexpr int kKeys = 60000;
  std::map<std::vector<int64_t>, int> drawn;
  for (uint64_t i = 0; i < kKeys; ++i) ++drawn[order_of(Shuffle(random_bits(3, i), 3), 3)];
  EXPECT_EQ(drawn.size(), 6u);
  for (const auto& [order, times] : drawn) EXPECT_NEAR(times, kKeys / 6, 460) << order[0] << order[1] << order[2];
}

}  // namespace
}  // namespace retort
