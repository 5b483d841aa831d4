// Ranks that are processes, and what becomes of the others if one is killed, stopped or ends.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "rank_process.h"

namespace retort::test {
namespace {

using testing::Test;

/// Longer than a test may take: what ends before it is not ended by it.
constexpr int kLong = 600'000;
constexpr int kShort = 1'500;

class ProcessesTest : public Test {
 protected:
  static std::string join(
      int timeout, int rank, int size, int port, const std::string& address = "127.0.0.1",
      const std::string& own_address = "") {
    std::ostringstream line;
    line << "join " << timeout << " " << rank << " " << size << " " << address << " " << port << " " << own_address;
    return line.str();
  }

  void start(int processes) {
    ranks_.clear();
    for (int rank = 0; rank < processes; ++rank) ranks_.push_back(std::make_unique<RankProcess>());
  }

  /// Starts ranks, which join.
  void start(int size, int timeout, const std::string& address = "127.0.0.1") {
    start(size);
    port_ = free_port();
    std::vector<std::string> joins, joined;
    for (int rank = 0; rank < size; ++rank) {
      joins.push_back(join(timeout, rank, size, port_, address));
      joined.push_back("joined " + std::to_string(rank) + " of " + std::to_string(size));
    }
    EXPECT_EQ(ask_each(joins), joined);
  }

  /// Asks all ranks at once.
  /// @param commands of each, or more
  std::vector<std::string> ask_each(const std::vector<std::string>& commands) {
    for (size_t rank = 0; rank < ranks_.size(); ++rank) ranks_[rank]->send(commands[rank]);
    std::vector<std::string> replies;
    for (auto& rank : ranks_) replies.push_back(rank->reply());
    return replies;
  }

  std::vector<std::string> ask_all(const std::string& command) {
    return ask_each(std::vector<std::string>(ranks_.size(), command));
  }

  /// Of a rank that waits, or is about to wait, while another is lost.
  /// @param lost its number
  void expect_loss(RankProcess& survivor, int lost) {
    const std::string reply = survivor.reply();
    EXPECT_EQ(reply.compare(0, 17, "RankError Ranks: "), 0) << reply;
    EXPECT_NE(reply.find(" must answer"), std::string::npos) << reply;
    EXPECT_EQ(survivor.ask("any 0"), reply);
    EXPECT_EQ(survivor.ask("of_first text"), reply);
    // c10d itself warns if the store, which rank 0 keeps, is lost in the middle of a call.
    if (lost != 0) {
      EXPECT_EQ(survivor.errors().find("frame #"), std::string::npos) << survivor.errors();
    }
    EXPECT_EQ(survivor.ask("leave"), "left");
    survivor.send("exit");
    EXPECT_EQ(survivor.exit_code(), 0);
  }

  /// Of all ranks but that which is lost. Rank 0 ends last: it keeps the store, which the others still ask.
  void expect_loss(int lost) {
    for (int rank = static_cast<int>(ranks_.size()) - 1; rank >= 0; --rank) {
      if (rank != lost) expect_loss(*ranks_[rank], lost);
    }
  }

  /// Matches a whole reply.
  static void expect_match(const std::string& reply, const std::string& pattern) {
    EXPECT_TRUE(std::regex_match(reply, std::regex(pattern))) << reply;
  }

