#pragma once

#include <c10/core/Device.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <optional>

namespace retort {

inline c10::Stream current_stream(c10::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

/// Records an event in the device's current stream, and makes it first if there is none.
inline void record(std::optional<c10::Event>& event, c10::Device device) {
  if (!event) event.emplace(device.type(), c10::EventFlag::BACKEND_DEFAULT);
  event->record(current_stream(device));
}

}  // namespace retort
