#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include <ucontext.h>

#include "cuda_runtime.h"

namespace retort::emulator {
namespace {

constexpr std::size_t kStack = 1 << 16;
constexpr int kWarp = 32;
constexpr std::size_t kLargestValue = 16;

struct Fiber {
  std::vector<char> stack = std::vector<char>(kStack);
  ucontext_t start{};
  jmp_buf here{};
  bool is_started = false;
  bool is_done = false;
};

/// Lets threads pass once all that are left of their group have come.
struct Barrier {
  int members = 0;
  int waiting = 0;
  int passed = 0;
};

struct Block {
  std::vector<Fiber> fibers;
  Barrier barrier;
  std::vector<Barrier> warps;
  std::vector<char> exchanged;
  const std::function<void()>* thread = nullptr;
  int current = 0;
  bool has_moved = false;
  jmp_buf scheduler{};
};

Block block;  // NOLINT

void yield() {
  Fiber& fiber = block.fibers[static_cast<std::size_t>(block.current)];
  if (_setjmp(fiber.here) == 0) _longjmp(block.scheduler, 1);
}

void wait(Barrier& barrier) {
  const int before = barrier.passed;
  ++barrier.waiting;
  block.has_moved = true;
  while (barrier.passed == before) {
    if (barrier.waiting == barrier.members) {
      barrier.waiting = 0;
      ++barrier.passed;
      block.has_moved = true;
      return;
    }
    yield();
  }
}

Barrier& warp_of(int thread) {
  return block.warps[static_cast<std::size_t>(thread / kWarp)];
}

/// Runs a thread of one block after the other: a fiber is dear to start.
void run_fiber() {
  for (;;) {
    (*block.thread)();
    block.fibers[static_cast<std::size_t>(block.current)].is_done = true;
    --block.barrier.members;
    --warp_of(block.current).members;
    block.has_moved = true;
    yield();
  }
}

void resume(Fiber& fiber) {
  if (_setjmp(block.scheduler) != 0) return;
  if (fiber.is_started) _longjmp(fiber.here, 1);
  fiber.is_started = true;
  getcontext(&fiber.start);
  fiber.start.uc_stack.ss_sp = fiber.stack.data();
  fiber.start.uc_stack.ss_size = fiber.stack.size();
  makecontext(&fiber.start, &run_fiber, 0);
  setcontext(&fiber.start);
}

/// Lets the threads of a warp run until all wait for others; returns whether one came any further.
bool run_warp(int first, bool backwards) {
  bool has_moved = false;
  do {
    block.has_moved = false;
    for (int turn = 0; turn < kWarp; ++turn) {
      block.current = first + (backwards ? kWarp - 1 - turn : turn);
      Fiber& fiber = block.fibers[static_cast<std::size_t>(block.current)];
      thread_index.x = static_cast<unsigned>(block.current);
      if (!fiber.is_done) resume(fiber);
    }
    has_moved |= block.has_moved;
  } while (block.has_moved);
  return has_moved;
}

/// Each warp runs ahead of the others as far as it can, and every other time the last one begins: that finds out what
/// only holds in one order.
void run_block(int threads) {
  static bool backwards = false;
  backwards = !backwards;
  block.barrier = {threads, 0, 0};
  block.warps.assign(static_cast<std::size_t>(threads / kWarp), {kWarp, 0, 0});
  for (Fiber& fiber : block.fibers) fiber.is_done = false;
  while (block.barrier.members > 0) {
    bool has_moved = false;
    for (int first = 0; first < threads; first += kWarp) {
      has_moved |= run_warp(backwards ? threads - kWarp - first : first, backwards);
    }
    if (!has_moved) {
      std::fprintf(stderr, "emulator: threads of a block wait at different barriers\n");
      std::abort();
    }
  }
}

}  // namespace

void run(dim3 blocks, int threads, const std::function<void()>& thread) {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  block.fibers.resize(static_cast<std::size_t>(threads));
  block.exchanged.resize(2 * static_cast<std::size_t>(threads) * kLargestValue);
  block.thread = &thread;
  grid_size = blocks;
  block_size = dim3(static_cast<unsigned>(threads));
  for (block_index.z = 0; block_index.z < blocks.z; ++block_index.z) {
    for (block_index.y = 0; block_index.y < blocks.y; ++block_index.y) {
      for (block_index.x = 0; block_index.x < blocks.x; ++block_index.x) run_block(threads);
    }
  }
}

void wait_for_block() {
  wait(block.barrier);
}

void exchange(const void* mine, void* other, std::size_t bytes, unsigned lane) {
  const int thread = block.current;
  Barrier& warp = warp_of(thread);
  // Two places in turn: a thread that comes to the next exchange must not overwrite what others are yet to read.
  const auto place = [turn = warp.passed % 2](int index) {
    return block.exchanged.data() + static_cast<std::size_t>(2 * index + turn) * kLargestValue;
  };
  std::memcpy(place(thread), mine, bytes);
  wait(warp);
  std::memcpy(other, place(thread / kWarp * kWarp + static_cast<int>(lane)), bytes);
}

}  // namespace retort::emulator
