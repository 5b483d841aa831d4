#include "rank_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>

namespace retort::test {
namespace {

/// Longer than any reply takes on a busy machine.
constexpr std::chrono::minutes kPatience(1);

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

RankProcess::RankProcess(const Variables& environment) {
  int input[2], output[2];
  if (::pipe2(input, O_CLOEXEC) != 0 || ::pipe2(output, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  const std::string errors = folder_.file("errors");
  std::vector<std::string> variables;
  for (char** variable = environ; *variable; ++variable) variables.emplace_back(*variable);
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  std::vector<char*> pointers;
  for (std::string& variable : variables) pointers.push_back(variable.data());
  pointers.push_back(nullptr);
  const pid_t parent = ::getpid();
  process_ = ::fork();
  if (process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    ::dup2(input[0], STDIN_FILENO);
    ::dup2(output[1], STDOUT_FILENO);
    ::dup2(::open(errors.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), STDERR_FILENO);
    const char* arguments[] = {RETORT_RANK_PROGRAM, nullptr};
    ::execve(RETORT_RANK_PROGRAM, const_cast<char**>(arguments), pointers.data());
    ::_exit(1);
  }
  ::close(input[0]);
  ::close(output[1]);
  input_ = input[1];
  output_ = output[0];
  // A write to one that is gone is no reason to end.
  ::signal(SIGPIPE, SIG_IGN);
}

RankProcess::~RankProcess() {
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  ::close(input_);
  ::close(output_);
}

void RankProcess::send(const std::string& command) {
  const std::string line = command + "\n";
  EXPECT_EQ(::write(input_, line.data(), line.size()), static_cast<ssize_t>(line.size()));
}

std::string RankProcess::reply() {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    // Gloo writes lines of its own.
    for (size_t stop; (stop = read_.find('\n')) != std::string::npos;) {
      const std::string line = read_.substr(0, stop);
      read_.erase(0, stop + 1);
      if (line.compare(0, 2, "> ") == 0) return line.substr(2);
    }
    pollfd polled = {output_, POLLIN, 0};
    char bytes[4096];
    const ssize_t count = ::poll(&polled, 1, 1000) > 0 ? ::read(output_, bytes, sizeof(bytes)) : -1;
    if (count == 0 || std::chrono::steady_clock::now() > end) {
      ADD_FAILURE() << (count == 0 ? "the process has ended" : "no reply") << "; it wrote: " << errors();
      return {};
    }
    if (count > 0) read_.append(bytes, static_cast<size_t>(count));
  }
}

std::string RankProcess::ask(const std::string& command) {
  send(command);
  return reply();
}

void RankProcess::signal(int number) {
  ::kill(process_, number);
}

int RankProcess::exit_code() {
  int status = 0;
  ::waitpid(process_, &status, 0);
  process_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string RankProcess::errors() const {
  return text_of(folder_.path() / "errors");
}

std::set<std::string> RankProcess::listens_at() const {
  namespace fs = std::filesystem;
  const std::string own = "/proc/" + std::to_string(process_);
  std::set<std::string> sockets;
  for (const auto& entry : fs::directory_iterator(own + "/fd")) {
    std::error_code closed_meanwhile;
    sockets.insert(fs::read_symlink(entry.path(), closed_meanwhile).string());
  }
  std::set<std::string> addresses;
  for (const char* table : {"/net/tcp", "/net/tcp6"}) {
    std::istringstream lines(text_of(own + table));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string number, local, remote, state, skipped, inode;
      words >> number >> local >> remote >> state;
      for (int i = 0; i < 5; ++i) words >> skipped;
      words >> inode;
      constexpr const char* kListening = "0A";
      if (state == kListening && sockets.count("socket:[" + inode + "]") > 0) {
        addresses.insert(local.substr(0, local.find(':')));
      }
    }
  }
  return addresses;
}

int free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  EXPECT_EQ(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length), 0);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

}  // namespace retort::test
