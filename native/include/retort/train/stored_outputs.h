#pragma once

#include <ATen/core/Tensor.h>
#include <retort/export.h>
#include <retort/models/network.h>

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// A tap of the teacher whose features are stored.
struct RETORT_API StoredTap {
  std::string name;
  /// The shape of one feature, without the batch.
  std::vector<int64_t> shape;
};

/// What a file of stored outputs holds for each sample.
struct RETORT_API StoredOutputsOptions {
  /// Number of rows of the data set, >= 1.
  int64_t samples = 0;
  /// Number of logits, between 1 and 16,777,216.
  int64_t classes = 0;
  /// The features; none if only logits are stored.
  std::vector<StoredTap> taps = {};
  /// The dtype of logits and features: kFloat, kDouble, kHalf or kBFloat16. Half precision takes half the space.
  at::ScalarType dtype = at::kFloat;
  /// The number of logits that are stored, the largest ones, < classes; 0 for all. All others of a sample are replaced
  /// by one number, log(mean(exp(z))) over the logits z that are left out: in the softmax, the stored classes keep
  /// their probabilities, and the rest is spread evenly over the others. At temperatures other than 1, this is an
  /// approximation.
  int64_t top = 0;
  /// The caller's text, for example which teacher was used; at most 1 MiB.
  std::string note = {};
};

/// How a file of stored outputs is read.
enum class FileAccess {
  /// Row by row from the file; frequently read rows stay in the system's cache.
  kRead,
  /// From a memory mapping of the file, which saves a copy. If the file is truncated or its disk fails during a read,
  /// the system kills the process (SIGBUS): use it only for local files that nobody changes.
  kMapped,
  /// From memory, into which the whole file is read at once. The file may be deleted afterwards.
  kMemory,
};

/// The outputs of a teacher for the samples of a data set, read from a file written once and used in place of the
/// teacher in a TrainingStep (TeacherOptions::stored_outputs). Immutable and thread-safe.
///
/// Every row has a checksum, which is verified whenever the row is read. It detects damage, not forgery. The file may
/// be untrusted: it is data, and anything wrong with it results in a FileError.
class RETORT_API StoredOutputs {
 public:
  /// Opens a file written by a StoredOutputsWriter.
  /// @throws FileError if it is missing or damaged, or of another kind, format version or size
  explicit StoredOutputs(const std::string& path, FileAccess access = FileAccess::kRead);
  /// Reads a stream to its end, into memory.
  /// @param name what error messages call the stream
  /// @throws FileError as above, and if the stream fails
  explicit StoredOutputs(std::istream& stream, const std::string& name = "the stream");
  ~StoredOutputs();
  StoredOutputs(const StoredOutputs&) = delete;
  StoredOutputs& operator=(const StoredOutputs&) = delete;

  /// Returns what the file holds.
  const StoredOutputsOptions& options() const;
  /// Returns the number of samples that have a row.
  int64_t rows() const;

  /// Reads the rows of samples: logits [B, classes], and the features [B, ...shape] in the order of options().taps, on
  /// the CPU in options().dtype.
  /// @param indices int64 [B], not empty, each in [0, samples)
  /// @throws FileError if a row is missing or damaged, which the message names, or the file can't be read
  /// @throws c10::ValueError if the indices don't fit
  NetworkOutput read(const at::Tensor& indices) const;
  /// Reads the rows of samples as above, with only some of the features.
  /// @param taps positions in options().taps
  NetworkOutput read(const at::Tensor& indices, const std::vector<int64_t>& taps) const;

  /// Reads and checks the whole file.
  /// @return the samples without a row, in ascending order
  /// @throws FileError if the file is damaged or can't be read
  std::vector<int64_t> missing() const;

  /// Returns sizes, dtype and a checksum that identifies the contents, in one line, for checkpoints.
  std::string description() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Writes a file of stored outputs. The file is either complete or absent: it is written under a temporary name, and
/// finish() syncs and renames it; a previous file stays until then. Without finish(), nothing is left behind.
/// Thread-safe.
///
///     StoredOutputsWriter writer("teacher.outputs", {/*samples=*/50000, /*classes=*/100});
///     for (...) writer.write(indices, logits);  // computed by any engine
///     writer.finish();
class RETORT_API StoredOutputsWriter {
 public:
  /// Starts writing a file.
  /// @throws FileError if no file can be created next to `path`
  /// @throws c10::ValueError if an option is out of range
  StoredOutputsWriter(const std::string& path, const StoredOutputsOptions& options);
  ~StoredOutputsWriter();
  StoredOutputsWriter(const StoredOutputsWriter&) = delete;
  StoredOutputsWriter& operator=(const StoredOutputsWriter&) = delete;

  /// Returns what the file holds.
  const StoredOutputsOptions& options() const;
  /// Returns the number of samples that have a row so far.
  int64_t rows() const;

  /// Writes the rows of samples, in any order; for each sample, the last row counts.
  /// @param indices int64 [B], each in [0, samples)
  /// @param logits [B, classes], floating point; all of them, even if only the largest are stored
  /// @param features [B, ...shape], floating point, one for each of options().taps
  /// @throws ShapeError if a tensor does not fit
  /// @throws NonFiniteError if a value is not finite in options().dtype; nothing is then written
  /// @throws FileError if the file can't be written; all later calls then throw it, too
  /// @throws c10::ValueError if an index is out of range, or the writer has finished
  void write(const at::Tensor& indices, const at::Tensor& logits, const std::vector<at::Tensor>& features = {});

  /// Runs a teacher on images and writes its outputs: in evaluation mode, with the current weights, on images prepared
  /// according to Network::preprocessing, and in the memory format and precision that a TrainingStep uses by default.
  /// Holds the network's mutex.
  /// @param images [B, ...], of the teacher's dtype or uint8
  /// @throws c10::ValueError if the teacher has no such taps, and as above
  void write(const at::Tensor& indices, Network& teacher, const at::Tensor& images);

  /// Completes the file and moves it into place. Samples without a row are allowed, but reading them is an error.
  /// Finishing again has no effect.
  /// @throws FileError if the file can't be written; there is then no file, or the previous one
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace retort
