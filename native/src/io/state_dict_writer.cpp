#include "io/state_dict_file.h"

#include <ATen/core/Dict.h>
#include <caffe2/serialize/inline_container.h>
#include <torch/csrc/jit/serialization/pickler.h>
#include <torch/csrc/jit/serialization/pickler_helper.h>

namespace retort {

// Tensors are saved as the CPU's, so that machines without their device can read them. `pickle_save` would do
// otherwise, were it not for the type tags it adds to a dict, which `weights_only=True` refuses.
void append_archive(
    const torch::OrderedDict<std::string, at::Tensor>& tensors, std::string& bytes,
    const std::vector<ExtraRecord>& extras) {
  c10::Dict<std::string, at::Tensor> dict;
  for (const auto& entry : tensors) dict.insert(entry.key(), entry.value().detach().cpu().resolve_conj().resolve_neg());

  std::string pickled;
  torch::jit::Pickler pickler(
      [&pickled](const char* part, size_t size) { pickled.append(part, size); }, nullptr, nullptr, nullptr, nullptr,
      /*tag_aggregates=*/false);
  pickler.protocol();
  pickler.pushIValue(dict);
  pickler.stop();

  caffe2::serialize::PyTorchStreamWriter writer([&bytes](const void* part, size_t size) {
    bytes.append(static_cast<const char*>(part), size);
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
  for (const ExtraRecord& extra : extras) writer.writeRecord(extra.name, extra.text.data(), extra.text.size());
  writer.writeEndOfFile();
}

}  // namespace retort
