#pragma once

#include <ATen/core/Tensor.h>
#include <retort/models/network.h>

#include <cstdint>
#include <vector>

namespace retort {

/// The contents of a network's buffers at one moment, in memory that is used again for the next one. For who holds the
/// network's mutex.
class NetworkSnapshot {
 public:
  explicit NetworkSnapshot(Network& network) : network_(network) {}
  virtual ~NetworkSnapshot() = default;
  NetworkSnapshot(const NetworkSnapshot&) = delete;
  NetworkSnapshot& operator=(const NetworkSnapshot&) = delete;

  virtual void take();
  /// Restores what take() found.
  virtual void restore();

 private:
  Network& network_;
  /// Looked up once for each probe().
  std::vector<at::Tensor> buffers_;
  int64_t probes_ = -1;
  std::vector<at::Tensor> contents_;
};

}  // namespace retort
