#include "train/teacher_cache.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/util/accumulate.h>
#include <c10/util/safe_numerics.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>

#include <cstring>
#include <limits>
#include <utility>

#include "io/file_header.h"
#include "tensor/rows.h"
#include "tensor/shapes.h"

namespace retort {
namespace {

constexpr const char* kTeacherCache = "TeacherCache";

/// The header is followed by a record for each sample: its row of every output, then their checksum. Records that were
/// not written are holes in the file, which read as zeros; the checksum of zeros is another.
struct Fields {
  static constexpr std::string_view kMagic = "RETORTTC";
  static constexpr uint64_t kVersion = 2;
  static constexpr const char* kKind = "a teacher's cache";

  uint64_t samples;
  /// Checksum of their shapes and dtypes.
  uint64_t outputs;
  uint64_t fingerprint;
};
using Header = FileHeader<Fields>;

uint64_t record_bytes_of(int64_t samples, const std::vector<TeacherCache::Output>& outputs) {
  RETORT_CHECK(samples >= 1, kTeacherCache, ": samples must be at least 1 (got ", samples, ")");
  uint64_t bytes = sizeof(uint64_t);
  for (const auto& output : outputs) {
    bytes += static_cast<uint64_t>(c10::multiply_integers(output.shape)) * c10::elementSize(output.dtype);
  }
  uint64_t total;
  RETORT_CHECK(
      !c10::mul_overflows(static_cast<uint64_t>(samples), bytes, &total) &&
          total <= std::numeric_limits<int64_t>::max() - sizeof(Header),
      kTeacherCache, ": samples must fit a file (got ", samples, " of ", bytes, " bytes)");
  return bytes;
}

int open_file(const std::string& path) {
  // Memory is a file, too, of which only what was written takes room.
  if (path.empty()) return ::memfd_create("retort", MFD_CLOEXEC);
  return ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
}

uint64_t checksum_of(const std::vector<TeacherCache::Output>& outputs) {
  std::string text;
  for (const auto& output : outputs) text += c10::str(output.dtype, at::IntArrayRef(output.shape));
  return checksum(text);
}

}  // namespace

TeacherCache::TeacherCache(int64_t samples, std::vector<Output> outputs, const std::string& path, uint64_t fingerprint)
    : samples_(samples),
      outputs_(std::move(outputs)),
      path_(path),
      record_bytes_(record_bytes_of(samples_, outputs_)),
      file_(open_file(path)) {
  require(file_.get() >= 0);
  RETORT_CHECK_AS(
      FileError, ::flock(file_.get(), LOCK_EX | LOCK_NB) == 0, kTeacherCache,
      ": file must be in use by this cache only (got ", path, ": ", std::strerror(errno), ")");
  const Fields fields = {static_cast<uint64_t>(samples), checksum_of(outputs_), fingerprint};
  const auto bytes = static_cast<int64_t>(offset(samples));
  const int64_t size = file_.size();
  require(size >= 0);
  if (size == 0) {
    // Synced, so that a loss of power later does not leave a file without a header.
    require(file_.write_at(0, Header(fields).bytes()) && ::fsync(file_.get()) == 0);
  } else {
    Header header;
    require(file_.read_at(0, header.data(), sizeof header) >= 0);
    const Fields& found = header.checked(kTeacherCache, path);
    RETORT_CHECK_AS(
        FileError, found.samples == fields.samples, kTeacherCache, ": file must be of ", samples, " samples (got ",
        found.samples, " in ", path, ")");
    RETORT_CHECK_AS(
        FileError, found.outputs == fields.outputs, kTeacherCache, ": file must be of the same outputs (got others in ",
        path, ")");
    RETORT_CHECK_AS(
        FileError, found.fingerprint == fingerprint, kTeacherCache,
        ": file must be of the same teacher (got another in ", path, ")");
    // Only the header is there if a process was killed right after it wrote it.
    RETORT_CHECK_AS(
        FileError, size == bytes || size == sizeof header, kTeacherCache, ": file must be of ", bytes, " bytes (got ",
        size, " in ", path, ")");
  }
  require(::ftruncate(file_.get(), bytes) == 0);
  states_.assign(static_cast<size_t>(samples), size == 0 ? State::kMissing : State::kUnknown);
}

std::vector<int64_t> TeacherCache::missing(const at::Tensor& indices) const {
  check_rows(kTeacherCache, "indices", indices, 1, samples_);
  const at::Tensor whole = indices.contiguous();
  const int64_t* sample = whole.const_data_ptr<int64_t>();
  std::string record(record_bytes_, '\0');
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < whole.numel(); ++i) {
    const State state = states_[static_cast<size_t>(sample[i])];
    const bool is_there = state == State::kUnknown ? load(sample[i], record) : state == State::kWhole;
    if (!is_there) positions.push_back(i);
  }
  return positions;
}

