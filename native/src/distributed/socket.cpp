#include "distributed/socket.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace retort {
namespace {

/// Of one attempt to connect. An address that swallows what is sent must not keep others from being tried.
constexpr std::chrono::milliseconds kLongestAttempt(5000);

using AddressInfo = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

std::string text_of(int error) {
  return std::generic_category().message(error);
}

AddressInfo lookup(const std::string& host, int64_t port, int flags) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found)) {
    throw std::runtime_error(error == EAI_SYSTEM ? text_of(errno) : gai_strerror(error));
  }
  return {found, &freeaddrinfo};
}

std::string numeric(const sockaddr* address, socklen_t length) {
  char text[NI_MAXHOST];
  if (const int error = getnameinfo(address, length, text, sizeof(text), nullptr, 0, NI_NUMERICHOST)) {
    throw std::runtime_error(gai_strerror(error));
  }
  return text;
}

/// What a socket is or is connected to.
struct Endpoint {
  Endpoint(int (*ask)(int, sockaddr*, socklen_t*), int descriptor) {
    if (ask(descriptor, reinterpret_cast<sockaddr*>(&storage), &length) != 0) throw std::runtime_error(text_of(errno));
  }

  std::string address() const { return numeric(reinterpret_cast<const sockaddr*>(&storage), length); }
  int64_t port() const {
    return ntohs(
        storage.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port
                                      : reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  }

  sockaddr_storage storage = {};
  socklen_t length = sizeof(storage);
};

/// What a socket becomes if the system gives it the very port that it is to reach, while nobody listens there.
bool is_to_itself(int descriptor) {
  sockaddr_storage own = {}, other = {};
  socklen_t own_length = sizeof(own), other_length = sizeof(other);
  return getsockname(descriptor, reinterpret_cast<sockaddr*>(&own), &own_length) == 0 &&
         getpeername(descriptor, reinterpret_cast<sockaddr*>(&other), &other_length) == 0 &&
         own_length == other_length && std::memcmp(&own, &other, own_length) == 0;
}

/// Tries addresses one after the other.
/// @param use returns 0, or the number of an error
Socket first_of(
    const std::vector<std::string>& addresses, int64_t port, const std::function<int(int, const addrinfo&)>& use) {
  int error = EADDRNOTAVAIL;
  for (const std::string& address : addresses) {
    const AddressInfo info = lookup(address, port, AI_NUMERICHOST);
    Socket socket(::socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    error = socket.descriptor() < 0 ? errno : use(socket.descriptor(), *info);
    if (error == 0 && is_to_itself(socket.descriptor())) error = ECONNREFUSED;
    if (error == 0) return socket;
  }
  throw std::runtime_error(text_of(error));
}

int wait_for_connection(int descriptor, Deadline end) {
  pollfd polled = {descriptor, POLLOUT, 0};
  const auto limit = std::min(end, std::chrono::steady_clock::now() + kLongestAttempt);
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(limit - std::chrono::steady_clock::now()).count();
    const int ready = poll(&polled, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    if (ready == 0) return ETIMEDOUT;
    if (ready > 0) break;
    if (errno != EINTR) return errno;
  }
  int error = 0;
  socklen_t length = sizeof(error);
  return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

}  // namespace

Socket::~Socket() {
  if (descriptor_ >= 0) close(descriptor_);
}

int Socket::release() {
  return std::exchange(descriptor_, -1);
}

std::string Socket::own_address() const {
  return Endpoint(&getsockname, descriptor_).address();
}

int64_t Socket::own_port() const {
  return Endpoint(&getsockname, descriptor_).port();
}

std::string Socket::other_address() const {
  return Endpoint(&getpeername, descriptor_).address();
}

bool Socket::is_quiet() const {
  char byte;
  return recv(descriptor_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

std::optional<std::string> numeric_address(const std::string& text) {
  try {
    const AddressInfo found = lookup(text, 0, AI_NUMERICHOST);
    return numeric(found->ai_addr, found->ai_addrlen);
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
}

std::vector<std::string> addresses_of(const std::string& host) {
  const AddressInfo found = lookup(host, 0, 0);
  std::vector<std::string> addresses;
  for (const addrinfo* info = found.get(); info; info = info->ai_next) {
    addresses.push_back(numeric(info->ai_addr, info->ai_addrlen));
  }
  return addresses;
}

Socket bound_socket(const std::vector<std::string>& addresses, int64_t port) {
  return first_of(addresses, port, [&](int descriptor, const addrinfo& info) {
    // What a rank before this one has left of its connections does not keep the port. One that the system chooses is
    // free of them, and must not be shared with another process before this one listens.
    const int yes = 1;
    if (port != 0) setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    return bind(descriptor, info.ai_addr, info.ai_addrlen) == 0 ? 0 : errno;
  });
}

Socket connected_socket(const std::vector<std::string>& addresses, int64_t port, Deadline end) {
  return first_of(addresses, port, [&](int descriptor, const addrinfo& info) {
    if (connect(descriptor, info.ai_addr, info.ai_addrlen) == 0) return 0;
    return errno == EINPROGRESS ? wait_for_connection(descriptor, end) : errno;
  });
}

std::string address_of_interface(const std::string& name, const std::string& other) {
  const int family = lookup(other, 0, AI_NUMERICHOST)->ai_family;
  ifaddrs* found = nullptr;
  if (getifaddrs(&found) != 0) throw std::runtime_error(text_of(errno));
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> all(found, &freeifaddrs);
  std::string any;
  for (const ifaddrs* entry = found; entry; entry = entry->ifa_next) {
    if (name != entry->ifa_name || !entry->ifa_addr) continue;
    const int own = entry->ifa_addr->sa_family;
    if (own != AF_INET && own != AF_INET6) continue;
    const std::string address = numeric(entry->ifa_addr, own == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    if (own == family) return address;
    if (any.empty()) any = address;
  }
  if (any.empty()) throw std::runtime_error("no such interface with an address");
  return any;
}

}  // namespace retort
