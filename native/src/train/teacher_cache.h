#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "io/descriptor.h"

namespace retort {

/// What a teacher made of each sample of a data set that is not augmented, in memory or in a file. A sample costs
/// memory or disk space once it is there.
///
/// Every row carries a checksum, so that a process that is killed or a machine that loses its power leaves rows that
/// are whole and rows that are not there, nothing else. Not safe under threads.
class TeacherCache {
 public:
  /// The teacher's outputs for one sample.
  struct Output {
    std::vector<int64_t> shape;
    at::ScalarType dtype;
  };

  /// Opens a file or creates it, for this cache alone until its end.
  /// @param path empty: in memory
  /// @param fingerprint of the teacher's weights and everything else the outputs depend on
  /// @throws FileError if the file is in use, cannot be opened or is not of these samples, outputs and
  ///     fingerprint; it is as it was then
  TeacherCache(int64_t samples, std::vector<Output> outputs, const std::string& path, uint64_t fingerprint);

  int64_t samples() const { return samples_; }

  /// The positions in `indices` (int64 [B] on the CPU, each in [0, samples)) whose sample is not there yet.
  std::vector<int64_t> missing(const at::Tensor& indices) const;

  /// One tensor [B, shape...] for each output; all samples must be there.
  std::vector<at::Tensor> read(const at::Tensor& indices) const;

  /// Remembers rows [B, shape...], one tensor for each output, in the cache's dtypes; each sample's last row wins.
  /// @throws FileError if the disk is full or fails; each sample of the batch is then whole or not there
  void write(const at::Tensor& indices, const std::vector<at::Tensor>& rows);

 private:
  enum class State : char { kUnknown, kMissing, kWhole };

  /// Reads a sample's record, and says whether it is whole.
  bool load(int64_t sample, std::string& record) const;
  uint64_t offset(int64_t sample) const;
  void require(bool success) const;

  int64_t samples_;
  std::vector<Output> outputs_;
  std::string path_;
  /// Of a sample's rows and their checksum.
  uint64_t record_bytes_;
  Descriptor file_;
  mutable std::vector<State> states_;
};

}  // namespace retort
