#pragma once

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/api/module.h>

#include <string>
#include <vector>

namespace retort {

/// What a TorchScript module's forward pass may assign or change: all attributes but parameters, modules and the mode.
class Attributes {
 public:
  explicit Attributes(const torch::jit::Module& program);

  void snapshot();
  void restore();

  /// Network::packed_attributes and unpack_attributes. Buffers are not among them, they are in the state dict.
  std::string pack() const;
  void unpack(const std::string& bytes);

 private:
  struct Attribute {
    const c10::IValue& value() const { return object->getSlot(slot); }
    void assign(c10::IValue changed) { object->setSlot(slot, std::move(changed)); }

    c10::intrusive_ptr<c10::ivalue::Object> object;
    size_t slot;
    std::string name;
    c10::TypePtr type;
    bool is_buffer;
    bool is_packed;
    c10::IValue saved_value;
    at::Tensor saved_contents;
  };

  std::vector<Attribute> attributes_;
};

}  // namespace retort
