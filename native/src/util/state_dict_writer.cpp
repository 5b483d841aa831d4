#include "util/state_dict_file.h"

#include <ATen/core/Dict.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/pickler.h>
#include <torch/csrc/jit/serialization/pickler_helper.h>

#include "util/whole_file.h"

namespace retort {
namespace {

/// The bytes of torch.save's zip archive. `pickle_save` would do, were it not for the type tags it adds to a dict,
/// which `weights_only=True` refuses.
std::string to_archive(const torch::OrderedDict<std::string, at::Tensor>& tensors) {
  c10::Dict<std::string, at::Tensor> dict;
  for (const auto& entry : tensors) dict.insert(entry.key(), entry.value().detach());

  std::string pickled;
  torch::jit::Pickler pickler(
      [&pickled](const char* bytes, size_t size) { pickled.append(bytes, size); }, nullptr, nullptr, nullptr, nullptr,
      /*tag_aggregates=*/false);
  pickler.protocol();
  pickler.pushIValue(dict);
  pickler.stop();

  std::string archive;
  caffe2::serialize::PyTorchStreamWriter writer([&archive](const void* bytes, size_t size) {
    archive.append(static_cast<const char*>(bytes), size);
    return size;
  });
  writer.writeRecord("data.pkl", pickled.data(), pickled.size());
  const std::string byte_order = "little";
  writer.writeRecord("byteorder", byte_order.data(), byte_order.size());
  size_t index = 0;
  for (const at::Tensor& tensor : pickler.tensorData()) {
    const auto data = torch::jit::getWriteableTensorData(tensor);
    writer.writeRecord("data/" + std::to_string(index++), data.data(), data.sizeInBytes());
  }
  writer.writeEndOfFile();
  return archive;
}

}  // namespace

void write_state_dict(
    const char* function, const torch::OrderedDict<std::string, at::Tensor>& tensors, const std::string& path) {
  write_whole_file(function, path, to_archive(tensors));
}

}  // namespace retort
