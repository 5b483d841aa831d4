#include "device.h"

#include <ATen/Context.h>
#include <ATen/DeviceAccelerator.h>
#include <retort/runtime.h>

#include <stdexcept>

#include "peak_memory.h"

namespace retort::benchmarks {
namespace {

c10::Device chosen{c10::kCPU};

constexpr auto kAggregate = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);

}  // namespace

void set_device(const std::string& name) {
  if (name == "cpu") return;
  if (name != "cuda") throw std::invalid_argument("--device must be cpu or cuda (got " + name + ")");
  require_cuda();
  chosen = c10::Device(c10::kCUDA, 0);
  // Whatever the environment says: it rounds factors to 10 bits, and the forms would not agree.
  at::globalContext().setAllowTF32CuBLAS(false);
}

c10::Device device() {
  return chosen;
}

void synchronize() {
  if (is_on_gpu()) at::accelerator::synchronizeDevice(device().index());
}

std::optional<int64_t> peak_device_memory(const std::function<void()>& action) {
  if (!is_on_gpu()) return test::peak_memory(action);
  at::accelerator::resetPeakStats(device().index());
  const int64_t before = at::accelerator::getDeviceStats(device().index()).allocated_bytes[kAggregate].current;
  action();
  return at::accelerator::getDeviceStats(device().index()).allocated_bytes[kAggregate].peak - before;
}

}  // namespace retort::benchmarks
