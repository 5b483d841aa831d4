#include "python_file.h"

#include <ATen/Functions.h>
#include <caffe2/serialize/inline_container.h>

#include <algorithm>
#include <stdexcept>

namespace retort::test {
namespace {

std::string storage_type(at::ScalarType dtype) {
  switch (dtype) {
    case at::kFloat:
      return "FloatStorage";
    case at::kDouble:
      return "DoubleStorage";
    case at::kLong:
      return "LongStorage";
    case at::kComplexFloat:
      return "ComplexFloatStorage";
    default:
      throw std::invalid_argument("another dtype");
  }
}

std::string little_endian(uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(value >> shift & 0xff));
  return bytes;
}

}  // namespace

PythonFile& PythonFile::opcodes(const std::string& bytes) {
  pickle_ += bytes;
  return *this;
}

PythonFile& PythonFile::text(const std::string& value) {
  return opcodes("X" + little_endian(static_cast<uint32_t>(value.size())) + value);
}

PythonFile& PythonFile::number(int32_t value) {
  return opcodes("J" + little_endian(static_cast<uint32_t>(value)));
}

PythonFile& PythonFile::global(const std::string& module, const std::string& name) {
  return opcodes("c" + module + "\n" + name + "\n");
}

PythonFile& PythonFile::tuple(at::IntArrayRef values) {
  opcodes("(");
  for (int64_t value : values) number(static_cast<int32_t>(value));
  return opcodes("t");
}

PythonFile& PythonFile::tensor(const at::Tensor& value) {
  global("torch._utils", "_rebuild_tensor_v2").opcodes("(").storage(value);
  const at::Tensor whole = tensors_.back();
  number(0).tuple(whole.sizes()).tuple(whole.strides());
  return opcodes("\x89").global("collections", "OrderedDict").opcodes(")RtR");
}

PythonFile& PythonFile::storage(const at::Tensor& value) {
  const at::Tensor whole = value.contiguous();
  opcodes("(").text("storage").global("torch", storage_type(whole.scalar_type()));
  text(std::to_string(tensors_.size())).text("cpu").number(static_cast<int32_t>(whole.numel()));
  tensors_.push_back(whole);
  return opcodes("tQ");
}

PythonFile& PythonFile::state_dict(const NamedTensors& tensors) {
  global("collections", "OrderedDict").opcodes(")R(");
  for (const auto& entry : tensors) text(entry.key()).tensor(entry.value());
  opcodes("u}").text("_metadata").global("collections", "OrderedDict").opcodes(")R(");
  return text("").opcodes("}").text("version").number(1).opcodes("susb");
}

PythonFile& PythonFile::byte_order(const std::string& order) {
  byte_order_ = order;
  return *this;
}

void PythonFile::save(const std::string& path) const {
  caffe2::serialize::PyTorchStreamWriter writer(path);
  const std::string whole = pickle_ + ".";
  writer.writeRecord("data.pkl", whole.data(), whole.size());
  if (byte_order_) writer.writeRecord("byteorder", byte_order_->data(), byte_order_->size());
  for (size_t i = 0; i < tensors_.size(); ++i) {
    std::string bytes(static_cast<const char*>(tensors_[i].const_data_ptr()), tensors_[i].nbytes());
    if (byte_order_ == "big") {
      const auto width = static_cast<std::ptrdiff_t>(at::real(tensors_[i]).element_size());
      for (auto begin = bytes.begin(); begin != bytes.end(); begin += width) std::reverse(begin, begin + width);
    }
    writer.writeRecord("data/" + std::to_string(i), bytes.data(), bytes.size());
  }
  writer.writeEndOfFile();
}

}  // namespace retort::test
