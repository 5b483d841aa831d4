#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "io/checksum.h"
#include "tensor/check.h"

namespace retort {

/// What a file of Retort's own begins with; where the magic, the version and the checksum are is the same in all
/// versions of a format, and `Fields`, which names them, has no gaps:
///
///     static constexpr std::string_view kMagic;  // of eight bytes
///     static constexpr uint64_t kVersion;
///     static constexpr const char* kKind;  // e.g. "a checkpoint", for error messages
template <typename Fields>
class FileHeader {
 public:
  /// All zeros, to be read into.
  FileHeader() = default;

  explicit FileHeader(const Fields& given) : version_(Fields::kVersion), fields_(given) {
    Fields::kMagic.copy(magic_, sizeof magic_);
    checksum_ = computed();
  }

  char* data() { return reinterpret_cast<char*>(this); }
  std::string_view bytes() const { return {reinterpret_cast<const char*>(this), sizeof *this}; }

  /// Requires a header that was read to be one, and returns what it says.
  /// @param name of the file, for error messages
  const Fields& checked(const char* function, const std::string& name) const {
    RETORT_CHECK_AS(
        FileError, std::string_view(magic_, sizeof magic_) == Fields::kMagic, function, ": file must be ",
        Fields::kKind, " of Retort (got ", name, ")");
    // Files of the first versions have another checksum.
    if (version_ != kFirstVersion) {
      RETORT_CHECK_AS(FileError, checksum_ == computed(), function, ": file must not be damaged (got ", name, ")");
    }
    RETORT_CHECK_AS(
        FileError, version_ == Fields::kVersion, function, ": file must be of format version ", Fields::kVersion,
        " (got ", version_, " in ", name, ")");
    return fields_;
  }

 private:
  static constexpr uint64_t kFirstVersion = 1;
  static_assert(Fields::kVersion > kFirstVersion);

  uint64_t computed() const { return checksum(bytes().substr(0, sizeof *this - sizeof checksum_)); }

  char magic_[8] = {};
  uint64_t version_ = 0;
  Fields fields_{};
  uint64_t checksum_ = 0;
};

}  // namespace retort
