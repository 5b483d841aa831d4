#include "distributed/group.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/errors.h>

#include "expect.h"
#include "thread_ranks.h"

namespace retort::test {
namespace {

/// Of the RankError that a call throws.
std::string error_message(const std::function<void()>& call) {
  try {
    call();
  } catch (const RankError& error) {
    return error.what_without_backtrace();
  }
  return {};
}

TEST(GroupTest, SumsGathersAndSends) {
  for (int64_t size : {1, 2, 3}) {
    ThreadRanks ranks(size);
    const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
      Group group(own->impl(), "test");
      const at::Tensor sum = at::full({5}, static_cast<double>(own->rank() + 1), at::kDouble);
      group.sum(sum);
      EXPECT_EQ(sum[4].item<int64_t>(), size * (size + 1) / 2);
      const at::Tensor all = group.gather(at::full({2}, own->rank(), at::kLong));
      EXPECT_TRUE(same_bits(all.select(1, 1), at::arange(size, at::kLong)));
      EXPECT_EQ(group.send_of_first(own->rank() == 0 ? std::string("first") : "other"), "first");
      EXPECT_EQ(group.send_of_first(std::string()), "");
      EXPECT_TRUE(own->any(own->rank() == size - 1));
      EXPECT_FALSE(own->any(false));
      EXPECT_EQ(own->of_first(std::to_string(own->rank())), "0");
      group.meet();
    });
    for (const auto& error : errors) EXPECT_EQ(message_of(error), "");
  }
}

TEST(GroupTest, AFailureEndsAnExchangeAndNotTheGroup) {
  ThreadRanks ranks(3);
  const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
    Group group(own->impl(), "test");
    for (int64_t failing : {0, 1, 2}) {
      if (own->rank() == failing) {
        group.fail("out of luck");
      } else {
        EXPECT_EQ(error_message([&] { group.meet(); }), c10::str("Ranks: rank ", failing, " has failed: out of luck"));
        EXPECT_THROW(group.meet(), RankError);
      }
      group.renew();
      const at::Tensor sum = at::ones({1000});
      group.sum(sum);
      EXPECT_EQ(sum[999].item<int64_t>(), 3);
    }
  });
  for (const auto& error : errors) EXPECT_EQ(message_of(error), "");
}

TEST(GroupTest, ARankThatLeavesEndsTheGroup) {
  ThreadRanks ranks(2);
  const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
    Group group(own->impl(), "test");
    group.meet();
    if (own->rank() == 1) return;
    const std::string left = "Ranks: rank 1 has left";
    EXPECT_EQ(error_message([&] { group.meet(); }), left);
    group.renew();
    EXPECT_EQ(error_message([&] { group.meet(); }), left);
  });
  for (const auto& error : errors) EXPECT_EQ(message_of(error), "");
}

}  // namespace
}  // namespace retort::test
