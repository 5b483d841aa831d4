#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <retort/models/torchscript.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "io/memory_adapter.h"
#include "io/stream.h"
#include "io/whole_file.h"
#include "models/network_state.h"
#include "models/preprocessing_text.h"
#include "models/torchscript/attributes.h"
#include "models/torchscript/program.h"
#include "runtime/exit_gate.h"
#include "tensor/check.h"
#include "tensor/remember.h"

namespace retort {
namespace {

/// A module of the TorchScript program as a torch::nn::Module: its parameters and buffers are the program's own
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

/// The network's buffers and the program's attributes.
class ProgramSnapshot final : public NetworkSnapshot {
 public:
  ProgramSnapshot(Network& network, Attributes& attributes) : NetworkSnapshot(network), attributes_(attributes) {}

  void take() override {
    NetworkSnapshot::take();
    attributes_.save(values_);
  }

  void restore() override {
    NetworkSnapshot::restore();
    attributes_.restore(values_);
  }

 private:
  Attributes& attributes_;
  Attributes::Values values_;
};

class ProgramState final : public NetworkState {
 public:
  ProgramState(const torch::jit::Module& program, std::vector<std::string> tap_names)
      : NetworkState(std::move(tap_names)), program_(program), attributes_(program) {}

  std::unique_ptr<NetworkSnapshot> new_snapshot() override {
    return std::make_unique<ProgramSnapshot>(network(), attributes_);
  }

  void synchronise() override { mirror().adopt(); }

  bool keeps_its_buffers() const override { return mirror().is_adopted(); }

  std::string packed_attributes() const override { return attributes_.pack(); }

  void unpack_attributes(const std::string& bytes) override { attributes_.unpack(bytes); }

  std::string packed_program() const override { return packed(program_); }

  void refuse(const at::Tensor& images, const std::string& reason) const override {
    fail("TorchScriptNetwork: images must be accepted by the module (got ", images.sizes(), ": ", reason, ")");
  }

 private:
  Mirrored<Network>& mirror() const { return static_cast<Mirrored<Network>&>(network()); }

  torch::jit::Module program_;
  Attributes attributes_;
};

class TorchScriptNetwork final : public Mirrored<Network> {
 public:
  TorchScriptNetwork(const torch::jit::Module& program, std::vector<std::string> tap_names)
      : Mirrored<Network>(program, tap_names) {
    NetworkState::give(*this, std::make_unique<ProgramState>(program, std::move(tap_names)));
  }

 protected:
  NetworkOutput compute(const at::Tensor& images) override {
    const ProgramOutput output = run_program(
        program_, images, [&](const std::string& reason) { NetworkState::of(*this).refuse(images, reason); });
    return {output.logits, features_of(output.features)};
  }

  torch::jit::Module to_torchscript() override { return program_; }

 private:
  std::vector<at::Tensor> features_of(const c10::IValue& features) {
    NetworkShapes& shapes = NetworkState::of(*this).shapes();
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
};

constexpr const char* kLoad = "load_torchscript";

/// @param name of the program, for error messages
std::shared_ptr<Network> network_of(
    const std::function<torch::jit::Module(torch::jit::ExtraFilesMap&)>& read,
    const std::vector<std::string>& tap_names, const std::string& name) {
  torch::jit::Module program;
  torch::jit::ExtraFilesMap extras = {{kPreprocessingRecord, {}}};
  try {
    program = read(extras);
  } catch (const std::exception&) {
    // What LibTorch says about a foreign file speaks of its reader's internals.
    fail<FileError>(kLoad, ": file must be a TorchScript module saved by torch.jit.save (got ", name, ")");
  }
  auto network = std::make_shared<TorchScriptNetwork>(program, tap_names);
  if (const std::string& text = extras[kPreprocessingRecord]; !text.empty()) {
    network->set_preprocessing(parse_preprocessing(kLoad, text, name));
    probe_as_trained(*network);
  }
  return network;
}

}  // namespace

std::shared_ptr<Network> load_torchscript(const std::string& path, const std::vector<std::string>& tap_names) {
  static CallSite site;
  const RunningCall running(site);
  require_file(kLoad, path);
  return network_of(
      [&](torch::jit::ExtraFilesMap& extras) { return torch::jit::load(path, at::kCPU, extras); }, tap_names, path);
}

std::shared_ptr<Network> load_torchscript(
    std::istream& stream, const std::vector<std::string>& tap_names, const std::string& name) {
  const std::string bytes = read_stream(kLoad, stream, name);
  static CallSite site;
  const RunningCall running(site);
  return network_of(
      [&](torch::jit::ExtraFilesMap& extras) {
        return torch::jit::load(std::make_shared<MemoryAdapter>(bytes), at::kCPU, extras);
      },
      tap_names, name);
}

}  // namespace retort
