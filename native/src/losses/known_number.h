#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <utility>

namespace retort {

/// A number in a buffer, of which the last value that was read or set is known without asking the device.
class KnownNumber {
 public:
  explicit KnownNumber(at::Tensor buffer = {}) : buffer_(std::move(buffer)) {}

  double value() {
    // Somebody else may have written into it, as loading a checkpoint does.
    if (buffer_.is_inference() || version_ != buffer_._version()) remember(buffer_.item<double>());
    return value_;
  }

  void set(double value) {
    if (value == this->value()) return;
    buffer_.fill_(value);
    remember(value);
  }

  const at::Tensor& buffer() const { return buffer_; }

 private:
  void remember(double value) {
    value_ = value;
    if (!buffer_.is_inference()) version_ = buffer_._version();
  }

  at::Tensor buffer_;
  double value_ = 0;
  int64_t version_ = -1;
};

}  // namespace retort
