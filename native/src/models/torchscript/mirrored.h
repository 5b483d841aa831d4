#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tensor/remember.h"

namespace retort {

/// A module of a TorchScript program as a torch::nn::Module: its parameters and buffers are the program's own
/// tensors, its mode is the program's mode.
template <typename Base>
class Mirrored : public Base {
 public:
  template <typename... Args>
  explicit Mirrored(torch::jit::Module program, Args&&... args)
      : Base(std::forward<Args>(args)...), program_(std::move(program)) {
    // Before there are children, whose modes are their own.
    Base::train(program_.hasattr("training") ? program_.is_training() : false);
    for (const auto& parameter : program_.named_parameters(/*recurse=*/false)) {
      this->register_parameter(parameter.name, parameter.value, parameter.value.requires_grad());
    }
    for (const auto& buffer : program_.named_buffers(/*recurse=*/false)) {
      const size_t slot = program_.type()->getAttributeSlot(buffer.name);
      buffers_in_slots_.emplace_back(slot, this->register_buffer(buffer.name, buffer.value));
    }
    for (const auto& child : program_.named_children()) {
      parts_.push_back(this->register_module(child.name, std::make_shared<Mirrored<torch::nn::Module>>(child.value)));
    }
  }

  void train(bool on) override {
    if (program_.hasattr("training")) program_.setattr("training", on);
    Base::train(on);
  }

  /// Takes over the buffers that the program has assigned anew, as BatchNorm's counter in old files.
  void adopt() {
    const at::NoGradGuard no_grad;
    const auto object = program_._ivalue();
    for (const auto& [slot, buffer] : buffers_in_slots_) {
      const at::Tensor& assigned = object->getSlot(slot).toTensor();
      if (assigned.is_same(buffer)) continue;
      if (fits(buffer, assigned)) {
        buffer.copy_(assigned);
      } else {
        buffer.set_data(assigned.detach());
      }
      object->setSlot(slot, buffer);
    }
    for (const auto& part : parts_) part->adopt();
  }

  /// Calls visit(name, buffer, assigned) for each buffer that there is to adopt.
  template <typename Visit>
  void visit_assigned(const Visit& visit, const std::string& prefix = {}) const {
    const auto object = program_._ivalue();
    for (const auto& [slot, buffer] : buffers_in_slots_) {
      const at::Tensor& assigned = object->getSlot(slot).toTensor();
      if (!assigned.is_same(buffer)) visit(prefix + program_.type()->getAttributeName(slot), buffer, assigned);
    }
    for (const auto& child : this->named_children()) {
      static_cast<const Mirrored<torch::nn::Module>&>(*child.value()).visit_assigned(visit, prefix + child.key() + '.');
    }
  }

  /// Whether there is nothing to adopt.
  bool is_adopted() const {
    const auto object = program_._ivalue();
    const auto is_in_slot = [&](const auto& one) { return object->getSlot(one.first).toTensor().is_same(one.second); };
    return std::all_of(buffers_in_slots_.begin(), buffers_in_slots_.end(), is_in_slot) &&
           std::all_of(parts_.begin(), parts_.end(), [](const auto& part) { return part->is_adopted(); });
  }

 protected:
  torch::jit::Module program_;

 private:
  std::vector<std::pair<size_t, at::Tensor>> buffers_in_slots_;
  std::vector<std::shared_ptr<Mirrored<torch::nn::Module>>> parts_;
};

}  // namespace retort
