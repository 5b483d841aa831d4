#include "memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>

#include "capture.h"
#include "runtime.h"
#include "streams.h"

namespace retort::stand_in {
namespace {

constexpr size_t kPage = 4096;

size_t pages(size_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

/// One file, mapped twice: where the program sees it, it can't be touched.
struct Arena {
  Arena() : file(memfd_create("device", MFD_CLOEXEC)) {
    const bool has_size = file >= 0 && ftruncate(file, static_cast<off_t>(kDeviceMemory)) == 0;
    const auto map = [&](int protection) {
      return static_cast<char*>(mmap(nullptr, kDeviceMemory, protection, MAP_SHARED | MAP_NORESERVE, file, 0));
    };
    shown = map(PROT_NONE);
    hidden = map(PROT_READ | PROT_WRITE);
    if (has_size && shown != MAP_FAILED && hidden != MAP_FAILED) return;
    std::perror("stand-in for CUDA: no memory for the device");
    std::abort();
  }

  int file;
  char* shown;
  char* hidden;
};

Arena& arena() {
  static Arena the_arena;
  return the_arena;
}

/// Sizes by address.
using Blocks = std::map<const char*, size_t>;
Blocks on_device;
Blocks locked;
/// Page-locked memory that was the program's before.
Blocks registered;

bool holds(const Blocks& blocks, const void* address, size_t bytes) {
  const auto* begin = static_cast<const char*>(address);
  auto next = blocks.upper_bound(begin);
  if (next == blocks.begin()) return false;
  --next;
  return begin + bytes <= next->first + next->second;
}

/// The allocation that fails, counted from the next one; 0 for none.
int64_t failing = 0;
bool later_fail = false;

bool may_allocate() {
  ++counts.allocations;
  if (failing == 0) return true;
  if (failing > 1) {
    --failing;
    return true;
  }
  if (!later_fail) failing = 0;
  return false;
}

cudaError_t allocate_locked(void** pointer, size_t bytes) {
  if (!pointer) return cudaErrorInvalidValue;
  if (const cudaError_t error = check_safe(); error != cudaSuccess) return error;
  if (!may_allocate()) return cudaErrorMemoryAllocation;
  *pointer = std::aligned_alloc(kPage, pages(bytes));
  if (!*pointer) return cudaErrorMemoryAllocation;
  locked[static_cast<char*>(*pointer)] = bytes;
  counts.locked_bytes += static_cast<int64_t>(bytes);
  return cudaSuccess;
}

}  // namespace

bool is_device(const void* address) {
  const auto* byte = static_cast<const char*>(address);
  return byte >= arena().shown && byte < arena().shown + kDeviceMemory;
}

bool is_allocated(const void* address, size_t bytes) {
  return holds(on_device, address, bytes);
}

bool is_locked(const void* address, size_t bytes) {
  return holds(locked, address, bytes) || holds(registered, address, bytes);
}

char* reach(const void* address) {
  char* byte = const_cast<char*>(static_cast<const char*>(address));
  return is_device(address) ? arena().hidden + (byte - arena().shown) : byte;
}

void* allocate_on_device(size_t bytes) {
  // The page between two allocations tells a copy that goes too far.
  const char* place = arena().shown;
  for (const auto& [begin, size] : on_device) {
    if (place + pages(bytes) + kPage <= begin) break;
    place = begin + pages(size) + kPage;
  }
  const auto left = static_cast<size_t>(arena().shown + kDeviceMemory - place);
  if (place >= arena().shown + kDeviceMemory || pages(bytes) > left) return nullptr;
  on_device[place] = bytes;
  counts.device_bytes += static_cast<int64_t>(bytes);
  return const_cast<char*>(place);
}

void fail_allocation(int64_t n, bool and_later) {
  const std::lock_guard<std::recursive_mutex> lock(mutex);
  failing = n;
  later_fail = and_later;
}

}  // namespace retort::stand_in

using namespace retort::stand_in;

cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  return call([&] {
    if (!pointer) return cudaErrorInvalidValue;
    if (const cudaError_t error = check_safe(); error != cudaSuccess) return error;
    *pointer = nullptr;
    if (bytes == 0) return cudaSuccess;
    if (may_allocate()) *pointer = allocate_on_device(bytes);
    return *pointer ? cudaSuccess : cudaErrorMemoryAllocation;
  });
}

cudaError_t cudaFree(void* pointer) {
  return call([&] {
    if (const cudaError_t error = check_safe(); error != cudaSuccess) return error;
    if (!pointer) return cudaSuccess;
    const auto found = on_device.find(static_cast<char*>(pointer));
    if (found == on_device.end()) return cudaErrorInvalidValue;
    finish_all();
    // The next who gets it finds zeros again.
    fallocate(
        arena().file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, found->first - arena().shown,
        static_cast<off_t>(pages(found->second)));
    counts.device_bytes -= static_cast<int64_t>(found->second);
    on_device.erase(found);
    return cudaSuccess;
  });
}

cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned /*flags*/) {
  return call([&] { return allocate_locked(pointer, bytes); });
}

cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  return call([&] { return allocate_locked(pointer, bytes); });
}

cudaError_t cudaFreeHost(void* pointer) {
  return call([&] {
    if (const cudaError_t error = check_safe(); error != cudaSuccess) return error;
    const auto found = locked.find(static_cast<char*>(pointer));
    if (found == locked.end()) return pointer ? cudaErrorInvalidValue : cudaSuccess;
    finish_all();
    counts.locked_bytes -= static_cast<int64_t>(found->second);
    locked.erase(found);
    std::free(pointer);
    return cudaSuccess;
  });
}

cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned /*flags*/) {
  return call([&] {
    if (const cudaError_t error = check_safe(); error != cudaSuccess) return error;
    if (is_locked(pointer, bytes)) return cudaErrorHostMemoryAlreadyRegistered;
    registered[static_cast<char*>(pointer)] = bytes;
    return cudaSuccess;
  });
}

cudaError_t cudaHostUnregister(void* pointer) {
  return call([&] {
    if (const cudaError_t error = check_safe(); error != cudaSuccess) return error;
    if (registered.count(static_cast<char*>(pointer)) == 0) return cudaErrorHostMemoryNotRegistered;
    finish_all();
    registered.erase(static_cast<char*>(pointer));
    return cudaSuccess;
  });
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  return call([&] {
    *free = kDeviceMemory - static_cast<size_t>(counts.device_bytes);
    *total = kDeviceMemory;
    return cudaSuccess;
  });
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes, const void* pointer) {
  return call([&] {
    *attributes = {};
    attributes->device = 0;
    if (is_allocated(pointer, 1)) {
      attributes->type = cudaMemoryTypeDevice;
      attributes->devicePointer = const_cast<void*>(pointer);
    } else if (is_locked(pointer, 1)) {
      attributes->type = cudaMemoryTypeHost;
      attributes->devicePointer = attributes->hostPointer = const_cast<void*>(pointer);
    } else {
      attributes->type = cudaMemoryTypeUnregistered;
      attributes->device = -2;  // cudaInvalidDeviceId
      attributes->hostPointer = const_cast<void*>(pointer);
    }
    return cudaSuccess;
  });
}
