#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace retort {

/// The changes that a step makes to buffers on one rank, to be replaced by their mean over the ranks. What does not
/// change stays as it is, bit for bit.
class BufferMeans {
 public:
  /// Remembers their contents before the step changes them.
  /// @param buffers floating point, on one device
  void begin(std::vector<at::Tensor> buffers);
  int64_t count() const { return before_.numel(); }

  /// float64 [count], what changed since begin()
  at::Tensor changes() const;
  /// Gives the buffers the changes.
  /// @param changes as changes() returns them
  void apply(const at::Tensor& changes) const;

 private:
  std::vector<at::Tensor> buffers_;
  /// float64 [count]
  at::Tensor before_;
};

}  // namespace retort
