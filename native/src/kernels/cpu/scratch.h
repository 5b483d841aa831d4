#pragma once

#include <stddef.h>

namespace retort::kernels {

/// Temporary memory of one thread, for one sample after the other: what a sample takes is all given back by `reset`,
/// and handed out again.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  /// Memory for `bytes` bytes, aligned to a cache line, valid until `reset`.
  void* take(size_t bytes);
  void reset();

 private:
  struct Block;

  Block* add_block(size_t size);

  Block* blocks_ = nullptr;
};

}  // namespace retort::kernels
