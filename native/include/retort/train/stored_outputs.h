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
  /// Without the batch.
  std::vector<int64_t> shape;
};

/// What a file of stored outputs holds for each sample.
struct RETORT_API StoredOutputsOptions {
  /// Rows of the data set, >= 1.
  int64_t samples = 0;
  /// Number of logits, between 1 and 16,777,216.
  int64_t classes = 0;
  /// The features; none if only logits are stored.
  std::vector<StoredTap> taps = {};
  /// Of logits and features: kFloat, kDouble, kHalf or kBFloat16. Half precision takes half the space.
  at::ScalarType dtype = at::kFloat;
  /// The number of logits that are stored, the largest, < classes; 0 for all. All others of a sample then become one
  /// number, log(mean(exp(z_j))) over the logits z_j that are left out: in the softmax, the classes that are stored
  /// keep their probabilities, and what remains is spread evenly over the others. At other temperatures than 1 this is
  /// an approximation.
  int64_t top = 0;
  /// Text of the caller, for example which teacher; at most 1 MiB.
  std::string note = {};
};

/// How a file of stored outputs is read.
enum class FileAccess {
  /// Row by row from the file; what is read often stays in the system's cache.
  kRead,
  /// From a mapping of the file into memory. Saves a copy. If somebody truncates the file or its disk fails during a
  /// read, the system ends the process (SIGBUS): for local files that nobody changes.
  kMapped,
  /// From memory, into which the whole file is read at once. The file may go afterwards.
  kMemory,
};

/// The outputs of a teacher for the samples of a data set, from a file that was written once, in place of a teacher in
/// a TrainingStep (TeacherOptions::stored_outputs). Immutable and thread-safe.
///
/// Every row has a checksum, which is compared whenever it is read. It finds damage, not forgery. The file may be
/// untrusted: it is data, and what is wrong with it ends in a FileError.
class RETORT_API StoredOutputs {
 public:
  /// Opens a file that StoredOutputsWriter has written.
  /// @throws FileError if it is missing, damaged, of another kind, format version or size
  explicit StoredOutputs(const std::string& path, FileAccess access = FileAccess::kRead);
  /// Reads a stream to its end, into memory.
  /// @param name what error messages call the stream
  /// @throws FileError as above, and if the stream fails
  explicit StoredOutputs(std::istream& stream, const std::string& name = "the stream");
  ~StoredOutputs();
  StoredOutputs(const StoredOutputs&) = delete;
  StoredOutputs& operator=(const StoredOutputs&) = delete;

  /// What the file holds.
  const StoredOutputsOptions& options() const;
  /// The number of samples that have a row.
  int64_t rows() const;

  /// Reads the rows of samples: logits [B, classes] and the features [B, ...shape] in the order of options().taps, on
  /// the CPU in options().dtype.
  /// @param indices int64 [B], not empty, each in [0, samples)
  /// @throws FileError if a row is missing or damaged, which the message names, or the file can't be read
  /// @throws c10::ValueError if the indices don't fit
  NetworkOutput read(const at::Tensor& indices) const;
  /// The same, with the features of these places among options().taps only.
  NetworkOutput read(const at::Tensor& indices, const std::vector<int64_t>& taps) const;

  /// Reads and checks the whole file.
  /// @return the samples without a row, in ascending order
  /// @throws FileError if the file is damaged or can't be read
  std::vector<int64_t> missing() const;

  /// In one line, for a checkpoint: sizes, dtype and a checksum that tells the contents from others.
  std::string description() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Writes a file of stored outputs. The file is complete or not there: it is written under a temporary name, and
/// finish() syncs and renames it; a previous file stays until then. Without finish() nothing is left. Thread-safe.
///
///     StoredOutputsWriter writer("teacher.outputs", {/*samples=*/50000, /*classes=*/100});
///     for (...) writer.write(indices, logits);  // as any engine computed them
///     writer.finish();
class RETORT_API StoredOutputsWriter {
 public:
  /// @throws FileError if a file can't be created beside `path`
  /// @throws c10::ValueError if an option is out of range
  StoredOutputsWriter(const std::string& path, const StoredOutputsOptions& options);
  ~StoredOutputsWriter();
  StoredOutputsWriter(const StoredOutputsWriter&) = delete;
  StoredOutputsWriter& operator=(const StoredOutputsWriter&) = delete;

  /// What the file holds.
  const StoredOutputsOptions& options() const;
  /// The number of samples that have a row so far.
  int64_t rows() const;

  /// Writes the rows of samples, in any order; of a sample, the last row counts.
  /// @param indices int64 [B], each in [0, samples)
  /// @param logits [B, classes], floating point; all of them, whatever options().top is
  /// @param features [B, ...shape], floating point, one for each of options().taps
  /// @throws ShapeError if a tensor does not fit
  /// @throws NonFiniteError if a value is not finite in options().dtype; nothing is written then
  /// @throws FileError if the file can't be written; so do all calls after that
  /// @throws c10::ValueError if an index is out of range, or the writer has finished
  void write(const at::Tensor& indices, const at::Tensor& logits, const std::vector<at::Tensor>& features = {});

  /// Runs a teacher on images, and writes its outputs: in evaluation mode, with the current weights, on images that are
  /// prepared as Network::preprocessing says, and in the memory format and precision that a TrainingStep takes by
  /// default. Holds the network's mutex.
  /// @param images [B, ...]; of floating point or bytes
  /// @throws c10::ValueError if the teacher has no such taps, and as write()
  void write(const at::Tensor& indices, Network& teacher, const at::Tensor& images);

  /// Completes the file and puts it in its place. Samples without a row are allowed: reading them is an error. Doing so
  /// again has no effect.
  /// @throws FileError if the file can't be written; there is no file then, or the previous one
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace retort
