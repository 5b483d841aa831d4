#pragma once

#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <string>
#include <vector>

namespace retort {

/// What a TorchScript module's forward pass may assign or change: all attributes but parameters, modules and the mode.
class Attributes {
 public:
  /// What all of them were at one moment. The contents of buffers are not part of it.
  struct Values {
    std::vector<c10::IValue> values;
    /// Of tensors that a pass may change in place.
    std::vector<at::Tensor> contents;
  };

  explicit Attributes(const torch::jit::Module& program);

  /// In the memory that `values` has already.
  void save(Values& values) const;
  void restore(const Values& values);

  /// NetworkState::packed_attributes and unpack_attributes. Buffers are not among them, they are in the state dict.
  std::string pack() const;
  std::function<void()> unpack(const std::string& bytes);

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
  };

  std::vector<Attribute> attributes_;
};

}  // namespace retort
