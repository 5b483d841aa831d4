#include "io/temporary_file.h"

#include <c10/util/StringUtil.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <random>
#include <string_view>

namespace retort {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kStart = "retort-";
constexpr std::string_view kEnd = ".tmp";
constexpr size_t kDigits = 16;

fs::path folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

std::string new_name(const std::string& path) {
  std::random_device random;
  std::array<char, kDigits + 1> digits;
  std::snprintf(digits.data(), digits.size(), "%08x%08x", random(), random());
  return (folder_of(path) / c10::str(kStart, digits.data(), kEnd)).string();
}

/// Takes away what a text begins with, if it does.
bool skip(std::string_view& text, std::string_view start) {
  const bool starts = text.substr(0, start.size()) == start;
  if (starts) text.remove_prefix(start.size());
  return starts;
}

/// Takes away the digits that a text begins with; returns their number.
size_t skip_digits(std::string_view& text, std::string_view digits) {
  const size_t count = std::min(text.find_first_not_of(digits), text.size());
  text.remove_prefix(count);
  return count;
}

/// Whether a name is one of a temporary file, or, for the file itself, one as they were before: NAME.PID-NUMBER.tmp.
bool is_temporary(std::string_view name, std::string_view file) {
  std::string_view rest = name;
  if (skip(rest, kStart) && skip_digits(rest, "0123456789abcdef") == kDigits && rest == kEnd) return true;
  constexpr std::string_view kDecimals = "0123456789";
  rest = name;
  return skip(rest, file) && skip(rest, ".") && skip_digits(rest, kDecimals) > 0 && skip(rest, "-") &&
         skip_digits(rest, kDecimals) > 0 && rest == kEnd;
}

/// Whether the file is this process's alone now; not if another one has locked it or has removed it meanwhile. Some
/// file systems have no locks.
bool own(int file) {
  if (::flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
  struct stat status {};
  return ::fstat(file, &status) == 0 && status.st_nlink > 0;
}

}  // namespace

TemporaryFile::TemporaryFile(const std::string& path) : path_(path), file_(create()) {}

int TemporaryFile::create() {
  while (true) {
    name_ = new_name(path_);
    const int file = ::open(name_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file >= 0 ? own(file) : errno != EEXIST) return file;
    if (file >= 0) ::close(file);
  }
}

TemporaryFile::~TemporaryFile() {
  if (!name_.empty() && file_.get() >= 0) ::unlink(name_.c_str());
}

bool TemporaryFile::rename() {
  if (::rename(name_.c_str(), path_.c_str()) != 0) return false;
  name_.clear();
  return true;
}

void sweep_temporary_files(const std::string& path) {
  const std::string own_name = fs::path(path).filename().string();
  std::error_code error;
  for (fs::directory_iterator entry(folder_of(path), error), end; !error && entry != end; entry.increment(error)) {
    if (!is_temporary(entry->path().filename().string(), own_name)) continue;
    const Descriptor left(::open(entry->path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    // Who still writes it holds the lock.
    if (left.get() >= 0 && ::flock(left.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(entry->path().c_str());
  }
}

}  // namespace retort
