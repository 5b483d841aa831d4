#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

namespace retort::test {

/// LibTorch's own allocator of CPU memory, as long as a test allows it.
/// @tparam IsAllowed asked for each allocation
template <bool (*IsAllowed)(size_t bytes)>
class ScarceAllocator final : public c10::Allocator {
 public:
  at::DataPtr allocate(size_t bytes) override {
    if (!IsAllowed(bytes)) throw c10::OutOfMemoryError("no memory left", nullptr);
    return plenty_->allocate(bytes);
  }
  at::DeleterFnPtr raw_deleter() const override { return plenty_->raw_deleter(); }
  void copy_data(void* to, const void* from, size_t bytes) const override { plenty_->copy_data(to, from, bytes); }

 private:
  c10::Allocator* plenty_ = c10::GetDefaultCPUAllocator();
};

}  // namespace retort::test
