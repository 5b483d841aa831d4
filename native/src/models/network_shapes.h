#pragma once

#include <retort/models/network.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace retort {

/// The names of a network's taps, and the shapes that belong to one shape of its input. Safe under threads; never waits
/// for the network.
class NetworkShapes {
 public:
  explicit NetworkShapes(std::vector<std::string> tap_names) : tap_names_(std::move(tap_names)) {}

  std::vector<std::string> tap_names() const;
  /// The same for who holds the network's mutex, without which they do not change.
  const std::vector<std::string>& current_tap_names() const { return tap_names_; }
  void set_tap_names(std::vector<std::string> names);

  /// Takes over the shapes of the outputs for an input shape.
  void learn(const std::vector<int64_t>& input_shape, const NetworkOutput& output);

  /// Empty before learn().
  std::vector<int64_t> input_shape() const;
  /// 0 before learn().
  int64_t classes() const;
  /// @throws c10::ValueError if there is no such tap, or before learn()
  std::vector<int64_t> tap_shape(const std::string& name) const;
  /// @throws c10::ValueError if there is no such tap
  int64_t tap_index(const std::string& name) const;

 private:
  size_t find(const std::string& name) const;

  std::vector<std::string> tap_names_;
  std::vector<int64_t> input_shape_;
  std::vector<std::vector<int64_t>> tap_shapes_;
  int64_t classes_ = 0;
  mutable std::mutex mutex_;
};

}  // namespace retort
