#pragma once

#include <cstddef>
#include <cstdint>

namespace retort::stand_in {

/// Total memory of the device.
constexpr size_t kDeviceMemory = size_t(80) << 30;

/// Whether an address is the device's, allocated or not.
bool is_device(const void* address);

/// Whether all bytes lie in one allocation of the device.
bool is_allocated(const void* address, size_t bytes);

/// Whether all bytes lie in one page-locked allocation of the host.
bool is_locked(const void* address, size_t bytes);

/// Where the stand-in itself finds what lies at an address, of the device or of the host.
char* reach(const void* address);

/// Memory of the device, all 0; null if there is none left.
void* allocate_on_device(size_t bytes);

void fail_allocation(int64_t n, bool and_later);

}  // namespace retort::stand_in
