#include "train/stored_layout.h"

#include <ATen/Dispatch.h>
#include <c10/util/safe_numerics.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include "tensor/check.h"
#include "train/stored_description.h"

namespace retort {
namespace {

/// Classes up to this number are stored in two bytes.
constexpr int64_t kShortClasses = int64_t{1} << 16;

/// log(mean(exp(logit))) of the logits at some places.
template <typename Scalar>
double evenly_spread(const Scalar* logits, const int64_t* begin, const int64_t* end) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const int64_t* place = begin; place != end; ++place) {
    largest = std::max(largest, static_cast<double>(logits[*place]));
  }
  double sum = 0;
  for (const int64_t* place = begin; place != end; ++place) {
    sum += std::exp(static_cast<double>(logits[*place]) - largest);
  }
  return largest + std::log(sum / static_cast<double>(end - begin));
}

/// Copies bytes and moves on.
void put(char*& to, const void* from, size_t bytes) {
  std::memcpy(to, from, bytes);
  to += bytes;
}

template <typename Element>
void fill(char* to, const char* value, int64_t count) {
  Element element;
  std::memcpy(&element, value, sizeof element);
  std::fill_n(reinterpret_cast<Element*>(to), count, element);
}

size_t row_bytes(const at::Tensor& tensor) {
  return tensor.nbytes() / static_cast<size_t>(tensor.size(0));
}

char* row_of(const at::Tensor& tensor, int64_t row) {
  return static_cast<char*>(tensor.mutable_data_ptr()) + static_cast<size_t>(row) * row_bytes(tensor);
}

}  // namespace

StoredLayout::StoredLayout(const char* function, StoredOutputsOptions options) : options_(std::move(options)) {
  check_description(function, options_);
  description_ = describe(options_);
  seed_ = checksum(description_);
  const auto count = static_cast<uint64_t>(options_.top > 0 ? options_.top : options_.classes);
  logits_bytes_ = count * element_bytes();
  if (options_.top > 0) logits_bytes_ += count * place_bytes() + element_bytes();
  uint64_t bytes = logits_bytes_, total = 0;
  bool fits = true;
  feature_offsets_.push_back(bytes);
  for (const StoredTap& tap : options_.taps) {
    uint64_t feature = element_bytes();
    for (int64_t size : tap.shape) fits = fits && !c10::mul_overflows(feature, static_cast<uint64_t>(size), &feature);
    fits = fits && !c10::add_overflows(bytes, feature, &bytes);
    feature_offsets_.push_back(bytes);
  }
  constexpr uint64_t kMostBytes = std::numeric_limits<int64_t>::max() / 2;
  fits = fits && bytes < kMostBytes;
  record_bytes_ = bytes + sizeof(uint64_t);
  const bool all_fit = fits && !c10::mul_overflows(static_cast<uint64_t>(options_.samples), record_bytes_, &total);
  RETORT_CHECK(
      all_fit && total < kMostBytes, function, ": samples must fit a file (got ", options_.samples, " of ",
      fits ? c10::str(record_bytes_) : "too many", " bytes)");
}

StoredLayout StoredLayout::parse(const char* function, std::string_view description, const std::string& name) {
  StoredOutputsOptions options = parse_description(function, description, name);
  try {
    return StoredLayout(function, std::move(options));
  } catch (const c10::ValueError& error) {
    fail<FileError>(error.what_without_backtrace(), " in ", name);
  }
}

uint64_t StoredLayout::offset(int64_t sample) const {
  return sizeof(StoredOutputsHeader) + description_.size() + static_cast<uint64_t>(sample) * record_bytes_;
}

size_t StoredLayout::place_bytes() const {
  return options_.classes <= kShortClasses ? sizeof(uint16_t) : sizeof(uint32_t);
}

