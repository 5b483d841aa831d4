#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string_view>

namespace retort {

/// An open file, closed at the end. errno says why something failed.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return descriptor_; }

  /// The number of the file's bytes, -1 if it has none to tell.
  int64_t size() const {
    struct stat status {};
    return ::fstat(descriptor_, &status) == 0 ? status.st_size : -1;
  }

  /// Whether all bytes were written.
  bool write_at(uint64_t offset, std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t count = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count == 0) errno = EIO;  // pwrite set no errno, but made no progress
      if (count <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(count));
      offset += static_cast<uint64_t>(count);
    }
    return true;
  }

  /// The number of bytes read: fewer than `size` at the end of the file, -1 if reading fails.
  int64_t read_at(uint64_t offset, char* bytes, size_t size) const {
    size_t done = 0;
    while (done < size) {
      const ssize_t count = ::pread(descriptor_, bytes + done, size - done, static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return -1;
      if (count == 0) break;
      done += static_cast<size_t>(count);
    }
    return static_cast<int64_t>(done);
  }

 private:
  int descriptor_;
};

}  // namespace retort
