#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace retort {

using Deadline = std::chrono::steady_clock::time_point;

/// A TCP socket.
class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket();
  Socket(Socket&& other) noexcept : descriptor_(other.release()) {}
  Socket& operator=(Socket&&) = delete;

  int descriptor() const { return descriptor_; }
  /// Leaves the descriptor to the caller.
  int release();

  /// The numeric address of this side.
  std::string own_address() const;
  /// The port of this side.
  int64_t own_port() const;
  /// The numeric address of the other side.
  std::string other_address() const;
  /// Whether the other side has neither closed the connection nor sent anything. Does not wait.
  bool is_quiet() const;

 private:
  int descriptor_;
};

/// The address itself, in its usual spelling, if the text is a numeric one. Asks nobody.
std::optional<std::string> numeric_address(const std::string& text);

/// The numeric addresses of a machine's name, or the same address if it is numeric. Asks other machines, and may take
/// long.
/// @throws std::runtime_error if there is none
std::vector<std::string> addresses_of(const std::string& host);

/// A socket that has the first of the addresses which is one of this machine's. It does not listen yet.
/// @param port 0: any
/// @throws std::runtime_error with the reason of the last
Socket bound_socket(const std::vector<std::string>& addresses, int64_t port);

/// A connection to the first of the addresses that accepts one. Tries all of them once.
/// @throws std::runtime_error with the reason of the last
Socket connected_socket(const std::vector<std::string>& addresses, int64_t port, Deadline end);

/// An address of a network interface of this machine, if there is one of the same family as the other.
/// @throws std::runtime_error if the interface is missing or has no address
std::string address_of_interface(const std::string& name, const std::string& other);

}  // namespace retort
