// What becomes of a step whose ranks are processes if one of them is killed.
#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "rank_process.h"

namespace retort::test {
namespace {

class RanksKilledTest : public ::testing::TestWithParam<std::string> {
 protected:
  std::vector<std::string> ask_all(const std::string& command) {
    for (auto& rank : ranks_) rank->send(command);
    return replies();
  }

  std::vector<std::string> replies() {
    std::vector<std::string> all;
    for (auto& rank : ranks_) all.push_back(rank->reply());
    return all;
  }

  void start(int size) {
    const int port = free_port();
    ranks_.clear();
    for (int rank = 0; rank < size; ++rank) {
      ranks_.push_back(std::make_unique<RankProcess>());
      ranks_.back()->send("join " + std::to_string(rank) + " " + std::to_string(size) + " " + std::to_string(port));
    }
    EXPECT_EQ(replies(), std::vector<std::string>(static_cast<size_t>(size), "joined"));
  }

  std::vector<std::unique_ptr<RankProcess>> ranks_;
};

TEST_P(RanksKilledTest, LeavesTheOthersAsTheyWere) {
  // They would wait for each other for ten minutes, and a reply is not waited for as long.
  for (const size_t killed : {0, 1}) {
    SCOPED_TRACE(killed);
    start(3);
    EXPECT_EQ(ask_all("run 0"), std::vector<std::string>(3, "ran"));
    const std::vector<std::string> before = ask_all("photograph");
    if (GetParam() == "meeting") {
      for (size_t rank = 0; rank < 3; ++rank) {
        if (rank != killed) ranks_[rank]->send("run 1");
      }
      ranks_[killed]->signal(SIGKILL);
    } else {
      EXPECT_EQ(ranks_[killed]->ask("end_in " + GetParam()), "will end");
      for (auto& rank : ranks_) rank->send("run 1");
    }
    EXPECT_EQ(ranks_[killed]->exit_code(), -SIGKILL);
    for (size_t rank = 0; rank < 3; ++rank) {
      if (rank == killed) continue;
      const std::string error = ranks_[rank]->reply();
      EXPECT_EQ(error.substr(0, 17), "RankError Ranks: ") << error;
      EXPECT_EQ(ranks_[rank]->ask("photograph"), before[rank]);
      // Without asking anybody.
      EXPECT_EQ(ranks_[rank]->ask("run 1"), error);
      EXPECT_EQ(ranks_[rank]->ask("checkpoint"), error);
      EXPECT_EQ(ranks_[rank]->ask("photograph"), before[rank]);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    In, RanksKilledTest, ::testing::Values("meeting", "forward", "exchange", "vote"),
    [](const ::testing::TestParamInfo<std::string>& of) { return of.param; });

}  // namespace
}  // namespace retort::test
