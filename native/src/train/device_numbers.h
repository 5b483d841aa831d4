#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/stopwatch.h"

namespace retort {

/// Numbers that the CPU sends to a device for each step, where they stay at the same address.
class SentNumbers {
 public:
  SentNumbers(c10::Device device, int64_t count);

  /// As many as there are, which nobody waits for. What was sent before must have arrived.
  void send(const std::vector<double>& numbers);

  /// float64 []
  at::Tensor operator[](int64_t place) const { return on_device_.select(0, place); }
  /// float64 [count]
  at::Tensor slice(int64_t first, int64_t count) const { return on_device_.narrow(0, first, count); }

 private:
  at::Tensor locked_;
  at::Tensor on_device_;
};

/// Numbers that a device sends back.
class FetchedNumbers {
 public:
  explicit FetchedNumbers(c10::Device device) : device_(device) {}

  /// Notes when the device begins what the numbers come from.
  void begin();
  /// Asks for float64 [n] as soon as the device has them.
  void fetch(const at::Tensor& numbers);
  /// Waits for what fetch() asked for.
  const std::vector<double>& wait();
  /// From begin() to the end of fetch() on the device; after wait().
  int64_t nanoseconds() const { return nanoseconds_; }

 private:
  c10::Device device_;
  at::Tensor locked_;
  std::optional<c10::Event> begin_, end_;
  Stopwatch watch_;
  int64_t nanoseconds_ = 0;
  std::vector<double> numbers_;
};

/// The order of what calls start on a device, be it in different streams.
class StartOrder {
 public:
  explicit StartOrder(c10::Device device) : device_(device) {}

  /// What is started in the current stream from now on begins when all that was started before leave() has ended.
  void enter() const;
  void leave();

 private:
  c10::Device device_;
  std::optional<c10::Event> last_;
};

}  // namespace retort