void StoredLayout::encode(const std::vector<at::Tensor>& outputs, int64_t row, int64_t sample, char* record) const {
  char* to = record;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (i == 0 && options_.top > 0) {
      encode_top(outputs[i], row, to);
      to += logits_bytes_;
    } else {
      const size_t bytes = row_bytes(outputs[i]);
      put(to, static_cast<const char*>(outputs[i].const_data_ptr()) + static_cast<size_t>(row) * bytes, bytes);
    }
  }
  const uint64_t mark = computed_mark({record, record_bytes_}, sample);
  std::memcpy(to, &mark, sizeof mark);
}

void StoredLayout::encode_top(const at::Tensor& logits, int64_t row, char* record) const {
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, logits.scalar_type(), "stored_outputs", [&] {
    const scalar_t* values = logits.const_data_ptr<scalar_t>() + row * options_.classes;
    std::vector<int64_t> places(static_cast<size_t>(options_.classes));
    std::iota(places.begin(), places.end(), 0);
    const auto end = places.begin() + options_.top;
    std::partial_sort(places.begin(), end, places.end(), [&](int64_t one, int64_t other) {
      return values[one] != values[other] ? values[one] > values[other] : one < other;
    });
    char* to = record;
    // Little-endian: a small number's first bytes.
    for (auto place = places.begin(); place != end; ++place) put(to, &*place, place_bytes());
    for (auto place = places.begin(); place != end; ++place) put(to, values + *place, sizeof(scalar_t));
    const double spread = evenly_spread(values, places.data() + options_.top, places.data() + places.size());
    // Not above the smallest of those that are kept, whatever the rounding.
    const scalar_t others = std::min(static_cast<scalar_t>(spread), values[*(end - 1)]);
    put(to, &others, sizeof others);
  });
}

bool StoredLayout::decode_logits(std::string_view record, const at::Tensor& logits, int64_t row) const {
  char* to = row_of(logits, row);
  if (options_.top == 0) {
    std::memcpy(to, record.data(), logits_bytes_);
    return true;
  }
  const size_t element = element_bytes();
  const auto count = static_cast<size_t>(options_.top);
  const char* values = record.data() + count * place_bytes();
  const char* others = values + count * element;
  if (element == sizeof(uint16_t)) fill<uint16_t>(to, others, options_.classes);
  if (element == sizeof(uint32_t)) fill<uint32_t>(to, others, options_.classes);
  if (element == sizeof(uint64_t)) fill<uint64_t>(to, others, options_.classes);
  for (size_t i = 0; i < count; ++i) {
    uint64_t place = 0;
    std::memcpy(&place, record.data() + i * place_bytes(), place_bytes());
    if (place >= static_cast<uint64_t>(options_.classes)) return false;
    std::memcpy(to + place * element, values + i * element, element);
  }
  return true;
}

void StoredLayout::decode_feature(std::string_view record, size_t tap, const at::Tensor& feature, int64_t row) const {
  const uint64_t begin = feature_offsets_[tap];
  std::memcpy(row_of(feature, row), record.data() + begin, feature_offsets_[tap + 1] - begin);
}

uint64_t StoredLayout::mark_of(std::string_view record) {
  uint64_t mark;
  std::memcpy(&mark, record.data() + record.size() - sizeof mark, sizeof mark);
  return mark;
}

uint64_t StoredLayout::computed_mark(std::string_view record, int64_t sample) const {
  // Of the sample as well, so that a row in another's place is found.
  const uint64_t sum =
      checksum(record.substr(0, record.size() - sizeof(uint64_t)), seed_ + static_cast<uint64_t>(sample));
  return sum == 0 ? 1 : sum;
}

bool StoredLayout::is_whole(std::string_view record, int64_t sample) const {
  return mark_of(record) == computed_mark(record, sample);
}

bool StoredLayout::is_missing(std::string_view record) {
  return std::all_of(record.begin(), record.end(), [](char byte) { return byte == 0; });
}

uint64_t StoredLayout::contents(uint64_t marks) const {
  return checksum({reinterpret_cast<const char*>(&marks), sizeof marks}, seed_);
}

}  // namespace retort
