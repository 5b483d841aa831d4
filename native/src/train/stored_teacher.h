#pragma once

#include <retort/models/network.h>
#include <retort/train/stored_outputs.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace retort {

/// Stands for the network whose outputs are stored: it has its classes, taps and shapes, and computes nothing.
class StoredTeacher final : public Network {
 public:
  explicit StoredTeacher(std::shared_ptr<const StoredOutputs> outputs);

  const StoredOutputs& outputs() const { return *outputs_; }

 protected:
  /// Zeros, by which Network::probe learns the shapes.
  NetworkOutput compute(const at::Tensor& images) override;

 private:
  std::shared_ptr<const StoredOutputs> outputs_;
};

}  // namespace retort
