#pragma once

#include <c10/core/Device.h>
#include <c10/core/Event.h>

#include <optional>

namespace retort {

/// The order of what calls start on a device, be it in different streams: under each Turn begins what was started under
/// the one before only once that has ended.
class StartOrder {
 public:
  class Turn;

  explicit StartOrder(c10::Device device) : device_(device) {}

 private:
  c10::Device device_;
  std::optional<c10::Event> last_;
};

/// As long as it lives, the device's current stream takes its turn. One at a time.
class StartOrder::Turn {
 public:
  explicit Turn(StartOrder& order);
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  StartOrder& order_;
};

}  // namespace retort
