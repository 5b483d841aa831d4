#pragma once

#include <sys/types.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "temporary_folder.h"

namespace retort::test {

/// A process that runs rank_program. It is killed with this object, and with this process.
class RankProcess {
 public:
  using Variables = std::map<std::string, std::string>;

  explicit RankProcess(const Variables& environment = {});
  ~RankProcess();
  RankProcess(const RankProcess&) = delete;
  RankProcess& operator=(const RankProcess&) = delete;

  void send(const std::string& command);
  /// To the oldest command without one. Waits for a minute at most, then fails the test.
  std::string reply();
  std::string ask(const std::string& command);

  void signal(int number);
  /// Waits for its end.
  /// @return its exit code, or the negative number of the signal that ended it
  int exit_code();
  /// What it has written to standard error.
  std::string errors() const;
  /// The addresses at which it accepts TCP connections, in the kernel's hexadecimal form.
  std::set<std::string> listens_at() const;

 private:
  TemporaryFolder folder_;
  pid_t process_ = -1;
  int input_ = -1;
  int output_ = -1;
  std::string read_;
};

/// A TCP port of 127.0.0.1 that nobody uses.
int free_port();

}  // namespace retort::test
