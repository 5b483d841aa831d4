#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "expect.h"

namespace retort::test {

/// A file as Python's torch.save writes it, built opcode by opcode: the pickle and the tensors that it refers to.
class PythonFile {
 public:
  PythonFile& opcodes(const std::string& bytes);
  PythonFile& text(const std::string& value);
  PythonFile& number(int32_t value);
  PythonFile& global(const std::string& module, const std::string& name);
  PythonFile& tensor(const at::Tensor& value);
  /// A tensor's storage, which what follows makes a tensor of.
  PythonFile& storage(const at::Tensor& value);
  /// What `module.state_dict()` returns: an OrderedDict with the attribute `_metadata`.
  PythonFile& state_dict(const NamedTensors& tensors);

  /// The order of the bytes of each number, as if saved by a machine of that order. Without one, the file is of the
  /// time before it had this record.
  PythonFile& byte_order(const std::string& order);

  void save(const std::string& path) const;

 private:
  PythonFile& tuple(at::IntArrayRef values);

  std::string pickle_ = "\x80\x02";
  std::vector<at::Tensor> tensors_;
  std::optional<std::string> byte_order_;
};

}  // namespace retort::test