  std::vector<std::unique_ptr<RankProcess>> ranks_;
  int port_ = 0;
};

TEST_F(ProcessesTest, ExchangeOverTcp) {
  for (const int size : {2, 3}) {
    start(size, kLong);
    EXPECT_EQ(ask_all("any 0"), std::vector<std::string>(size, "false"));
    EXPECT_EQ(ask_all("any 1"), std::vector<std::string>(size, "true"));
    EXPECT_EQ(ask_each({"any 0", "any 1", "any 0"}), std::vector<std::string>(size, "true"));
    EXPECT_EQ(ask_each({"of_first a", "of_first b", "of_first b"}), std::vector<std::string>(size, "a"));
    for (auto& rank : ranks_) {
      EXPECT_EQ(rank->listens_at(), std::set<std::string>{"0100007F"});
      EXPECT_EQ(rank->errors(), "");
    }
  }
}

TEST_F(ProcessesTest, AListenerKeepsItsPortUntilRanksJoin) {
  start(3);
  std::istringstream place(ranks_[0]->ask("listen 600000 0 2 localhost 0"));
  std::string address;
  int port = 0;
  place >> address >> port;
  ASSERT_GT(port, 0);
  // No other process can have it, not even one that listens as ranks do.
  expect_match(
      ranks_[2]->ask("listen 600000 0 2 " + address + " " + std::to_string(port)),
      "RankError Ranks: rank 0 must be able to listen at .*Address already in use.*");
  // One that comes early waits.
  ranks_[1]->send(join(kLong, 1, 2, port, address));
  ranks_[0]->send("join_listened");
  EXPECT_EQ(ranks_[0]->reply(), "joined 0 of 2");
  EXPECT_EQ(ranks_[1]->reply(), "joined 1 of 2");
  ranks_[0]->send("any 0");
  ranks_[1]->send("any 1");
  EXPECT_EQ(ranks_[0]->reply(), "true");
  EXPECT_EQ(ranks_[1]->reply(), "true");
  expect_match(
      ranks_[0]->ask("join_listened"),
      "ValueError RanksListener.join: listener must not have joined before \\(got one that has\\)");
}

TEST_F(ProcessesTest, AListenerWithWrongOptionsIsRefused) {
  start(1);
  const auto ask = [&](const std::string& options) { return ranks_[0]->ask("listen 1500 " + options); };
  EXPECT_EQ(ask("1 2 localhost 0"), "ValueError RanksListener: rank must be 0 (got 1)");
  EXPECT_EQ(ask("0 2 localhost 65536"), "ValueError Ranks: port must be between 0 and 65535 (got 65536)");
  EXPECT_EQ(ask("0 2 0.0.0.0 0"), "ValueError Ranks: address must be that of one machine (got 0.0.0.0)");
  expect_match(ask("0 2 192.0.2.1 0"), "RankError Ranks: rank 0 must be able to listen at 192.0.2.1:0 .*");
}

TEST_F(ProcessesTest, ARankThatIsKilledEndsTheOthersWaiting) {
  for (const int killed : {0, 1, 2}) {
    SCOPED_TRACE(killed);
    start(3, kLong);
    for (int rank = 0; rank < 3; ++rank) {
      if (rank != killed) ranks_[rank]->send("any 0");
    }
    ranks_[killed]->signal(SIGKILL);
    expect_loss(killed);
  }
}

TEST_F(ProcessesTest, ARankThatIsStoppedIsWaitedForUntilTheTimeout) {
  for (const int stopped : {0, 1}) {
    SCOPED_TRACE(stopped);
    start(3, kShort);
    ranks_[stopped]->signal(SIGSTOP);
    for (int rank = 0; rank < 3; ++rank) {
      if (rank != stopped) ranks_[rank]->send("any 0");
    }
    expect_loss(stopped);
  }
}

TEST_F(ProcessesTest, OtherCallsAreRefusedByAll) {
  start(2, kLong);
  const std::string refusal = "RankError Ranks: all ranks must make the same call (got any and of_first)";
  EXPECT_EQ(ask_each({"any 0", "of_first text"}), std::vector<std::string>(2, refusal));
  EXPECT_EQ(ask_each({"of_first text", "any 1"}), std::vector<std::string>(2, refusal));
  EXPECT_EQ(ask_all("any 1"), std::vector<std::string>(2, "true"));
}

TEST_F(ProcessesTest, AFailureIsToldToAll) {
  start(3, kLong);
  const std::string failure = "RankError Ranks: rank 1 has failed: out of luck";
  EXPECT_EQ(ask_each({"any 0", "fail", "any 0"}), (std::vector<std::string>{failure, "failed", failure}));
  EXPECT_EQ(ask_all("any 1"), std::vector<std::string>(3, "true"));
}

TEST_F(ProcessesTest, ARankMayLeaveOrEndWhileOthersWait) {
  for (const int ends : {0, 1}) {
    for (const std::string how : {"leave", "exit", "exit_within_any"}) {
      SCOPED_TRACE(how + " " + std::to_string(ends));
      start(2, kLong);
      RankProcess& other = *ranks_[1 - ends];
      if (how != "exit_within_any") other.send("any 0");
      ranks_[ends]->send(how);
      if (how == "leave") {
        EXPECT_EQ(ranks_[ends]->reply(), "left");
        ranks_[ends]->send("exit");
      }
      EXPECT_EQ(ranks_[ends]->exit_code(), 0);
      EXPECT_EQ(ranks_[ends]->errors(), "");
      const std::string reply = how == "exit_within_any" ? other.ask("any 0") : other.reply();
      expect_match(reply, "RankError Ranks: (rank . has left|(every rank|rank 0) must answer .*)");
      if (how == "leave" && ends == 1) {
        EXPECT_EQ(reply, "RankError Ranks: rank 1 has left");
      }
      if (ends != 0) {
        EXPECT_EQ(other.errors().find("frame #"), std::string::npos) << other.errors();
      }
    }
  }
}

TEST_F(ProcessesTest, RanksThatDoNotComeTogetherSayWhy) {
  start(3);
  const int port = free_port();
  const std::string place = "127.0.0.1:" + std::to_string(port);
  // Nobody there.
  expect_match(
      ranks_[1]->ask(join(kShort, 1, 2, port)),
      "RankError Ranks: rank 0 must be reached at " + place + " within 1500 ms \\(got Connection refused\\)");
  expect_match(
      ranks_[1]->ask(join(kShort, 1, 2, port, "no.such.host.invalid")),
      "RankError Ranks: rank 0 must be reached at no.such.host.invalid:.* within 1500 ms \\(got .*\\)");
  // Rank 0 elsewhere.
  expect_match(
      ranks_[0]->ask(join(kShort, 0, 2, port, "no.such.host.invalid")),
      "RankError Ranks: rank 0 must be able to listen at no.such.host.invalid:.* \\(got .*\\)");
  expect_match(
      ranks_[0]->ask(join(kShort, 0, 2, port, "192.0.2.1")),
      "RankError Ranks: rank 0 must be able to listen at 192.0.2.1:.* \\(got Cannot assign requested address\\)");
  expect_match(
      ranks_[0]->ask(join(kShort, 0, 2, port, "0.0.0.0")),
      "ValueError Ranks: address must be that of one machine \\(got 0.0.0.0\\)");
  expect_match(
      ranks_[0]->ask(join(kShort, 0, 2, port, "127.0.0.1", "192.0.2.1")),
      "ValueError Ranks: own_address must be one of this machine \\(got 192.0.2.1: Cannot assign requested address\\)");
  // Too few.
  const std::string missing = "RankError Ranks: all 3 ranks must join within 1500 ms (got no rank 2)";
  EXPECT_EQ(
      ask_each({join(kShort, 0, 3, port), join(kShort, 1, 3, port), "leave"}),
      (std::vector<std::string>{missing, missing, "left"}));
  // Twice the same, of which one is refused and all others told.
  EXPECT_EQ(
      ask_each({join(kLong, 0, 3, port), join(kLong, 1, 3, port), join(kLong, 1, 3, port)}),
      std::vector<std::string>(3, "RankError Ranks: rank must be that of one process (got several with 1)"));
  ranks_[0]->send(join(kShort, 0, 3, port));
  ranks_[1]->send(join(kShort, 1, 3, port));
  expect_match(
      ranks_[2]->ask(join(kShort, 2, 4, port)),
      "RankError Ranks: size must be the same on all ranks \\(got 3 on rank 0 and 4 on rank 2\\)");
  for (const int rank : {0, 1}) {
    expect_match(ranks_[rank]->reply(), "RankError Ranks: (size must be the same|rank 0 must answer) .*");
  }
  for (auto& rank : ranks_) EXPECT_EQ(rank->errors().find("frame #"), std::string::npos) << rank->errors();
}

TEST_F(ProcessesTest, TheSamePlaceServesAgain) {
  start(2, kLong);
  // Rank 1 is there again while rank 0 still keeps the former store.
  ranks_[1]->send("leave");
  ranks_[1]->send(join(kLong, 1, 2, port_));
  EXPECT_EQ(ranks_[1]->reply(), "left");
  ranks_[0]->send(join(kLong, 0, 2, port_));
  EXPECT_EQ(ranks_[0]->reply(), "joined 0 of 2");
  EXPECT_EQ(ranks_[1]->reply(), "joined 1 of 2");
  EXPECT_EQ(ask_all("any 1"), std::vector<std::string>(2, "true"));
}

TEST_F(ProcessesTest, APortInUseIsRefused) {
  start(2, kLong);
  RankProcess second;
  EXPECT_EQ(
      second.ask(join(kLong, 0, 2, port_)), "RankError Ranks: rank 0 must be able to listen at 127.0.0.1:" +
                                                std::to_string(port_) + " (got Address already in use)");
  EXPECT_EQ(ask_all("any 1"), std::vector<std::string>(2, "true"));
}

/// A socket of this process at a port of 127.0.0.1.
class Stranger {
 public:
  explicit Stranger(int port) : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address_.sin_port = htons(static_cast<uint16_t>(port));
  }
  ~Stranger() { ::close(descriptor_); }

