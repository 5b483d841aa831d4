#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/train/schedule.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace retort {

class Optimizer;

/// Parameters with their own learning rate or weight decay.
struct RETORT_API ParameterGroup {
  /// Names of parameters, or of modules for everything they contain, as in TrainingStep::state(): `student.fc`,
  /// `student.layer1.0.conv1.weight`, `terms.2`. A parameter belongs to the first group that names it.
  std::vector<std::string> names;
  /// Multiplies the learning rate; >= 0.
  double learning_rate_factor = 1.0;
  /// Multiplies the weight decay; >= 0.
  double weight_decay_factor = 1.0;
};

/// The options common to all optimizers; see SgdOptions and AdamOptions.
struct RETORT_API OptimizerOptions {
  OptimizerOptions() = default;
  OptimizerOptions(const OptimizerOptions&) = default;
  OptimizerOptions& operator=(const OptimizerOptions&) = default;
  virtual ~OptimizerOptions();

  /// > 0; multiplied by the schedule.
  double learning_rate = 0.1;
  Schedule schedule;
  /// >= 0
  double weight_decay = 0.0;
  /// Whether the weight decay also applies to BatchNorm and biases, that is, to parameters with fewer than two
  /// dimensions; true by default, as in PyTorch and the papers.
  bool decay_norms_and_biases = true;
  std::vector<ParameterGroup> groups;

  /// Builds the optimizer of a training step.
  /// @param parameters name and value of each parameter to train
  /// @throws c10::ValueError if an option is out of range, a name in a group matches no parameter, or a parameter's
  ///     elements share memory
  virtual std::unique_ptr<Optimizer> build(std::vector<std::pair<std::string, at::Tensor>> parameters) const = 0;
  /// Returns the options in one line, for checkpoints.
  virtual std::string description() const = 0;

 protected:
  /// Checks that the common options are in range.
  /// @throws c10::ValueError if one is not
  void check(const char* function) const;
  /// Returns the common options in description()'s form.
  std::string common_description() const;
};

}  // namespace retort
