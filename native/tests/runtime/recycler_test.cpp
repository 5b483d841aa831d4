#include "runtime/recycler.h"

#include <ATen/Functions.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "runtime/poison.h"

namespace retort {
namespace {

/// So large that the system takes it back at once, and never hands it out with what it held.
constexpr size_t kLarge = size_t{100} << 20;

class RecyclerTest : public ::testing::Test {
 protected:
  void SetUp() override { release_idle_memory(); }
  void TearDown() override { release_idle_memory(); }

  static at::DataPtr marked(size_t bytes, char mark) {
    at::DataPtr memory = recycler().allocate(bytes);
    *static_cast<char*>(memory.get()) = mark;
    return memory;
  }
  static char mark_of(const at::DataPtr& memory) { return *static_cast<const char*>(memory.get()); }
};

TEST_F(RecyclerTest, HandsMemoryOutAgain) {
  const void* small = recycler().allocate(1000).get();
  EXPECT_EQ(recycler().allocate(1000).get(), small);
  // A little more or less makes no difference.
  EXPECT_EQ(recycler().allocate(1010).get(), small);

  marked(kLarge, 'a');
  EXPECT_EQ(mark_of(recycler().allocate(kLarge)), 'a');
  release_idle_memory();
  EXPECT_NE(mark_of(recycler().allocate(kLarge)), 'a');
}

TEST_F(RecyclerTest, SaysHowMuchItCouldNotAllocate) {
  try {
    recycler().allocate(size_t{1} << 60);
    FAIL() << "nothing was thrown";
  } catch (const c10::OutOfMemoryError& error) {
    EXPECT_EQ(error.msg(), "out of memory: could not allocate 1152921504606846976 bytes");
  }
}

TEST_F(RecyclerTest, NobodySharesMemory) {
  const at::DataPtr first = recycler().allocate(1000);
  const at::DataPtr second = recycler().allocate(1000);
  EXPECT_GE(std::abs(static_cast<char*>(first.get()) - static_cast<char*>(second.get())), 1000);
}

#ifdef __SANITIZE_ADDRESS__
TEST_F(RecyclerTest, AddressSanitizerSeesWhatWasNotAskedFor) {
  at::DataPtr memory = recycler().allocate(1000);
  const char* data = static_cast<const char*>(memory.get());
  EXPECT_FALSE(__asan_address_is_poisoned(data + 999));
  EXPECT_TRUE(__asan_address_is_poisoned(data + 1000));
  memory.clear();
  EXPECT_TRUE(__asan_address_is_poisoned(data));
}
#endif

TEST_F(RecyclerTest, KeepsWhatWasFreedLast) {
  static_assert(kIdleBytes >= 2 * kLarge && kIdleBytes < 3 * kLarge);
  {
    std::vector<at::DataPtr> blocks;
    for (char mark : {'a', 'b', 'c'}) blocks.push_back(marked(kLarge, mark));
    for (at::DataPtr& block : blocks) block.clear();
  }
  const at::DataPtr first = recycler().allocate(kLarge);
  const at::DataPtr second = recycler().allocate(kLarge);
  const at::DataPtr third = recycler().allocate(kLarge);
  EXPECT_EQ(mark_of(first), 'c');
  EXPECT_EQ(mark_of(second), 'b');
  EXPECT_NE(mark_of(third), 'a');
}

TEST_F(RecyclerTest, KeepsNothingLargerThanTheBound) {
  marked(kIdleBytes + 1, 'a');
  EXPECT_NE(mark_of(recycler().allocate(kIdleBytes + 1)), 'a');
}

TEST_F(RecyclerTest, IsAligned) {
  for (size_t bytes : {1, 63, 64, 65, 1000, 4097, 100001}) {
    const at::DataPtr memory = recycler().allocate(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.get()) % 64, 0u) << bytes;
  }
  for (size_t bytes : {size_t{2} << 20, (size_t{2} << 20) + 1, kLarge}) {
    const at::DataPtr memory = recycler().allocate(bytes);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.get()) % (2 << 20), 0u) << bytes;
  }
}

TEST_F(RecyclerTest, ServesThreads) {
  std::atomic<int> spoilt = 0;
  const auto work = [&spoilt](char mark) {
    for (size_t i = 0; i < 3000; ++i) {
      const size_t bytes = 64 * (1 + i % 5);
      const at::DataPtr memory = recycler().allocate(bytes);
      char* values = static_cast<char*>(memory.get());
      for (size_t j = 0; j < bytes; ++j) values[j] = mark;
      for (size_t j = 0; j < bytes; ++j) spoilt += values[j] != mark;
    }
  };
  std::vector<std::thread> threads;
  for (char mark : {'a', 'b', 'c', 'd'}) threads.emplace_back(work, mark);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(spoilt, 0);
}

TEST_F(RecyclerTest, TensorLiesAsTheOther) {
  const at::Tensor map = at::randn({2, 3, 4, 5}, at::kDouble);
  for (const at::Tensor& like :
       {map, map.contiguous(at::MemoryFormat::ChannelsLast), map.permute({3, 1, 0, 2}), map.to(at::kBFloat16),
        at::empty({0, 3})}) {
    const at::Tensor recycled = recycled_like(like);
    EXPECT_EQ(recycled.sizes(), like.sizes());
    EXPECT_EQ(recycled.strides(), like.strides());
    EXPECT_EQ(recycled.scalar_type(), like.scalar_type());
    EXPECT_FALSE(recycled.requires_grad());
    if (like.numel() == 0) continue;
    recycled.copy_(like);
    EXPECT_TRUE(at::equal(recycled, like));
  }
}

}  // namespace
}  // namespace retort
