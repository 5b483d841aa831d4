#include "io/whole_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "io/descriptor.h"
#include "io/temporary_file.h"
#include "tensor/check.h"

namespace retort {

void write_whole_file(const char* function, const std::string& path, std::string_view bytes) {
  const auto require = [&](bool success) {
    RETORT_CHECK_AS(
        FileError, success, function, ": path must be a file that can be written (got ", path, ": ",
        std::strerror(errno), ")");
  };
  sweep_temporary_files(path);
  TemporaryFile temporary(path);
  require(temporary.file().get() >= 0);
  require(temporary.file().write_at(0, bytes));
  require(::fsync(temporary.file().get()) == 0);
  require(temporary.rename());
  sync_folder(path);
}

void sync_folder(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const Descriptor directory(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

void require_file(const char* function, const std::string& path) {
  std::error_code error;
  RETORT_CHECK_AS(
      FileError, std::filesystem::is_regular_file(path, error), function, ": path must be an existing file (got ", path,
      ")");
}

}  // namespace retort
