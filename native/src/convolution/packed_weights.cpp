#include "convolution/packed_weights.h"

#include <iterator>

#include "convolution/conv3x3.h"
#include "io/checksum.h"

namespace retort {

thread_local PackedWeights* PackedWeights::current_ = nullptr;

namespace {

/// Of the values as they lie in memory.
uint64_t checksum_of(const at::Tensor& weight) {
  const at::Tensor dense = weight.is_non_overlapping_and_dense() ? weight : weight.contiguous();
  return checksum({static_cast<const char*>(dense.const_data_ptr()), dense.nbytes()}, dense.is_contiguous());
}

}  // namespace

at::Tensor PackedWeights::of(const at::Tensor& weight) {
  const uint64_t checksum = checksum_of(weight);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = entries_.find(weight.unsafeGetTensorImpl());
  if (found != entries_.end()) {
    if (found->second.checksum == checksum) return found->second.packed;
    // The old ones go first, so that memory for one copy is enough.
    entries_.erase(found);
  }
  drop_unused();
  return entries_.emplace(weight.unsafeGetTensorImpl(), Entry{weight, checksum, pack_conv3x3(weight)})
      .first->second.packed;
}

void PackedWeights::drop_unused() {
  for (auto it = entries_.begin(); it != entries_.end();) {
    it = it->second.weight.use_count() == 1 ? entries_.erase(it) : std::next(it);
  }
}

}  // namespace retort
