#include "peak_memory.h"

#include <malloc.h>
#include <retort/runtime.h>

#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>

namespace retort::test {
namespace {

/// A field of /proc/self/status that is given in kB, in bytes.
int64_t status_field(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key;) {
    int64_t kilobytes = 0;
    if (key == name + ":" && status >> kilobytes) return kilobytes * 1024;
    status.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  throw std::runtime_error("/proc/self/status has no " + name);
}

bool reset_peak() {
  std::ofstream file("/proc/self/clear_refs");
  file << 5 << std::flush;
  return file.good();
}

}  // namespace

std::optional<int64_t> peak_memory(const std::function<void()>& action) {
  // What earlier actions have freed would serve this one unseen.
  release_memory();
  malloc_trim(0);
  if (!reset_peak()) return std::nullopt;
  const int64_t before = status_field("VmRSS");
  action();
  return status_field("VmHWM") - before;
}

}  // namespace retort::test
