#include <ATen/ops/empty.h>
#include <fcntl.h>
#include <retort/train/stored_outputs.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include "io/description.h"
#include "io/descriptor.h"
#include "io/stream.h"
#include "io/whole_file.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"
#include "tensor/rows.h"
#include "tensor/shapes.h"
#include "train/stored_layout.h"

namespace retort {
namespace {

constexpr const char* kStoredOutputs = "StoredOutputs";
constexpr const char* kRead = "StoredOutputs.read";

/// A file in the system's memory, unmapped at the end.
class Mapping {
 public:
  /// errno says why data() is null.
  Mapping(int file, size_t size) : size_(size), data_(::mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0)) {}
  ~Mapping() {
    if (data()) ::munmap(data_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  const char* data() const { return data_ == MAP_FAILED ? nullptr : static_cast<const char*>(data_); }

 private:
  size_t size_;
  void* data_;
};

/// The bytes of a file of stored outputs, wherever they are.
class Source {
 public:
  Source(const std::string& path, FileAccess access) : name_(path) {
    require_file(kStoredOutputs, path);
    file_.emplace(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    require(file_->get() >= 0);
    const int64_t size = file_->size();
    require(size >= 0);
    size_ = static_cast<uint64_t>(size);
    if (access == FileAccess::kMapped && size_ > 0) {
      mapping_ = std::make_unique<Mapping>(file_->get(), size_);
      require(mapping_->data());
      data_ = mapping_->data();
    }
    if (access == FileAccess::kMemory) {
      bytes_.resize(size_);
      const int64_t count = file_->read_at(0, bytes_.data(), size_);
      require(count >= 0);
      size_ = static_cast<uint64_t>(count);
      data_ = bytes_.data();
      file_.reset();
    }
  }

  Source(std::string bytes, std::string name) : name_(std::move(name)), bytes_(std::move(bytes)) {
    size_ = bytes_.size();
    data_ = bytes_.data();
  }

  const std::string& name() const { return name_; }
  uint64_t size() const { return size_; }

  /// Bytes that must be there, in `buffer` if they are not in memory.
  std::string_view bytes(uint64_t offset, size_t size, std::string& buffer) const {
    if (data_) return {data_ + offset, size};
    buffer.resize(size);
    const int64_t count = file_->read_at(offset, buffer.data(), size);
    require(count >= 0);
    require_length(static_cast<size_t>(count) == size);
    return buffer;
  }

  /// Requires that a mapped file was not truncated, as far as that can be known.
  void check_size() const {
    if (mapping_) require_length(file_->size() >= static_cast<int64_t>(size_));
  }

 private:
  void require(bool success) const {
    RETORT_CHECK_AS(
        FileError, success, kStoredOutputs, ": path must be a file that can be read (got ", name_, ": ",
        std::strerror(errno), ")");
  }

  void require_length(bool is_whole) const {
    RETORT_CHECK_AS(
        FileError, is_whole, kStoredOutputs, ": file must stay as long as it was when it was opened, ", size_,
        " bytes (got a shorter one, ", name_, ")");
  }

  std::string name_;
  uint64_t size_ = 0;
  /// Null if rows are read from the file.
  const char* data_ = nullptr;
  std::optional<Descriptor> file_;
  std::unique_ptr<Mapping> mapping_;
  /// Of a file in memory.
  std::string bytes_;
};

StoredOutputsFields fields_of(const Source& source) {
  StoredOutputsHeader header;
  std::string buffer;
  // A file that is shorter is none of ours, or damaged.
  const size_t size = std::min<uint64_t>(source.size(), sizeof header);
  std::memcpy(header.data(), source.bytes(0, size, buffer).data(), size);
  return header.checked(kStoredOutputs, source.name());
}

StoredLayout layout_of(const Source& source, const StoredOutputsFields& fields) {
  std::string buffer;
  const auto require = [&](bool is_whole) {
    RETORT_CHECK_AS(FileError, is_whole, kStoredOutputs, ": file must not be damaged (got ", source.name(), ")");
  };
  require(
      source.size() >= sizeof(StoredOutputsHeader) &&
      fields.description_bytes <= source.size() - sizeof(StoredOutputsHeader));
  const std::string_view description =
      source.bytes(sizeof(StoredOutputsHeader), static_cast<size_t>(fields.description_bytes), buffer);
  require(checksum(description) == fields.description_checksum);
  StoredLayout layout = StoredLayout::parse(kStoredOutputs, description, source.name());
  const uint64_t size = layout.offset(layout.options().samples);
  RETORT_CHECK_AS(
      FileError, size == source.size(), kStoredOutputs, ": file must be of ", size, " bytes (got ", source.size(),
      " in ", source.name(), ")");
  return layout;
}

}  // namespace

struct StoredOutputs::Impl {
  template <typename... Args>
  explicit Impl(Args&&... args)
      : source(std::forward<Args>(args)...), fields(fields_of(source)), layout(layout_of(source, fields)) {}

  std::string_view record(int64_t sample, std::string& buffer) const {
    return source.bytes(layout.offset(sample), static_cast<size_t>(layout.record_bytes()), buffer);
  }

  [[noreturn]] void refuse(const char* function, int64_t sample) const {
    fail<FileError>(function, ": row of sample ", sample, " must not be damaged (got ", source.name(), ")");
  }

  Source source;
  StoredOutputsFields fields;
  StoredLayout layout;
};

StoredOutputs::StoredOutputs(const std::string& path, FileAccess access) {
  static CallSite site;
  const RunningCall running(site);
  impl_ = std::make_unique<Impl>(path, access);
}

StoredOutputs::StoredOutputs(std::istream& stream, const std::string& name)
    : impl_(std::make_unique<Impl>(read_stream(kStoredOutputs, stream, name), name)) {}

StoredOutputs::~StoredOutputs() = default;

const StoredOutputsOptions& StoredOutputs::options() const {
  return impl_->layout.options();
}

int64_t StoredOutputs::rows() const {
  return static_cast<int64_t>(impl_->fields.rows);
}

NetworkOutput StoredOutputs::read(const at::Tensor& indices) const {
  std::vector<int64_t> taps(options().taps.size());
  std::iota(taps.begin(), taps.end(), 0);
  return read(indices, taps);
}

NetworkOutput StoredOutputs::read(const at::Tensor& indices, const std::vector<int64_t>& taps) const {
  static CallSite site;
  const RunningCall running(site);
  const StoredOutputsOptions& options = impl_->layout.options();
  check_rows(kRead, "indices", indices, 1, options.samples);
  for (int64_t tap : taps) {
    RETORT_CHECK(
        tap >= 0 && static_cast<size_t>(tap) < options.taps.size(), kRead, ": taps must be between 0 and ",
        static_cast<int64_t>(options.taps.size()) - 1, " (got ", tap, ")");
  }
  impl_->source.check_size();
  const at::Tensor whole = indices.cpu().contiguous();
  const int64_t* sample = whole.const_data_ptr<int64_t>();
  const int64_t batch = whole.numel();
  NetworkOutput output{at::empty({batch, options.classes}, options.dtype), {}};
  for (int64_t tap : taps) {
    output.features.push_back(
        at::empty(with_batch(batch, options.taps[static_cast<size_t>(tap)].shape), options.dtype));
  }
  std::string buffer;
  for (int64_t i = 0; i < batch; ++i) {
    const std::string_view record = impl_->record(sample[i], buffer);
    if (!impl_->layout.is_whole(record, sample[i])) {
      RETORT_CHECK_AS(
          FileError, !StoredLayout::is_missing(record), kRead, ": sample must have a row (got ", sample[i],
          ", which has none in ", impl_->source.name(), ")");
      impl_->refuse(kRead, sample[i]);
    }
    if (!impl_->layout.decode_logits(record, output.logits, i)) impl_->refuse(kRead, sample[i]);
    for (size_t j = 0; j < taps.size(); ++j) {
      impl_->layout.decode_feature(record, static_cast<size_t>(taps[j]), output.features[j], i);
    }
  }
  return output;
}

std::vector<int64_t> StoredOutputs::missing() const {
  static CallSite site;
  const RunningCall running(site);
  constexpr const char* kMissing = "StoredOutputs.missing";
  impl_->source.check_size();
  const int64_t samples = options().samples;
  std::vector<int64_t> missing;
  uint64_t marks = 0;
  std::string buffer;
  for (int64_t sample = 0; sample < samples; ++sample) {
    const std::string_view record = impl_->record(sample, buffer);
    marks += StoredLayout::mark_of(record);
    if (impl_->layout.is_whole(record, sample)) continue;
    if (!StoredLayout::is_missing(record)) impl_->refuse(kMissing, sample);
    missing.push_back(sample);
  }
  RETORT_CHECK_AS(
      FileError,
      impl_->layout.contents(marks) == impl_->fields.contents &&
          samples - static_cast<int64_t>(missing.size()) == rows(),
      kMissing, ": file must have all rows that were written (got fewer or others in ", impl_->source.name(), ")");
  return missing;
}

std::string StoredOutputs::description() const {
  const StoredOutputsOptions& options = impl_->layout.options();
  return describe(
      "stored_outputs", {{"samples", options.samples},
                         {"classes", options.classes},
                         {"dtype", std::string_view(c10::toString(options.dtype))},
                         {"top", options.top},
                         {"contents", std::string_view(std::to_string(impl_->fields.contents))}});
}

}  // namespace retort
