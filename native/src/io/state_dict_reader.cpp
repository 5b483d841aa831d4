#include <ATen/core/Dict.h>

#include <memory>
#include <optional>
#include <utility>

#include "io/archive_file.h"
#include "io/memory_adapter.h"
#include "io/state_dict_file.h"
#include "io/unpickler.h"
#include "tensor/check.h"
#include "tensor/out_of_memory.h"

namespace retort {
namespace {

using Tensors = std::optional<torch::OrderedDict<std::string, at::Tensor>>;

Tensors tensors_of(const c10::IValue& value) {
  if (!value.isGenericDict()) return std::nullopt;
  torch::OrderedDict<std::string, at::Tensor> tensors;
  for (const auto& entry : value.toGenericDict()) {
    if (!entry.value().isTensor()) return std::nullopt;
    tensors.insert(entry.key().toStringRef(), entry.value().toTensor());
  }
  return tensors;
}

/// The entry of a checkpoint that holds the state dict, or the value itself.
c10::IValue unwrap(const c10::IValue& value) {
  if (!value.isGenericDict()) return value;
  for (const auto& entry : value.toGenericDict()) {
    const std::string& key = entry.key().toStringRef();
    const bool is_usual = key == "model" || key == "state_dict" || key == "model_state_dict";
    if (is_usual && entry.value().isGenericDict()) return entry.value();
  }
  return value;
}

/// Nothing of a foreign archive: what its reader says about it does not help its user.
Tensors parse(const ArchiveFile& archive, ExtraRecord* extra = nullptr) {
  try {
    Unpickler unpickler(archive);
    if (extra) extra->text = unpickler.record(extra->name);
    return tensors_of(unwrap(unpickler.load()));
  } catch (const std::exception& error) {
    if (is_out_of_memory(error, archive)) throw;
    return std::nullopt;
  }
}

torch::OrderedDict<std::string, at::Tensor> required(const char* function, Tensors tensors, const std::string& name) {
  RETORT_CHECK_AS(
      FileError, tensors, function, ": file must be a dict of tensors saved by torch.save in its zip format (got ",
      name, ")");
  return *std::move(tensors);
}

}  // namespace

torch::OrderedDict<std::string, at::Tensor> read_state_dict(
    const char* function, const std::string& path, ExtraRecord* extra) {
  return required(function, parse(open_archive(function, path), extra), path);
}

torch::OrderedDict<std::string, at::Tensor> parse_state_dict(
    const char* function, std::string_view bytes, const std::string& name, ExtraRecord* extra) {
  return required(function, parse(std::make_shared<MemoryAdapter>(bytes), extra), name);
}

Tensors parse_archive(std::string_view bytes) {
  return parse(std::make_shared<MemoryAdapter>(bytes));
}

}  // namespace retort
