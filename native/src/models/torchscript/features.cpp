#include "models/torchscript/features.h"

#include <string>
#include <utility>

#include "tensor/check.h"

namespace retort {

std::vector<at::Tensor> features_of(const c10::IValue& features, NetworkShapes& shapes) {
  const auto reject = [&features] {
    fail("TorchScriptNetwork: features must be a dict, list or tuple of tensors (got ", features.type()->str(), ")");
  };
  if (features.isGenericDict()) {
    const auto dict = features.toGenericDict();
    if (shapes.current_tap_names().empty()) {
      std::vector<std::string> names;
      for (const auto& entry : dict) {
        if (!entry.key().isString()) reject();
        names.push_back(entry.key().toStringRef());
      }
      shapes.set_tap_names(std::move(names));
    }
    std::vector<at::Tensor> tensors;
    for (const std::string& name : shapes.current_tap_names()) {
      const auto found = dict.find(name);
      RETORT_CHECK(
          found != dict.end(), "TorchScriptNetwork: features must have the key ", name, " (got ", dict.size(),
          " others)");
      if (!found->value().isTensor()) reject();
      tensors.push_back(found->value().toTensor());
    }
    return tensors;
  }

  std::vector<at::Tensor> tensors;
  if (features.isTensorList()) {
    tensors = features.toTensorVector();
  } else if (features.isTuple()) {
    for (const c10::IValue& element : features.toTupleRef().elements()) {
      if (!element.isTensor()) reject();
      tensors.push_back(element.toTensor());
    }
  } else {
    reject();
  }
  if (shapes.current_tap_names().empty()) {
    std::vector<std::string> names;
    for (size_t i = 0; i < tensors.size(); ++i) names.push_back(std::to_string(i));
    shapes.set_tap_names(std::move(names));
  }
  return tensors;
}

}  // namespace retort
