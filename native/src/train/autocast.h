#pragma once

#include <ATen/autocast_mode.h>
#include <retort/train/training_step.h>

#include <optional>

namespace retort {

/// What convolutions and matrix products are computed in; for kFull that does not matter.
inline at::ScalarType dtype_of(Precision precision) {
  return precision == Precision::kFloat16 ? at::kHalf : at::kBFloat16;
}

/// While it lives, convolutions and matrix products on a device run in a precision; kFull means that of their inputs,
/// whatever the caller has set.
class Autocast {
 public:
  Autocast(at::Device device, Precision precision)
      : device_(device.type()), was_enabled_(at::autocast::is_autocast_enabled(device_)) {
    const bool is_enabled = precision != Precision::kFull;
    if (!is_enabled && !was_enabled_) return;
    previous_ = at::autocast::get_autocast_dtype(device_);
    at::autocast::set_autocast_enabled(device_, is_enabled);
    at::autocast::set_autocast_dtype(device_, dtype_of(precision));
  }

  ~Autocast() {
    if (!previous_) return;
    // Copies of weights, which the optimizer is about to change.
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, was_enabled_);
    at::autocast::set_autocast_dtype(device_, *previous_);
  }

  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  at::DeviceType device_;
  bool was_enabled_;
  /// Of the caller, if anything had to be changed.
  std::optional<at::ScalarType> previous_;
};

}  // namespace retort
