#include "io/checkpoint_file.h"

#include <c10/core/CPUAllocator.h>
#include <fcntl.h>

#include <cstring>
#include <utility>

#include "io/descriptor.h"
#include "io/file_header.h"
#include "io/state_dict_file.h"
#include "io/whole_file.h"

namespace retort {
namespace {

/// The header is followed by the configuration and the archive of the tensors.
struct Fields {
  static constexpr std::string_view kMagic = "RETORTCP";
  static constexpr uint64_t kVersion = 2;
  static constexpr const char* kKind = "a checkpoint";

  uint64_t configuration_bytes;
  /// Of everything after the header.
  uint64_t bytes;
  uint64_t checksum;
};
using Header = FileHeader<Fields>;

void check_size(const char* function, const Fields& fields, uint64_t size, const std::string& name) {
  RETORT_CHECK_AS(
      FileError, size - sizeof(Header) == fields.bytes, function, ": file must be of ", sizeof(Header) + fields.bytes,
      " bytes (got ", size, " in ", name, ")");
}

/// @param rest everything after the header, of the right size
Checkpoint unpack(const char* function, const Fields& fields, std::string_view rest, const std::string& name) {
  RETORT_CHECK_AS(
      FileError, checksum(rest) == fields.checksum && fields.configuration_bytes <= rest.size(), function,
      ": file must not be damaged (got ", name, ")");
  auto tensors = parse_archive(rest.substr(fields.configuration_bytes));
  RETORT_CHECK_AS(FileError, tensors, function, ": file must hold tensors that can be read (got ", name, ")");
  return {std::string(rest.substr(0, fields.configuration_bytes)), *std::move(tensors)};
}

}  // namespace

std::string packed(const Checkpoint& checkpoint) {
  std::string file(sizeof(Header), '\0');
  file += checkpoint.configuration;
  append_archive(checkpoint.tensors, file);
  const std::string_view rest = std::string_view(file).substr(sizeof(Header));
  const Header header({checkpoint.configuration.size(), rest.size(), checksum(rest)});
  file.replace(0, sizeof header, header.bytes());
  return file;
}

void write_checkpoint(const char* function, const Checkpoint& checkpoint, const std::string& path) {
  write_whole_file(function, path, packed(checkpoint));
}

Checkpoint read_checkpoint(const char* function, const std::string& path) {
  require_file(function, path);
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const auto require = [&](bool success) {
    RETORT_CHECK_AS(
        FileError, success, function, ": path must be a file that can be read (got ", path, ": ", std::strerror(errno),
        ")");
  };
  require(file.get() >= 0);
  Header header;
  require(file.read_at(0, header.data(), sizeof header) >= 0);
  const Fields& fields = header.checked(function, path);
  const int64_t size = file.size();
  require(size >= 0);
  check_size(function, fields, static_cast<uint64_t>(size), path);

  const at::DataPtr data = c10::GetCPUAllocator()->allocate(fields.bytes);
  const std::string_view rest(static_cast<const char*>(data.get()), fields.bytes);
  require(file.read_at(sizeof header, static_cast<char*>(data.get()), rest.size()) >= 0);
  return unpack(function, fields, rest, path);
}

Checkpoint parse_checkpoint(const char* function, std::string_view bytes, const std::string& name) {
  Header header;
  bytes.copy(header.data(), sizeof header);
  const Fields& fields = header.checked(function, name);
  check_size(function, fields, bytes.size(), name);
  return unpack(function, fields, bytes.substr(sizeof header), name);
}

}  // namespace retort
