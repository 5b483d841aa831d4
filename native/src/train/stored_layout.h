#pragma once

#include <retort/train/stored_outputs.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/file_header.h"

namespace retort {

/// A file of stored outputs is a header, a description, and a record for each sample:
///
///     logits         classes numbers or, of the largest only: their classes, uint16 or, of more than 65,536, uint32;
///                    their values; the number that stands for each of the others
///     features       one map after the other
///     checksum       uint64, of the above; never 0
///
/// Numbers are little-endian. The record of a sample without a row is all zeros, and a hole in the file.
struct StoredOutputsFields {
  static constexpr std::string_view kMagic = "RETORTSO";
  static constexpr uint64_t kVersion = 2;
  static constexpr const char* kKind = "stored outputs";

  uint64_t description_bytes;
  uint64_t description_checksum;
  /// Samples that have one.
  uint64_t rows;
  /// Checksum of the description and the sum of all records' checksums.
  uint64_t contents;
};
using StoredOutputsHeader = FileHeader<StoredOutputsFields>;

/// Where everything is in a file of stored outputs.
class StoredLayout {
 public:
  /// @param function the caller's name, for error messages
  /// @throws c10::ValueError if an option is out of range
  StoredLayout(const char* function, StoredOutputsOptions options);

  /// The layout of a file with this description.
  /// @param name of the file, for error messages
  /// @throws FileError if there is no such layout
  static StoredLayout parse(const char* function, std::string_view description, const std::string& name);

  const StoredOutputsOptions& options() const { return options_; }
  /// What parse() takes.
  const std::string& description() const { return description_; }

  uint64_t record_bytes() const { return record_bytes_; }
  /// Of a sample's record, or of the end of the file.
  uint64_t offset(int64_t sample) const;

  /// Writes a row and its checksum to a record.
  /// @param outputs logits and features in the dtype, contiguous and finite on the CPU
  /// @param row of the outputs
  void encode(const std::vector<at::Tensor>& outputs, int64_t row, int64_t sample, char* record) const;
  /// Reads logits from a record that is whole into a row of a tensor [B, classes].
  /// @return false if the record is of no row that encode() writes
  bool decode_logits(std::string_view record, const at::Tensor& logits, int64_t row) const;
  /// Reads a feature into a row of a tensor [B, ...shape].
  void decode_feature(std::string_view record, size_t tap, const at::Tensor& feature, int64_t row) const;

  /// The checksum in a record.
  static uint64_t mark_of(std::string_view record);
  /// Whether a record is what encode() wrote for the sample.
  bool is_whole(std::string_view record, int64_t sample) const;
  /// Whether there is no row in a record.
  static bool is_missing(std::string_view record);
  /// StoredOutputsFields::contents.
  /// @param marks the sum of all samples' marks, those without a row having 0
  uint64_t contents(uint64_t marks) const;

 private:
  uint64_t computed_mark(std::string_view record, int64_t sample) const;
  size_t element_bytes() const { return c10::elementSize(options_.dtype); }
  size_t place_bytes() const;
  void encode_top(const at::Tensor& logits, int64_t row, char* record) const;

  StoredOutputsOptions options_;
  std::string description_;
  uint64_t seed_;
  uint64_t logits_bytes_;
  /// Where features begin in a record, and end.
  std::vector<uint64_t> feature_offsets_;
  uint64_t record_bytes_;
};

}  // namespace retort
