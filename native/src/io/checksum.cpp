#include "io/checksum.h"

// Compiled in, so that nothing has to be found when the library is loaded.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace retort {

uint64_t checksum(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace retort
