#include <ATen/core/grad_mode.h>
#include <retort/train/stored_outputs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <utility>

#include "io/temporary_file.h"
#include "io/whole_file.h"
#include "models/network_state.h"
#include "runtime/exit_gate.h"
#include "runtime/threads.h"
#include "tensor/check.h"
#include "tensor/finite.h"
#include "tensor/rows.h"
#include "tensor/shapes.h"
#include "train/autocast.h"
#include "train/format_choice.h"
#include "train/stored_layout.h"

namespace retort {
namespace {

constexpr const char* kStoredOutputsWriter = "StoredOutputsWriter";
constexpr const char* kWrite = "StoredOutputsWriter.write";
constexpr const char* kFinish = "StoredOutputsWriter.finish";

void require(const char* function, bool success, const std::string& path) {
  RETORT_CHECK_AS(
      FileError, success, function, ": path must be a file that can be written (got ", path, ": ", std::strerror(errno),
      ")");
}

/// A path at which there can be a file, without what was left beside it.
std::string checked(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    errno = EISDIR;
    require(kStoredOutputsWriter, false, path);
  }
  sweep_temporary_files(path);
  return path;
}

}  // namespace

struct StoredOutputsWriter::Impl {
  Impl(const std::string& path_given, const StoredOutputsOptions& options)
      : layout(kStoredOutputsWriter, options),
        path(checked(path_given)),
        temporary(std::make_unique<TemporaryFile>(path)) {
    require(kStoredOutputsWriter, temporary->file().get() >= 0, path);
    const auto bytes = static_cast<off_t>(layout.offset(options.samples));
    require(kStoredOutputsWriter, ::ftruncate(temporary->file().get(), bytes) == 0, path);
  }

  /// Requires an output [B, ...shape], and returns it as it is stored.
  at::Tensor converted(const std::string& what, const at::Tensor& tensor, const std::vector<int64_t>& shape) const {
    RETORT_CHECK_AS(
        ShapeError, tensor.defined() && tensor.sizes() == at::IntArrayRef(shape), kWrite, ": ", what,
        " must be of shape ", at::IntArrayRef(shape), " (got ",
        tensor.defined() ? c10::str(tensor.sizes()) : "an undefined tensor", ")");
    RETORT_CHECK_AS(
        ShapeError, tensor.is_floating_point(), kWrite, ": ", what, " must be floating point (got ",
        tensor.scalar_type(), ")");
    const at::Tensor stored = tensor.detach().to(at::kCPU, layout.options().dtype).contiguous();
    RETORT_CHECK_AS(
        NonFiniteError, all_finite(stored), kWrite, ": ", what, " must be finite in ", layout.options().dtype,
        " (got infinity or NaN)");
    return stored;
  }

  void write(const at::Tensor& indices, const at::Tensor& logits, const std::vector<at::Tensor>& features) {
    const StoredOutputsOptions& options = layout.options();
    check_rows(kWrite, "indices", indices, 1, options.samples);
    const at::Tensor samples = indices.cpu().contiguous();
    const int64_t batch = samples.numel();
    RETORT_CHECK_AS(
        ShapeError, features.size() == options.taps.size(), kWrite, ": features must be one for each of ",
        options.taps.size(), " taps (got ", features.size(), ")");
    std::vector<at::Tensor> outputs = {converted("logits", logits, {batch, options.classes})};
    for (size_t i = 0; i < features.size(); ++i) {
      const StoredTap& tap = options.taps[i];
      outputs.push_back(converted("feature " + tap.name, features[i], with_batch(batch, tap.shape)));
    }
    write_rows(samples.const_data_ptr<int64_t>(), outputs, batch);
  }

  void write_rows(const int64_t* samples, const std::vector<at::Tensor>& outputs, int64_t batch) {
    std::string record(static_cast<size_t>(layout.record_bytes()), '\0');
    const std::lock_guard<std::mutex> lock(mutex);
    RETORT_CHECK(temporary, kWrite, ": writer must not have finished (got one that has)");
    check_good(kWrite);
    for (int64_t i = 0; i < batch; ++i) {
      layout.encode(outputs, i, samples[i], record.data());
      uint64_t before = 0;
      const uint64_t place_of_mark = layout.offset(samples[i] + 1) - sizeof before;
      is_good = temporary->file().read_at(place_of_mark, reinterpret_cast<char*>(&before), sizeof before) >= 0 &&
                temporary->file().write_at(layout.offset(samples[i]), record);
      require(kWrite, is_good, path);
      rows += before == 0 ? 1 : 0;
      marks += StoredLayout::mark_of(record) - before;
    }
  }

  void finish() {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!temporary) return;
    check_good(kFinish);
    const std::string& description = layout.description();
    const StoredOutputsHeader header(
        {description.size(), checksum(description), static_cast<uint64_t>(rows), layout.contents(marks)});
    const Descriptor& file = temporary->file();
    is_good = file.write_at(sizeof header, description) && file.write_at(0, header.bytes()) &&
              ::fsync(file.get()) == 0 && temporary->rename();
    require(kFinish, is_good, path);
    temporary.reset();
    sync_folder(path);
  }

  void check_good(const char* function) const {
    RETORT_CHECK_AS(
        FileError, is_good, function, ": file must have been written so far (got a failure before, ", path, ")");
  }

  const StoredLayout layout;
  const std::string path;
  /// Null once it has finished.
  std::unique_ptr<TemporaryFile> temporary;
  /// Whether all was written that should.
  bool is_good = true;
  int64_t rows = 0;
  /// The sum of the rows' checksums.
  uint64_t marks = 0;
  std::mutex mutex;
};

StoredOutputsWriter::StoredOutputsWriter(const std::string& path, const StoredOutputsOptions& options) {
  static CallSite site;
  const RunningCall running(site);
  impl_ = std::make_unique<Impl>(path, options);
}

StoredOutputsWriter::~StoredOutputsWriter() = default;

const StoredOutputsOptions& StoredOutputsWriter::options() const {
  return impl_->layout.options();
}

int64_t StoredOutputsWriter::rows() const {
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  return impl_->rows;
}

void StoredOutputsWriter::write(
    const at::Tensor& indices, const at::Tensor& logits, const std::vector<at::Tensor>& features) {
  static CallSite site;
  const RunningCall running(site);
  const at::NoGradGuard no_gradients;
  impl_->write(indices, logits, features);
}

void StoredOutputsWriter::write(const at::Tensor& indices, Network& teacher, const at::Tensor& images) {
  static CallSite site;
  const RunningCall running(site);
  adopt_threads();
  const at::NoGradGuard no_gradients;
  NetworkOutput selected;
  {
    NetworkState& state = NetworkState::of(teacher);
    const auto lock = state.lock_settled();
    const at::TensorOptions own = teacher.tensor_options();
    const auto preparation = state.preprocessor();
    preparation->check(images, own);
    const MemoryFormat format = default_format(own.device(), Precision::kFull, static_cast<size_t>(images.dim()) - 1);
    const Autocast full(own.device(), Precision::kFull);
    const NetworkOutput output = state.evaluate(preparation->prepare(images.to(own.device()), own, to_aten(format)));
    selected.logits = output.logits;
    for (const StoredTap& tap : options().taps) {
      selected.features.push_back(output.features[static_cast<size_t>(teacher.tap_index(tap.name))]);
    }
  }
  impl_->write(indices, selected.logits, selected.features);
}

void StoredOutputsWriter::finish() {
  static CallSite site;
  const RunningCall running(site);
  impl_->finish();
}

}  // namespace retort
