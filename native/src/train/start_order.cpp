#include "train/start_order.h"

#include <exception>

#include "train/events.h"

namespace retort {

StartOrder::Turn::Turn(StartOrder& order) : order_(order) {
  if (order_.last_) order_.last_->block(current_stream(order_.device_));
}

StartOrder::Turn::~Turn() {
  if (order_.device_.is_cpu()) return;
  try {
    record(order_.last_, order_.device_);
  } catch (const std::exception&) {
    // A device that is lost, of which the next call tells.
  }
}

}  // namespace retort
