#pragma once

#include <string>

#include "io/descriptor.h"

namespace retort {

/// A file, retort-NUMBER.tmp, that is written beside the one whose place it will take. It is locked for as long as it
/// lives, and removed unless it has been renamed.
class TemporaryFile {
 public:
  /// Makes one, with a name that nobody has; errno says why file() is not open if that fails.
  /// @param path of the file whose place it will take
  explicit TemporaryFile(const std::string& path);
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const Descriptor& file() const { return file_; }

  /// Takes the place of the file that it was made for; returns whether that succeeded.
  bool rename();

 private:
  /// Tries names until one is free.
  int create();

  std::string path_;
  std::string name_;
  Descriptor file_;
};

/// Removes from a file's folder the temporary files of processes that were killed while they wrote them: of that file,
/// and of any other.
void sweep_temporary_files(const std::string& path);

}  // namespace retort
