#include "kernels/cpu/scratch.h"

#include <algorithm>
#include <utility>

#include "runtime/poison.h"
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
  const size_t rounded = (bytes + kRedZone + kLine - 1) / kLine * kLine;
  Block* block = blocks_;
  while (block && block->size - block->used < rounded) block = block->next;
  if (!block) block = add_block(std::max(kSmallestBlock, rounded));
  void* part = static_cast<char*>(block->memory.get()) + std::exchange(block->used, block->used + rounded);
  unpoison(part, bytes);
  return part;
}

Scratch::Block* Scratch::add_block(size_t size) {
  blocks_ = new Block{recycler().allocate(size), size, 0, blocks_};
  poison(blocks_->memory.get(), size);
  return blocks_;
}

void Scratch::reset() {
  for (Block* block = blocks_; block; block = block->next) {
    poison(block->memory.get(), block->size);
    block->used = 0;
  }
}

}  // namespace retort::kernels
