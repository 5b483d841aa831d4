#include "io/stream.h"

#include <istream>
#include <ostream>
#include <streambuf>
#include <vector>

#include "tensor/check.h"

namespace retort {

std::string read_stream(const char* function, std::istream& stream, const std::string& name) {
  const auto require = [&](bool success) {
    RETORT_CHECK_AS(FileError, success, function, ": stream must be one that can be read (got ", name, ")");
  };
  std::string bytes;
  try {
    require(stream.good() && stream.rdbuf());
    std::vector<char> part(1 << 16);
    while (true) {
      const std::streamsize count = stream.rdbuf()->sgetn(part.data(), static_cast<std::streamsize>(part.size()));
      if (count <= 0) break;
      bytes.append(part.data(), static_cast<size_t>(count));
    }
    stream.setstate(std::ios::eofbit);
  } catch (const std::ios_base::failure&) {
    // Of the stream's buffer; of the stream itself if its user wants exceptions at the end.
    require(stream.eof());
  }
  return bytes;
}

void write_stream(const char* function, std::ostream& stream, std::string_view bytes) {
  bool success = false;
  try {
    success = static_cast<bool>(stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush());
  } catch (const std::ios_base::failure&) {
    // The same, by a stream whose user wants exceptions.
  }
  RETORT_CHECK_AS(
      FileError, success, function, ": stream must take ", bytes.size(), " bytes (got one that has failed)");
}

}  // namespace retort