std::vector<at::Tensor> TeacherCache::read(const at::Tensor& indices) const {
  check_rows(kTeacherCache, "indices", indices, 1, samples_);
  const at::Tensor whole = indices.contiguous();
  const int64_t* sample = whole.const_data_ptr<int64_t>();
  const int64_t batch = whole.numel();
  std::vector<at::Tensor> rows;
  for (const Output& output : outputs_) rows.push_back(at::empty(with_batch(batch, output.shape), output.dtype));
  std::string record(record_bytes_, '\0');
  for (int64_t i = 0; i < batch; ++i) {
    RETORT_CHECK(
        load(sample[i], record), kTeacherCache, ": samples must be there (got ", sample[i], ", which is missing)");
    const char* row = record.data();
    for (const at::Tensor& output : rows) {
      const size_t bytes = output.nbytes() / static_cast<size_t>(batch);
      std::memcpy(static_cast<char*>(output.mutable_data_ptr()) + static_cast<size_t>(i) * bytes, row, bytes);
      row += bytes;
    }
  }
  return rows;
}

void TeacherCache::write(const at::Tensor& indices, const std::vector<at::Tensor>& rows) {
  const at::NoGradGuard no_grad;
  check_rows(kTeacherCache, "indices", indices, 1, samples_);
  const at::Tensor whole = indices.contiguous();
  const int64_t* sample = whole.const_data_ptr<int64_t>();
  const int64_t batch = whole.numel();
  RETORT_CHECK_AS(
      ShapeError, rows.size() == outputs_.size(), kTeacherCache, ": rows must be one tensor for each of ",
      outputs_.size(), " outputs (got ", rows.size(), ")");
  std::vector<at::Tensor> converted;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::vector<int64_t> sizes = with_batch(batch, outputs_[i].shape);
    RETORT_CHECK_AS(
        ShapeError, rows[i].defined() && rows[i].sizes() == at::IntArrayRef(sizes), kTeacherCache,
        ": rows must be of shape ", at::IntArrayRef(sizes), " (got ",
        rows[i].defined() ? c10::str(rows[i].sizes()) : "an undefined tensor", ")");
    converted.push_back(rows[i].to(at::kCPU, outputs_[i].dtype).contiguous());
  }
  std::string record(record_bytes_, '\0');
  const std::string_view content = std::string_view(record).substr(0, record_bytes_ - sizeof(uint64_t));
  for (int64_t i = 0; i < batch; ++i) {
    char* row = record.data();
    for (const at::Tensor& output : converted) {
      const size_t bytes = output.nbytes() / static_cast<size_t>(batch);
      std::memcpy(row, static_cast<const char*>(output.const_data_ptr()) + static_cast<size_t>(i) * bytes, bytes);
      row += bytes;
    }
    const uint64_t mark = checksum(content);
    std::memcpy(row, &mark, sizeof mark);
    State& state = states_[static_cast<size_t>(sample[i])];
    state = State::kMissing;
    require(file_.write_at(offset(sample[i]), record));
    state = State::kWhole;
  }
}

bool TeacherCache::load(int64_t sample, std::string& record) const {
  const int64_t count = file_.read_at(offset(sample), record.data(), record.size());
  require(count >= 0);
  const std::string_view content = std::string_view(record).substr(0, record_bytes_ - sizeof(uint64_t));
  uint64_t mark;
  std::memcpy(&mark, record.data() + content.size(), sizeof mark);
  const bool is_whole = count == static_cast<int64_t>(record.size()) && mark == checksum(content);
  states_[static_cast<size_t>(sample)] = is_whole ? State::kWhole : State::kMissing;
  return is_whole;
}

uint64_t TeacherCache::offset(int64_t sample) const {
  return sizeof(Header) + static_cast<uint64_t>(sample) * record_bytes_;
}

void TeacherCache::require(bool success) const {
  RETORT_CHECK_AS(
      FileError, success, kTeacherCache, ": path must be a file that can be read and written (got ",
      path_.empty() ? "memory" : path_, ": ", std::strerror(errno), ")");
}

}  // namespace retort
