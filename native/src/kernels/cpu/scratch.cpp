#include "kernels/cpu/scratch.h"

#include <algorithm>
#include <utility>

#include "runtime/recycler.h"

namespace retort::kernels {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kSmallestBlock = size_t{1} << 16;

}  // namespace

struct Scratch::Block {
  at::DataPtr memory;
  size_t size;
  size_t used;
  Block* next;
};

Scratch::~Scratch() {
  while (blocks_) delete std::exchange(blocks_, blocks_->next);
}

void* Scratch::take(size_t bytes) {
  const size_t rounded = (bytes + kLine - 1) / kLine * kLine;
  for (Block* block = blocks_; block; block = block->next) {
    if (block->size - block->used >= rounded) {
      return static_cast<char*>(block->memory.get()) + std::exchange(block->used, block->used + rounded);
    }
  }
  const size_t size = std::max(kSmallestBlock, rounded);
  blocks_ = new Block{recycler().allocate(size), size, rounded, blocks_};
  return blocks_->memory.get();
}

void Scratch::reset() {
  for (Block* block = blocks_; block; block = block->next) block->used = 0;
}

}  // namespace retort::kernels
