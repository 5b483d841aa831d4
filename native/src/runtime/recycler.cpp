#include "runtime/recycler.h"

#include <ATen/EmptyTensor.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <list>
#include <memory>
#include <mutex>

#include "runtime/poison.h"

namespace retort {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kHugePage = size_t{2} << 20;

struct Block {
  void* data;
  size_t size;
};

class Recycler final : public c10::Allocator {
 public:
  at::DataPtr allocate(size_t bytes) override {
    const size_t size = rounded(bytes + kRedZone);
    Block* block = reuse(size);
    if (!block) block = fresh(size, bytes);
    poison(block->data, size);
    unpoison(block->data, bytes);
    return {block->data, block, &give_back, at::Device(at::kCPU)};
  }

  void release_idle() { shrink_to(0); }

  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }

  at::DeleterFnPtr raw_deleter() const override { return nullptr; }

 private:
  /// Up by at most an eighth, so that nearly equal sizes share their blocks.
  static size_t rounded(size_t bytes) {
    size_t step = kLine;
    while (step * 8 < bytes) step *= 2;
    return (bytes + step - 1) / step * step;
  }

  /// @param bytes how many the caller asks for, for the error message
  static Block* fresh(size_t size, size_t bytes) {
    auto block = std::make_unique<Block>(Block{nullptr, size});
    const bool is_large = size >= kHugePage;
    const int error = size == 0 ? 0 : posix_memalign(&block->data, is_large ? kHugePage : kLine, size);
    TORCH_CHECK_WITH(OutOfMemoryError, error == 0, "out of memory: could not allocate ", bytes, " bytes");
    if (is_large) madvise(block->data, size, MADV_HUGEPAGE);
    return block.release();
  }

  static void release(Block* block) {
    unpoison(block->data, block->size);
    std::free(block->data);
    delete block;
  }

  Block* reuse(size_t size) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto block = idle_.begin(); block != idle_.end(); ++block) {
      if ((*block)->size != size) continue;
      Block* found = *block;
      idle_.erase(block);
      idle_bytes_ -= size;
      return found;
    }
    return nullptr;
  }

  static void give_back(void* context);

  void keep(Block* block) {
    poison(block->data, block->size);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      idle_.push_front(block);
      idle_bytes_ += block->size;
    }
    shrink_to(kIdleBytes);
  }

  void shrink_to(size_t bytes) {
    std::list<Block*> dropped;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      while (idle_bytes_ > bytes) {
        idle_bytes_ -= idle_.back()->size;
        dropped.splice(dropped.begin(), idle_, std::prev(idle_.end()));
      }
    }
    for (Block* block : dropped) release(block);
  }

  std::mutex mutex_;
  /// The one freed last is the first.
  std::list<Block*> idle_;
  size_t idle_bytes_ = 0;
};

/// Never destroyed: tensors may outlive everything else.
Recycler& the_recycler() {
  static Recycler& recycler = *new Recycler;
  return recycler;
}

void Recycler::give_back(void* context) {
  the_recycler().keep(static_cast<Block*>(context));
}

}  // namespace

c10::Allocator& recycler() {
  return the_recycler();
}

void release_idle_memory() {
  the_recycler().release_idle();
}

at::Tensor recycled_like(const at::Tensor& like) {
  return recycled_like(like, like.scalar_type());
}

at::Tensor recycled_like(const at::Tensor& like, at::ScalarType dtype) {
  return at::Tensor(at::detail::empty_strided_generic(
      like.sizes(), like.strides(), &recycler(), c10::DispatchKeySet(c10::DispatchKey::CPU), dtype));
}

at::Tensor recycled(at::IntArrayRef sizes, at::ScalarType dtype, at::MemoryFormat format) {
  return at::Tensor(
      at::detail::empty_generic(sizes, &recycler(), c10::DispatchKeySet(c10::DispatchKey::CPU), dtype, format));
}

}  // namespace retort
