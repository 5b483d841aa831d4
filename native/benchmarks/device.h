#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace retort::benchmarks {

// Where everything is measured: the CPU, or the first GPU.

/// @param name "cpu" or "cuda"
/// @throws c10::ValueError if there is no GPU to be used
void set_device(const std::string& name);

c10::Device device();

inline bool is_on_gpu() {
  return !device().is_cpu();
}

/// Waits until a GPU has done all that it was given.
void synchronize();

/// By how many bytes the memory in use rises above its present size, at its highest, while `action` runs: the process's
/// resident memory, or the tensors' on a GPU. Nothing where it can't be measured.
std::optional<int64_t> peak_device_memory(const std::function<void()>& action);

}  // namespace retort::benchmarks
