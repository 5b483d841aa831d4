#pragma once

#include <retort/train/training_step.h>

#include <optional>
#include <string>

namespace retort {

/// The options that a step's state depends on, as text: one thing a line, in the form of io/description.h.
std::string configuration_of(const TrainingStepOptions& options);

/// One option that two configurations do not agree on.
struct ConfigurationDifference {
  /// With the names of what it belongs to, e.g. `sgd(learning_rate=0.2)`, and which term or stage it is of.
  std::string own;
  /// `sgd(learning_rate=0.1)`
  std::string other;
};

/// The first one; nothing if two configurations are the same.
std::optional<ConfigurationDifference> find_difference(const std::string& own, const std::string& other);

}  // namespace retort
