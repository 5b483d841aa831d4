#pragma once

#include <functional>
#include <ios>
#include <streambuf>
#include <string>

namespace retort::test {

/// Gives some bytes, then fails, as a connection that breaks.
class BreakingBuffer final : public std::streambuf {
 public:
  explicit BreakingBuffer(std::string bytes) : bytes_(std::move(bytes)) {
    setg(bytes_.data(), bytes_.data(), bytes_.data() + bytes_.size());
  }

 protected:
  int_type underflow() override { throw std::ios_base::failure("broken"); }

 private:
  std::string bytes_;
};

/// Takes bytes for as long as an action allows.
class AskingBuffer final : public std::streambuf {
 public:
  explicit AskingBuffer(std::function<bool()> allows) : allows_(std::move(allows)) {}

  const std::string& bytes() const { return bytes_; }

 protected:
  std::streamsize xsputn(const char* bytes, std::streamsize count) override {
    if (!allows_()) return 0;
    bytes_.append(bytes, static_cast<size_t>(count));
    return count;
  }

 private:
  std::function<bool()> allows_;
  std::string bytes_;
};

}  // namespace retort::test
