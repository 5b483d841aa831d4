#include "io/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "io/descriptor.h"
#include "tensor/check.h"

namespace retort {
namespace {

/// A temporary file, removed unless it has been renamed.
class Temporary {
 public:
  explicit Temporary(std::string path) : path_(std::move(path)) {}
  ~Temporary() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;

  bool rename_to(const std::string& path) {
    if (::rename(path_.c_str(), path.c_str()) != 0) return false;
    path_.clear();
    return true;
  }

 private:
  std::string path_;
};

}  // namespace

template <typename Error>
void write_whole_file(const char* function, const std::string& path, std::string_view bytes) {
  static std::atomic<int64_t> count{0};
  const auto require = [&](bool success) {
    RETORT_CHECK_AS(
        Error, success, function, ": path must be a file that can be written (got ", path, ": ", std::strerror(errno),
        ")");
  };
  const std::string name = path + "." + std::to_string(::getpid()) + "-" + std::to_string(count++) + ".tmp";
  const Descriptor file(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  require(file.get() >= 0);
  Temporary temporary(name);
  require(file.write_at(0, bytes));
  require(::fsync(file.get()) == 0);
  require(temporary.rename_to(path));
  // The new name survives a loss of power only if the folder is synced, too; some file systems can't.
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const Descriptor directory(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

template void write_whole_file<c10::ValueError>(const char*, const std::string&, std::string_view);
template void write_whole_file<CheckpointError>(const char*, const std::string&, std::string_view);

}  // namespace retort
