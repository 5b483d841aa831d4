#include "distributed/group.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/errors.h>

#include <filesystem>
#include <functional>
#include <iterator>

#include "expect.h"
#include "runtime/cuda.h"
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

TEST(GroupTest, ALossEndsAllGroupsOfTheRanks) {
  ThreadRanks ranks(2);
  const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
    Group group(own->impl(), "test");
    group.meet();
    own->impl()->lose("Ranks: every rank must answer (got nothing)");
    EXPECT_EQ(error_message([&] { group.meet(); }), "Ranks: every rank must answer (got nothing)");
    group.renew();
    EXPECT_EQ(error_message([&] { group.meet(); }), "Ranks: every rank must answer (got nothing)");
    EXPECT_EQ(error_message([&] { own->any(true); }), "Ranks: every rank must answer (got nothing)");
  });
  for (const auto& error : errors) EXPECT_EQ(message_of(error), "");
}

TEST(GroupTest, GroupsMayOutliveTheirRanks) {
  ThreadRanks ranks(2);
  const auto errors = ranks.run([&](std::shared_ptr<Ranks> own) {
    Group group(own->impl(), "test");
    own.reset();
    group.meet();
    group.fail("out of luck");
  });
  for (const auto& error : errors) EXPECT_EQ(message_of(error), "");
}

size_t entries(const std::string& folder) {
  const std::filesystem::directory_iterator begin(folder);
  return static_cast<size_t>(std::distance(begin, std::filesystem::directory_iterator()));
}

TEST(GroupTest, JoiningAndLeavingKeepsNoThreadsAndNoDescriptors) {
  ThreadRanks ranks(2);
  const auto cycle = [&](int i) {
    const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
      Group group(own->impl(), "test");
      group.meet();
      // Some fail before they leave.
      if (i % 2 == 0) group.fail("out of luck");
    });
    for (const auto& error : errors) EXPECT_EQ(message_of(error), "");
  };
  for (int i = 0; i < 10; ++i) cycle(i);
  const size_t threads = entries("/proc/self/task"), descriptors = entries("/proc/self/fd");
  for (int i = 0; i < 100; ++i) cycle(i);
  // Those that have just ended may still be there.
  EXPECT_LE(entries("/proc/self/task"), threads + 10);
  EXPECT_LE(entries("/proc/self/fd"), descriptors + 10);
}

TEST(RanksOptionsTest, OptionsOutOfRangeAreRefused) {
  RanksOptions options;
  options.address = "127.0.0.1";
  const auto refusal = [](const RanksOptions& refused) {
    try {
      Ranks::join(refused);
    } catch (const c10::ValueError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const auto with = [&](const std::function<void(RanksOptions&)>& change) {
    RanksOptions changed = options;
    change(changed);
    return refusal(changed);
  };
  EXPECT_EQ(with([](auto& o) { o.size = 0; }), "Ranks: size must be at least 1 (got 0)");
  EXPECT_EQ(with([](auto& o) { o.rank = 1; }), "Ranks: rank must be between 0 and 0 (got 1)");
  EXPECT_EQ(with([](auto& o) { o.address = ""; }), "Ranks: address must be given (got an empty text)");
  EXPECT_EQ(with([](auto& o) { o.port = 65536; }), "Ranks: port must be between 1 and 65535 (got 65536)");
  EXPECT_EQ(
      with([](auto& o) { o.timeout = std::chrono::hours(577); }),
      "Ranks: timeout must be positive and at most 24 days (got 2077200000 ms)");
  if (!obstacle_to_cuda().empty()) {
    EXPECT_EQ(with([](auto& o) { o.device = "tpu"; }), "Ranks: device must be cpu or cuda (got tpu)");
    EXPECT_EQ(
        with([](auto& o) { o.device = "cuda"; }), "Ranks: CUDA must be available (got " + obstacle_to_cuda() + ")");
  }
}

TEST(GroupTest, AFailureRightAfterAMeetingIsOfTheNext) {
  ThreadRanks ranks(3);
  const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
    Group group(own->impl(), "test");
    for (int64_t i = 0; i < 20; ++i) {
      // Whoever is slow must not take the failure for one of this meeting.
      group.meet();
      if (own->rank() == i % 3) {
        group.fail("out of luck");
      } else {
        const std::string text = error_message([&] {
          group.renew();
          group.meet();
        });
        EXPECT_EQ(text, c10::str("Ranks: rank ", i % 3, " has failed: out of luck"));
      }
      group.renew();
    }
  });
  for (const auto& error : errors) EXPECT_EQ(message_of(error), "");
}

TEST(GroupTest, FailuresThatFollowEachOtherAreOnesOfTheirOwn) {
  ThreadRanks ranks(3);
  const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
    Group group(own->impl(), "test");
    for (const char* reason : {"first", "second", "third"}) {
      if (own->rank() == 1) {
        if (group.is_connected()) {
          group.fail(reason);
        } else {
          group.announce_next(reason, Group::Cause::kError);
        }
      } else {
        const std::string text = error_message([&] {
          group.renew();
          group.meet();
        });
        EXPECT_EQ(text, c10::str("Ranks: rank 1 has failed: ", reason));
      }
    }
    group.renew();
    group.meet();
  });
  for (const auto& error : errors) EXPECT_EQ(message_of(error), "");
}

TEST(GroupTest, FurtherConnectionsFailWithTheirs) {
  ThreadRanks ranks(3);
  const auto errors = ranks.run([&](const std::shared_ptr<Ranks>& own) {
    Group group(own->impl(), "test");
    Group further(group, "further");
    for (int64_t failing : {0, 1, 2}) {
      if (own->rank() == failing) {
        group.announce("out of luck", Group::Cause::kNumbers);
        further.drop();
        group.drop();
      } else {
        Group& waiting = failing == 1 ? group : further;
        EXPECT_EQ(
            error_message([&] { waiting.meet(); }), c10::str("Ranks: rank ", failing, " has failed: out of luck"));
        EXPECT_EQ(waiting.cause(), Group::Cause::kNumbers);
        group.announce("because of others", Group::Cause::kError);
        EXPECT_EQ(group.reason(), c10::str("Ranks: rank ", failing, " has failed: out of luck"));
        further.drop();
        group.drop();
      }
      group.renew();
      further.renew();
      further.meet();
      group.meet();
    }
  });
  for (const auto& error : errors) EXPECT_EQ(message_of(error), "");
}

}  // namespace
}  // namespace retort::test
