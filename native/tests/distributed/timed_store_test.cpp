#include "distributed/timed_store.h"

#include <gtest/gtest.h>
#include <retort/errors.h>
#include <sys/socket.h>
#include <unistd.h>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include <future>

#include "distributed/store.h"

namespace retort::test {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShort(50);
constexpr milliseconds kLong(60'000);

/// A store whose process is stopped: it never answers as long as the promise is not kept.
class StoppedStore : public c10d::HashStore {
 public:
  explicit StoppedStore(std::shared_future<void> goes_on) : goes_on_(std::move(goes_on)) {}

  bool check(const std::vector<std::string>& keys) override {
    goes_on_.wait();
    return HashStore::check(keys);
  }

 private:
  std::shared_future<void> goes_on_;
};

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const RankError& error) {
    return error.what();
  }
  return {};
}

TEST(TimedStoreTest, AStoreThatDoesNotAnswerIsLeft) {
  std::promise<void> goes_on;
  Store store(c10::make_intrusive<StoppedStore>(goes_on.get_future().share()), kLong);
  EXPECT_EQ(error_of([&] { store.find("key", kShort); }), "Ranks: rank 0 must answer within 50 ms (got nothing)");
  // At once, not after its own time.
  EXPECT_EQ(error_of([&] { store.set("key", "text"); }), "Ranks: rank 0 must answer within 60000 ms (got nothing)");
  EXPECT_NE(error_of([&] { store.wait_for({"key"}); }), "");
  EXPECT_NE(error_of([&] { store.c10d()->wait({"key"}); }), "");
  goes_on.set_value();
}

TEST(TimedStoreTest, BackendsSeeWhatTextsSay) {
  const auto shared = c10::make_intrusive<c10d::HashStore>();
  Store own(shared, kLong), other(shared, kLong);
  own.set("key", "text");
  EXPECT_EQ(other.find("key"), "text");
  EXPECT_EQ(other.find("another"), std::nullopt);
  EXPECT_EQ(own.count("number"), 1);
  EXPECT_EQ(other.count("number"), 2);
  const auto backend = other.c10d();
  backend->wait({"key"});
  EXPECT_EQ(backend->get_to_str("key"), "text");
  EXPECT_TRUE(backend->check({"key"}));
  EXPECT_TRUE(backend->deleteKey("key"));
  EXPECT_FALSE(backend->check({"key"}));
  EXPECT_EQ(
      error_of([&] { backend->wait({"key"}, kShort); }), "Ranks: all ranks must connect within 50 ms (got only some)");
  EXPECT_EQ(own.find_missing({"number"}, [] { return std::nullopt; }), std::nullopt);
  EXPECT_EQ(
      error_of([&] { other.wait_for({"key"}, [] { return std::optional<std::string>("interrupted"); }); }),
      "interrupted");
}

TEST(TimedStoreTest, WhatIsSetBeforeAnInterruptionIsFound) {
  Store store(c10::make_intrusive<c10d::HashStore>(), kLong);
  store.wait_for({"key"}, [&] {
    store.set("key", "text");
    return std::optional<std::string>("interrupted");
  });
  EXPECT_EQ(store.find("key"), "text");
}

TEST(TimedStoreTest, AClosedConnectionSaysThatRankZeroIsGone) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Store store(c10::make_intrusive<c10d::HashStore>(), kLong, std::make_unique<Socket>(ends[0]));
  store.set("key", "text");
  ::close(ends[1]);
  EXPECT_EQ(error_of([&] { store.find("key"); }), "Ranks: rank 0 must answer (got a closed connection)");
}

}  // namespace
}  // namespace retort::test
