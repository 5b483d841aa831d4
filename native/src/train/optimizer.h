#pragma once

#include <ATen/core/Tensor.h>
#include <retort/train/optimizer.h>
#include <torch/ordered_dict.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace retort {

/// Moves parameters along their gradients.
class Optimizer {
 public:
  Optimizer(const OptimizerOptions& options, std::vector<std::pair<std::string, at::Tensor>> parameters);
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  const std::vector<std::string>& names() const { return names_; }
  const std::vector<at::Tensor>& parameters() const { return parameters_; }

  /// The learning rate after a number of updates.
  double learning_rate(int64_t step) const { return learning_rate_ * schedule_.at(step); }

  /// A learning rate where it is known: on the CPU, or as a scalar on the parameters' device, which is then the one
  /// that counts.
  struct Rate {
    double value;
    at::Tensor on_device = {};
  };

  /// One tensor for each parameter.
  using Tensors = std::vector<at::Tensor>;

  /// Parameters that one fused kernel updates: it wants one dtype and device, and walks through memory without looking
  /// at strides.
  struct Bucket {
    std::vector<size_t> members;
    double learning_rate_factor;
    double weight_decay;
    /// Of all members.
    int64_t elements = 0;
  };

  /// What one kernel works on.
  struct Work {
    const Bucket* bucket;
    Rate rate;
    Tensors parameters, gradients;
    std::vector<Tensors> remembered;
    /// Parameters with gaps in memory, which a kernel would fill, and what is updated in their place.
    std::vector<std::pair<at::Tensor, at::Tensor>> substitutes;
  };

  /// Does all of an update that can fail. An undefined gradient leaves its parameter as it is.
  std::vector<Work> prepare(const Tensors& gradients, const Rate& rate) const;
  /// Updates the parameters in place.
  /// @param failed float32 [], on the parameters' device: whether to leave everything as it is, if it is 1 and not 0;
  ///     undefined for no
  void apply(const std::vector<Work>& works, const at::Tensor& failed = {});

  /// Forgets everything, as if it had just been made. Cannot fail.
  void reset();

  /// What the optimizer remembers, as `KIND.NAME`; shares its memory.
  torch::OrderedDict<std::string, at::Tensor> state() const;

 protected:
  /// Adds something to be remembered for each parameter: zeros of its shape, or scalars [] of a dtype.
  void remember(const std::string& kind);
  void remember_scalars(const std::string& kind, at::ScalarType dtype);

  /// In place; must not fail.
  virtual void update(const Work& work, const std::optional<at::Tensor>& failed) = 0;

 private:
  double learning_rate_;
  Schedule schedule_;
  std::vector<std::string> names_;
  Tensors parameters_;
  std::vector<Bucket> buckets_;
  std::vector<std::pair<std::string, Tensors>> remembered_;
};

}  // namespace retort
