// A rank that does what it is told on standard input, and answers each line by one that begins with "> ".
#include <ATen/Parallel.h>
#include <retort/distributed/ranks.h>
#include <retort/distributed/ranks_listener.h>
#include <retort/errors.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>

namespace {

std::shared_ptr<retort::Ranks> ranks;
std::unique_ptr<retort::RanksListener> listener;

void answer(const std::string& text) {
  std::cout << "> " << text << std::endl;
}

std::string joined() {
  return ranks ? "joined " + std::to_string(ranks->rank()) + " of " + std::to_string(ranks->size()) : "alone";
}

/// @param line a command and what it needs
std::string result_of(std::istringstream line) {
  std::string command;
  line >> command;
  retort::RanksOptions options;
  int64_t timeout = 0;
  if (command == "join") {
    line >> timeout >> options.rank >> options.size >> options.address >> options.port >> options.own_address;
    options.timeout = std::chrono::milliseconds(timeout);
    ranks.reset();
    ranks = retort::Ranks::join(options);
    return joined();
  }
  if (command == "listen") {
    line >> timeout >> options.rank >> options.size >> options.address >> options.port;
    options.timeout = std::chrono::milliseconds(timeout);
    listener = std::make_unique<retort::RanksListener>(options);
    return listener->address() + " " + std::to_string(listener->port());
  }
  if (command == "join_listened") {
    ranks = listener->join();
    return joined();
  }
  if (command == "environment") {
    line >> timeout;
    options.timeout = std::chrono::milliseconds(timeout);
    ranks.reset();
    ranks = retort::Ranks::from_environment(options);
    return joined();
  }
  if (command == "any") {
    bool mine = false;
    line >> mine;
    return ranks->any(mine) ? "true" : "false";
  }
  if (command == "of_first") {
    std::string text;
    line >> text;
    return ranks->of_first(text);
  }
  if (command == "fail") {
    ranks->fail("out of luck");
    return "failed";
  }
  if (command == "leave") {
    ranks.reset();
    return "left";
  }
  if (command == "exit") std::exit(0);
  if (command == "exit_within_any") {
    std::thread([] { ranks->any(false); }).detach();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    std::exit(0);
  }
  return "no such command";
}

}  // namespace

int main() {
  at::set_num_threads(1);
  for (std::string line; std::getline(std::cin, line);) {
    try {
      answer(result_of(std::istringstream(line)));
    } catch (const retort::RankError& error) {
      answer(std::string("RankError ") + error.what());
    } catch (const c10::ValueError& error) {
      answer(std::string("ValueError ") + error.what());
    } catch (const std::exception& error) {
      answer(std::string("exception ") + error.what());
    }
  }
}
