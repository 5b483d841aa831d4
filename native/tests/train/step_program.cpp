// A rank that trains as it is told on standard input, and answers each line by one that begins with "> ".
#include <ATen/Parallel.h>
#include <retort/distributed/ranks.h>
#include <retort/errors.h>

#include <csignal>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "io/checksum.h"
#include "rank_rig.h"

namespace retort::test {
namespace {

std::optional<RankRig> rig;

void end() {
  std::raise(SIGKILL);
}

/// Ends this process in a phase of the next step.
void end_in(const std::string& phase) {
  if (phase == "forward") (*rig)->student->halfway = end;
  if (phase == "exchange") {
    (*rig)->student->at_end = [](NetworkOutput& output) {
      // The gradients of the classifier are on their way when that of the map comes.
      output.features[0].register_hook([](const at::Tensor& gradient) {
        end();
        return gradient;
      });
    };
  }
  if (phase == "vote") (*rig)->second->in_after_step = end;
}

std::string photograph() {
  uint64_t sum = 0;
  for (const auto& entry : rig->photograph()) {
    const at::Tensor values = entry.value().contiguous();
    sum = checksum({static_cast<const char*>(values.const_data_ptr()), values.nbytes()}, sum);
  }
  return std::to_string(sum);
}

/// @param line a command and what it needs
std::string result_of(std::istringstream line) {
  std::string command;
  line >> command;
  if (command == "join") {
    RanksOptions options;
    options.address = "127.0.0.1";
    line >> options.rank >> options.size >> options.port;
    rig.emplace(Ranks::join(options), [](TrainingStepOptions& step) { step.bucket_bytes = 1; });
    return "joined";
  }
  if (command == "run") {
    int64_t number = 0;
    line >> number;
    rig->run(number);
    return "ran";
  }
  if (command == "end_in") {
    std::string phase;
    line >> phase;
    end_in(phase);
    return "will end";
  }
  if (command == "photograph") return photograph();
  if (command == "checkpoint") {
    (*rig)->step->checkpoint();
    return "copied";
  }
  return "no such command";
}

}  // namespace
}  // namespace retort::test

int main() {
  at::set_num_threads(1);
  for (std::string line; std::getline(std::cin, line);) {
    std::string answer;
    try {
      answer = retort::test::result_of(std::istringstream(line));
    } catch (const retort::RankError& error) {
      answer = std::string("RankError ") + error.what_without_backtrace();
    } catch (const std::exception& error) {
      answer = std::string("exception ") + error.what();
    }
    std::cout << "> " << answer << std::endl;
  }
}
