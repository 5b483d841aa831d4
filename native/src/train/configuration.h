#pragma once

#include <retort/train/training_step.h>

#include <optional>
#include <string>

namespace retort {

/// The options that a step's state depends on, as text: one thing a line, in the form of io/description.h.
std::string configuration_of(const TrainingStepOptions& options);

/// One option that two configurations do not agree on.
struct ConfigurationDifference {
  /// Its name and what it is of, e.g. `temperature of kd_loss of term 0`.
  std::string option;
  /// Its values, which fit a line.
  std::string own;
  std::string other;
};

/// The first one; nothing if two configurations are the same.
std::optional<ConfigurationDifference> find_difference(const std::string& own, const std::string& other);

}  // namespace retort
