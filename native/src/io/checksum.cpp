#include "io/checksum.h"

// Compiled in, so that nothing has to be found when the library is loaded.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace retort {

uint64_t checksum(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

uint64_t checksum(const at::Tensor& tensor, uint64_t seed) {
  const at::Tensor values = tensor.detach().cpu().contiguous();
  return checksum({static_cast<const char*>(values.const_data_ptr()), values.nbytes()}, seed);
}

}  // namespace retort
