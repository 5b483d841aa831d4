#include "models/torchscript/program_network.h"

#include <ATen/core/Dict.h>
#include <ATen/core/List.h>
#include <ATen/core/ivalue.h>
#include <retort/models/network.h>

#include <utility>

#include "models/network_state.h"
#include "models/torchscript/attributes.h"
#include "models/torchscript/features.h"
#include "models/torchscript/mirrored.h"
#include "models/torchscript/program.h"
#include "tensor/check.h"

namespace retort {
namespace {

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
  ProgramState(const torch::jit::Module& program, const ProgramTraits& traits)
      : NetworkState(traits.tap_names), program_(program), attributes_(program), traits_(traits) {}

  std::unique_ptr<NetworkSnapshot> new_snapshot() override {
    return std::make_unique<ProgramSnapshot>(network(), attributes_);
  }

  void synchronise() override { mirror().adopt(); }

  bool keeps_its_buffers() const override { return mirror().is_adopted(); }

  std::string packed_attributes() const override { return attributes_.pack(); }

  std::function<void()> unpack_attributes(const std::string& bytes) override { return attributes_.unpack(bytes); }

  std::string packed_program() const override { return packed(program_); }

  void refuse(const at::Tensor& images, const std::string& reason) const override {
    fail(traits_.name, ": images must be accepted by the module (got ", images.sizes(), ": ", reason, ")");
  }

  std::string class_name() const override { return traits_.name; }

  std::string cannot_learn() const override { return traits_.cannot_learn; }

 private:
  Mirrored<Network>& mirror() const { return static_cast<Mirrored<Network>&>(network()); }

  torch::jit::Module program_;
  Attributes attributes_;
  const ProgramTraits& traits_;
};

class ProgramNetwork final : public Mirrored<Network> {
 public:
  ProgramNetwork(const torch::jit::Module& program, ProgramTraits traits)
      : Mirrored<Network>(program, traits.tap_names), traits_(std::move(traits)) {
    NetworkState::give(*this, std::make_unique<ProgramState>(program, traits_));
    if (!goes_by_strides(program)) NetworkState::of(*this).set_takes_channels_last();
  }

 protected:
  void check_images(const at::Tensor& images) const override {
    const std::vector<std::optional<int64_t>>& shape = traits_.input_shape;
    if (shape.empty()) return;
    bool fits = images.dim() == static_cast<int64_t>(shape.size()) + 1;
    for (size_t i = 0; fits && i < shape.size(); ++i) {
      fits = !shape[i] || *shape[i] == images.size(static_cast<int64_t>(i) + 1);
    }
    if (fits) return;
    std::string wanted = "batch";
    for (const std::optional<int64_t>& size : shape) wanted += ", " + (size ? std::to_string(*size) : "any");
    fail<ShapeError>(traits_.name, ": images must be of the exported shape [", wanted, "] (got ", images.sizes(), ")");
  }

  std::optional<NetworkStructure> structure() const override { return traits_.structure; }

  NetworkOutput compute(const at::Tensor& images) override {
    const ProgramOutput output = run_program(
        program_, images, [&](const std::string& reason) { NetworkState::of(*this).refuse(images, reason); });
    return {output.logits, features_of(output.features, NetworkState::of(*this).shapes())};
  }

  torch::jit::Module to_torchscript() override { return program_; }

 private:
  const ProgramTraits traits_;
};

}  // namespace

std::shared_ptr<Network> program_network(const torch::jit::Module& program, ProgramTraits traits) {
  return std::make_shared<ProgramNetwork>(program, std::move(traits));
}

}  // namespace retort
