#include "kernels/cpu/scratch.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "runtime/poison.h"

namespace retort::kernels {
namespace {

TEST(ScratchTest, PartsAreAlignedAndApart) {
  Scratch scratch;
  char* previous = nullptr;
  for (const size_t bytes : {size_t{1}, size_t{64}, size_t{100}, size_t{1} << 17, size_t{5}}) {
    auto* part = static_cast<char*>(scratch.take(bytes));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(part) % 64, 0);
    std::memset(part, 2, bytes);
    if (previous) {
      EXPECT_EQ(*previous, 1);
    }
    *part = 1;
    previous = part;
  }
}

TEST(ScratchTest, HandsMemoryOutAgainAfterAReset) {
  Scratch scratch;
  const void* first = scratch.take(1000);
  EXPECT_NE(scratch.take(1000), first);
  scratch.reset();
  EXPECT_EQ(scratch.take(1000), first);
}

#ifdef __SANITIZE_ADDRESS__
TEST(ScratchTest, AddressSanitizerSeesWhatWasNotAskedFor) {
  Scratch scratch;
  const auto* part = static_cast<const char*>(scratch.take(128));
  scratch.take(128);
  EXPECT_FALSE(__asan_address_is_poisoned(part + 127));
  EXPECT_TRUE(__asan_address_is_poisoned(part + 128));
  scratch.reset();
  EXPECT_TRUE(__asan_address_is_poisoned(part));
}
#endif

}  // namespace
}  // namespace retort::kernels
