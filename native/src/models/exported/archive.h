#pragma once

#include <ATen/core/Tensor.h>
#include <caffe2/serialize/inline_container.h>

#include <map>
#include <string>
#include <vector>

#include "io/archive_file.h"

namespace retort::exported {

/// The file of torch.export.save: a zip archive with programs in JSON, whose tensors lie beside them as they are in
/// memory. Pickles in it are never read.
/// @throws FileError whose message is the reason, from every method
class Archive {
 public:
  explicit Archive(const ArchiveFile& file);

  /// What package_pt2 calls a program that is to run in evaluation mode.
  static constexpr const char* kEvaluation = "evaluation";

  /// The name of the only program, or of that called "model".
  std::string main_program();
  /// Whether there is another one, called "evaluation".
  bool has_evaluation_program() { return main_program() != kEvaluation && has(record_of(kEvaluation)); }
  bool has(const std::string& record) { return reader_.hasRecord(record); }
  std::string text(const std::string& record);
  /// Of a program, in JSON.
  std::string program(const std::string& name) { return text(record_of(name)); }
  /// Parameters and persistent buffers of a program by the names of its state dict.
  std::map<std::string, at::Tensor> weights(const std::string& program) { return tensors("weights", program); }
  /// Other buffers and constants of a program.
  std::map<std::string, at::Tensor> constants(const std::string& program) { return tensors("constants", program); }

 private:
  static std::string record_of(const std::string& program) { return "models/" + program + ".json"; }

  std::vector<std::string> programs();
  std::map<std::string, at::Tensor> tensors(const std::string& kind, const std::string& program);

  caffe2::serialize::PyTorchStreamReader reader_;
};

}  // namespace retort::exported
