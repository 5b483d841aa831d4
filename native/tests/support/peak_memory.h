#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace retort::test {

/// By how many bytes the process's resident memory rises above its present size, at its highest, while `action` runs;
/// nothing where the kernel does not let a process reset its peak.
std::optional<int64_t> peak_memory(const std::function<void()>& action);

}  // namespace retort::test
