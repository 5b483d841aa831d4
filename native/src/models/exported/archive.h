#pragma once

#include <ATen/core/Tensor.h>
#include <caffe2/serialize/inline_container.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace retort::exported {

/// The file of torch.export.save: a zip archive with programs in JSON, whose tensors lie beside them as they are in
/// memory. Pickles in it are never read.
/// @throws FileError whose message is the reason, from every method
class Archive {
 public:
  explicit Archive(std::shared_ptr<caffe2::serialize::ReadAdapterInterface> file);

  /// The names of the programs.
  std::vector<std::string> programs();
  bool has(const std::string& record) { return reader_.hasRecord(record); }
  std::string text(const std::string& record);
  /// Of a program, in JSON.
  std::string program(const std::string& name) { return text("models/" + name + ".json"); }
  /// Parameters and persistent buffers of a program by the names of its state dict.
  std::map<std::string, at::Tensor> weights(const std::string& program) { return tensors("weights", program); }
  /// Other buffers and constants of a program.
  std::map<std::string, at::Tensor> constants(const std::string& program) { return tensors("constants", program); }

 private:
  std::map<std::string, at::Tensor> tensors(const std::string& kind, const std::string& program);

  caffe2::serialize::PyTorchStreamReader reader_;
};

}  // namespace retort::exported
