#include "models/preprocessing_text.h"

#include <charconv>
#include <sstream>

#include "io/description.h"
#include "models/preprocessor.h"
#include "tensor/check.h"

namespace retort {
namespace {

const std::string kFirstLine = "retort.preprocessing 1";

template <typename T>
std::string line(const char* name, const std::vector<T>& values) {
  std::string text = name;
  for (const T& value : values) text += ' ' + text_of(value);
  return text + '\n';
}

/// The values of a line that begins with a name.
template <typename T>
bool parse(std::istream& lines, const std::string& name, std::vector<T>& values) {
  std::string text;
  if (!std::getline(lines, text) || text.compare(0, name.size(), name) != 0) return false;
  const char* at = text.data() + name.size();
  const char* const end = text.data() + text.size();
  while (at != end) {
    T value = {};
    if (*at++ != ' ') return false;
    const auto read = std::from_chars(at, end, value);
    if (read.ec != std::errc() || read.ptr == at) return false;
    values.push_back(value);
    at = read.ptr;
  }
  return true;
}

bool parse(std::istream& lines, Preprocessing& preprocessing) {
  std::string first;
  std::vector<int64_t> channels_last;
  if (!std::getline(lines, first) || first != kFirstLine || !parse(lines, "input_shape", preprocessing.input_shape) ||
      !parse(lines, "mean", preprocessing.mean) || !parse(lines, "deviation", preprocessing.deviation) ||
      !parse(lines, "channels_last", channels_last) || channels_last.size() != 1) {
    return false;
  }
  for (int64_t size : preprocessing.input_shape) {
    if (size < 1) return false;
  }
  preprocessing.channels_last = channels_last[0] != 0;
  return true;
}

}  // namespace

std::string packed(const Preprocessing& preprocessing) {
  return kFirstLine + '\n' + line("input_shape", preprocessing.input_shape) + line("mean", preprocessing.mean) +
         line("deviation", preprocessing.deviation) +
         line("channels_last", std::vector<int64_t>{preprocessing.channels_last});
}

Preprocessing parse_preprocessing(const char* function, const std::string& text, const std::string& name) {
  Preprocessing preprocessing;
  std::istringstream lines(text);
  RETORT_CHECK_AS(
      FileError, parse(lines, preprocessing), function, ": preprocessing of ", name,
      " must be whole, of version 1 (got ", text.size(), " bytes)");
  try {
    const Preprocessor check(function, preprocessing);
  } catch (const c10::Error& error) {
    fail<FileError>(error.what_without_backtrace(), " in ", name);
  }
  return preprocessing;
}

}  // namespace retort