  void listen() {
    const int yes = 1;
    ::setsockopt(descriptor_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    ASSERT_EQ(::bind(descriptor_, reinterpret_cast<sockaddr*>(&address_), sizeof(address_)), 0);
    ASSERT_EQ(::listen(descriptor_, 8), 0);
  }

  void say(const std::string& text) {
    ASSERT_EQ(::connect(descriptor_, reinterpret_cast<sockaddr*>(&address_), sizeof(address_)), 0);
    ASSERT_EQ(::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    ::shutdown(descriptor_, SHUT_WR);
    char byte;
    while (::recv(descriptor_, &byte, 1, 0) > 0) {
    }
  }

 private:
  int descriptor_;
  sockaddr_in address_ = {};
};

TEST_F(ProcessesTest, SomethingElseAtThePortOfRankZeroIsNotWaitedForLonger) {
  start(1);
  const int port = free_port();
  Stranger silent(port);
  silent.listen();
  expect_match(
      ranks_[0]->ask(join(kShort, 1, 2, port)),
      "RankError Ranks: (the store of rank 0|rank 0) must answer .*\\(got nothing\\)");
}

TEST_F(ProcessesTest, GarbageAtTheStoreDisturbsNobody) {
  start(2, kLong);
  for (const std::string& garbage :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(100'000, '\xff'), std::string(7, '\0')}) {
    Stranger(port_).say(garbage);
    EXPECT_EQ(ask_all("any 1"), std::vector<std::string>(2, "true"));
    EXPECT_EQ(ask_each({"fail", "any 0"})[1], "RankError Ranks: rank 0 has failed: out of luck");
  }
}

TEST_F(ProcessesTest, NamesAndOtherAddresses) {
  start(2, kLong, "localhost");
  EXPECT_EQ(ask_all("any 1"), std::vector<std::string>(2, "true"));
  const int port = free_port();
  EXPECT_EQ(
      ask_each({join(kLong, 0, 2, port), join(kLong, 1, 2, port, "127.0.0.1", "127.0.0.2")}),
      (std::vector<std::string>{"joined 0 of 2", "joined 1 of 2"}));
  EXPECT_EQ(ask_all("any 1"), std::vector<std::string>(2, "true"));
  EXPECT_EQ(ranks_[0]->listens_at(), std::set<std::string>{"0100007F"});
  EXPECT_EQ(ranks_[1]->listens_at(), std::set<std::string>{"0200007F"});
  const std::string here = ranks_[0]->ask(join(kShort, 0, 1, free_port(), "::1"));
  if (here.find("Cannot assign") != std::string::npos) GTEST_SKIP() << "no IPv6";
  EXPECT_EQ(ask_all("leave"), std::vector<std::string>(2, "left"));
  EXPECT_EQ(
      ask_each({join(kLong, 0, 2, port, "::1"), join(kLong, 1, 2, port, "::1")}),
      (std::vector<std::string>{"joined 0 of 2", "joined 1 of 2"}));
  EXPECT_EQ(ask_all("any 1"), std::vector<std::string>(2, "true"));
  for (auto& rank : ranks_) EXPECT_EQ(rank->listens_at(), std::set<std::string>{"00000000000000000000000001000000"});
}

TEST_F(ProcessesTest, TheEnvironmentSaysWhereToJoin) {
  using Variables = RankProcess::Variables;
  EXPECT_EQ(RankProcess().ask("environment 1500"), "alone");
  const std::string port = std::to_string(free_port());
  const Variables all = {{"WORLD_SIZE", "2"}, {"MASTER_ADDR", "127.0.0.1"}, {"MASTER_PORT", port}};
  const auto started = [&](const Variables& own) {
    Variables variables = own;
    variables.insert(all.begin(), all.end());
    ranks_.push_back(std::make_unique<RankProcess>(variables));
  };
  for (const std::string rank : {"0", "1"}) started({{"RANK", rank}, {"GLOO_SOCKET_IFNAME", "lo"}});
  // Again and again.
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ask_all("environment 60000"), (std::vector<std::string>{"joined 0 of 2", "joined 1 of 2"}));
    EXPECT_EQ(ask_all("any 1"), std::vector<std::string>(2, "true"));
    EXPECT_EQ(ask_all("leave"), std::vector<std::string>(2, "left"));
  }
  ranks_.clear();
  started({{"RANK", "one"}});
  started({{"RANK", "1"}, {"WORLD_SIZE", "-2"}});
  started({{"RANK", "2"}});
  started({{"RANK", "0"}, {"GLOO_SOCKET_IFNAME", "none0"}});
  ranks_.push_back(std::make_unique<RankProcess>(Variables{{"RANK", "0"}, {"WORLD_SIZE", "2"}}));
  EXPECT_EQ(
      ask_all("environment 1500"),
      (std::vector<std::string>{
          "ValueError Ranks: RANK must be a whole number from 0 (got 'one')",
          "ValueError Ranks: WORLD_SIZE must be a whole number from 0 (got '-2')",
          "ValueError Ranks: rank must be between 0 and 1 (got 2)",
          "ValueError Ranks: GLOO_SOCKET_IFNAME must name a network interface (got none0: no such interface with an "
          "address)",
          "ValueError Ranks: MASTER_ADDR must be set where RANK is (got none)"}));
}

TEST_F(ProcessesTest, ALauncherMayKeepTheStore) {
  c10d::TCPStoreOptions options;
  options.port = 0;
  options.isServer = true;
  c10d::TCPStore store("127.0.0.1", options);
  for (const std::string rank : {"0", "1"}) {
    ranks_.push_back(std::make_unique<RankProcess>(RankProcess::Variables{
        {"RANK", rank},
        {"WORLD_SIZE", "2"},
        {"MASTER_ADDR", "127.0.0.1"},
        {"MASTER_PORT", std::to_string(store.getPort())},
        {"TORCHELASTIC_USE_AGENT_STORE", "True"},
        {"TORCHELASTIC_RESTART_COUNT", "3"}}));
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ask_all("environment 60000"), (std::vector<std::string>{"joined 0 of 2", "joined 1 of 2"}));
    EXPECT_EQ(ask_all("any 1"), std::vector<std::string>(2, "true"));
    EXPECT_EQ(ask_all("leave"), std::vector<std::string>(2, "left"));
  }
  EXPECT_TRUE(store.check({"retort//restart 3/join 1/seats/1"}));
}

}  // namespace
}  // namespace retort::test
