#pragma once

#include <caffe2/serialize/read_adapter_interface.h>

#include <algorithm>
#include <string_view>

namespace retort {

/// Bytes in memory, which must stay, as LibTorch's readers of archives take them.
class MemoryAdapter final : public caffe2::serialize::ReadAdapterInterface {
 public:
  explicit MemoryAdapter(std::string_view bytes) : bytes_(bytes) {}

  size_t size() const override { return bytes_.size(); }

  size_t read(uint64_t position, void* to, size_t count, const char*) const override {
    return bytes_.copy(static_cast<char*>(to), count, std::min<uint64_t>(position, bytes_.size()));
  }

 private:
  std::string_view bytes_;
};

}  // namespace retort
