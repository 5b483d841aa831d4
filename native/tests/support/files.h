#pragma once

#include <gtest/gtest.h>
#include <retort/errors.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <string>

#include "expect.h"

namespace retort::test {

inline std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// error_of an action that must throw a FileError every time.
inline std::string file_error_of(const std::function<void()>& action) {
  EXPECT_THROW(action(), FileError);
  return error_of(action);
}

/// Repeats an action in a process of its own, which is killed within 20 ms.
inline void repeat_until_killed(const std::function<void()>& action) {
  static std::mt19937 random(20);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      while (true) action();
    } catch (...) {
      ::_exit(1);
    }
  }
  ::usleep(random() % 20000);
  ::kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the action failed";
}

}  // namespace retort::test
