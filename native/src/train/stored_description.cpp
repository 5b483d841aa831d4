#include "train/stored_description.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <set>
#include <utility>
#include <vector>

#include "tensor/check.h"
#include "train/step_entries.h"

namespace retort {
namespace {

constexpr int64_t kMostClasses = int64_t{1} << 24;
constexpr size_t kMostTaps = 4096;
constexpr size_t kMostDimensions = 16;

/// By their numbers in files.
constexpr std::array<at::ScalarType, 4> kDtypes = {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16};

/// Appends numbers and texts to a description.
class DescriptionWriter {
 public:
  void number(uint64_t value) { text_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void text(std::string_view value) {
    number(value.size());
    text_ += value;
  }
  std::string finish() { return std::move(text_); }

 private:
  std::string text_;
};

/// Takes them out again, as long as there are any.
class DescriptionReader {
 public:
  explicit DescriptionReader(std::string_view text) : text_(text) {}

  uint64_t number() {
    uint64_t value = 0;
    if (!has(sizeof value)) return 0;
    std::memcpy(&value, text_.data(), sizeof value);
    text_.remove_prefix(sizeof value);
    return value;
  }

  /// What is too large for its purpose becomes -1, which no option may be.
  int64_t size() {
    const uint64_t value = number();
    return value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ? static_cast<int64_t>(value) : -1;
  }

  std::string text() {
    const uint64_t bytes = number();
    if (!has(bytes)) return {};
    std::string value(text_.substr(0, bytes));
    text_.remove_prefix(bytes);
    return value;
  }

  /// The number of things that follow, each of at least eight bytes.
  uint64_t count() {
    const uint64_t value = number();
    return value <= text_.size() / sizeof(uint64_t) ? value : (is_good_ = false, 0);
  }

  /// Whether all was there, and nothing else.
  bool is_at_end() const { return is_good_ && text_.empty(); }

 private:
  bool has(uint64_t bytes) {
    is_good_ = is_good_ && bytes <= text_.size();
    return is_good_;
  }

  std::string_view text_;
  bool is_good_ = true;
};

void check_taps(const char* function, const std::vector<StoredTap>& taps) {
  RETORT_CHECK(taps.size() <= kMostTaps, function, ": taps must be at most ", kMostTaps, " (got ", taps.size(), ")");
  std::set<std::string> names;
  for (const StoredTap& tap : taps) {
    RETORT_CHECK(!tap.name.empty(), function, ": name of a tap must not be empty (got an empty one)");
    RETORT_CHECK(
        tap.name.find('\0') == std::string::npos, function, ": name of a tap must be a text without zeros (got ",
        tap.name.c_str(), " before a zero)");
    RETORT_CHECK(
        names.insert(tap.name).second, function, ": taps must have different names (got ", tap.name, " twice)");
    RETORT_CHECK(
        tap.shape.size() <= kMostDimensions &&
            std::all_of(tap.shape.begin(), tap.shape.end(), [](int64_t size) { return size > 0; }),
        function, ": shape of tap ", tap.name, " must be at most ", kMostDimensions, " positive sizes (got ",
        at::IntArrayRef(tap.shape), ")");
  }
}

}  // namespace

void check_description(const char* function, const StoredOutputsOptions& options) {
  RETORT_CHECK(options.samples >= 1, function, ": samples must be at least 1 (got ", options.samples, ")");
  RETORT_CHECK(
      options.classes >= 1 && options.classes <= kMostClasses, function, ": classes must be between 1 and ",
      kMostClasses, " (got ", options.classes, ")");
  RETORT_CHECK(
      std::find(kDtypes.begin(), kDtypes.end(), options.dtype) != kDtypes.end(), function,
      ": dtype must be Float, Double, Half or BFloat16 (got ", options.dtype, ")");
  RETORT_CHECK(
      options.top >= 0 && options.top < options.classes, function, ": top must be smaller than the number of classes, ",
      options.classes, ", or 0 for all (got ", options.top, ")");
  check_taps(function, options.taps);
  RETORT_CHECK(
      options.note.size() <= kMostNoteBytes, function, ": note must be of at most ", kMostNoteBytes, " bytes (got ",
      options.note.size(), ")");
}

std::string describe(const StoredOutputsOptions& options) {
  DescriptionWriter writer;
  writer.number(static_cast<uint64_t>(options.samples));
  writer.number(static_cast<uint64_t>(options.classes));
  const auto dtype = std::find(kDtypes.begin(), kDtypes.end(), options.dtype);
  writer.number(static_cast<uint64_t>(dtype - kDtypes.begin()));
  writer.number(static_cast<uint64_t>(options.top));
  writer.number(options.taps.size());
  for (const StoredTap& tap : options.taps) {
    writer.text(tap.name);
    writer.number(tap.shape.size());
    for (int64_t size : tap.shape) writer.number(static_cast<uint64_t>(size));
  }
  writer.text(options.note);
  return writer.finish();
}

StoredOutputsOptions parse_description(const char* function, std::string_view description, const std::string& name) {
  DescriptionReader reader(description);
  StoredOutputsOptions options;
  options.samples = reader.size();
  options.classes = reader.size();
  const uint64_t dtype = reader.number();
  options.dtype = dtype < kDtypes.size() ? kDtypes[dtype] : at::kLong;
  options.top = reader.size();
  options.taps.resize(reader.count());
  for (StoredTap& tap : options.taps) {
    tap.name = reader.text();
    tap.shape.resize(reader.count());
    for (int64_t& size : tap.shape) size = reader.size();
  }
  options.note = reader.text();
  RETORT_CHECK_AS(
      FileError, reader.is_at_end(), function, ": file must have a description that can be read (got ", name, ")");
  return options;
}

}  // namespace retort
