#include "models/network_shapes.h"

#include <algorithm>
#include <utility>

#include "tensor/check.h"
#include "tensor/spelling.h"

namespace retort {

std::vector<std::string> NetworkShapes::tap_names() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return tap_names_;
}

void NetworkShapes::set_tap_names(std::vector<std::string> names) {
  const std::lock_guard<std::mutex> lock(mutex_);
  tap_names_ = std::move(names);
}

void NetworkShapes::learn(const std::vector<int64_t>& input_shape, const NetworkOutput& output) {
  const std::lock_guard<std::mutex> lock(mutex_);
  input_shape_ = input_shape;
  classes_ = output.logits.size(1);
  tap_shapes_.clear();
  for (const at::Tensor& feature : output.features) tap_shapes_.push_back(feature.sizes().slice(1).vec());
}

std::vector<int64_t> NetworkShapes::input_shape() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return input_shape_;
}

int64_t NetworkShapes::classes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return classes_;
}

std::vector<int64_t> NetworkShapes::tap_shape(const std::string& name) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const size_t index = find(name);
  RETORT_CHECK(!tap_shapes_.empty(), "Network: shapes must be known, call probe first (got tap ", name, ")");
  return tap_shapes_[index];
}

int64_t NetworkShapes::tap_index(const std::string& name) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<int64_t>(find(name));
}

size_t NetworkShapes::find(const std::string& name) const {
  const auto found = std::find(tap_names_.begin(), tap_names_.end(), name);
  RETORT_CHECK(found != tap_names_.end(), "Network: tap must be ", one_of(tap_names_, name));
  return static_cast<size_t>(found - tap_names_.begin());
}

}  // namespace retort
