#include "convolution/packed_weights.h"

#include <iterator>
#include <utility>

#include "convolution/conv3x3.h"

namespace retort {

thread_local PackedWeights* PackedWeights::current_ = nullptr;

at::Tensor PackedWeights::of(const at::Tensor& weight) {
  // Writes to tensors of c10::InferenceMode are not counted.
  if (weight.is_inference()) return pack_conv3x3(weight);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = entries_.find(weight.unsafeGetTensorImpl());
  if (found != entries_.end()) {
    const Entry& entry = found->second;
    if (entry.values == weight.const_data_ptr() && entry.version == weight._version()) return entry.packed;
    // The old ones go first, so that memory for one copy is enough.
    entries_.erase(found);
  }
  drop_unused();
  const uint32_t version = weight._version();
  Entry entry = {weight, weight.const_data_ptr(), version, pack_conv3x3(weight)};
  return entries_.emplace(weight.unsafeGetTensorImpl(), std::move(entry)).first->second.packed;
}

void PackedWeights::drop_unused() {
  for (auto it = entries_.begin(); it != entries_.end();) {
    it = it->second.weight.use_count() == 1 ? entries_.erase(it) : std::next(it);
  }
}

}  // namespace retort
