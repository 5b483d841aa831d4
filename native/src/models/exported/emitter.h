#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <map>
#include <string>
#include <vector>

#include "models/exported/archive.h"
#include "models/exported/program.h"

namespace retort::exported {

/// A program and its tensors by the names of the model.
struct Source {
  Program program;
  std::map<std::string, at::Tensor> weights;
  std::map<std::string, at::Tensor> constants;
};

/// @throws FileError whose message is the reason
inline Source read_source(Archive& archive, const std::string& name) {
  return {read_program(archive.program(name)), archive.weights(name), archive.constants(name)};
}

/// A program of a network, and what it is to hand out.
struct NetworkSource {
  Source source;
  std::string logits;
  std::vector<Feature> features;
};

/// Makes the TorchScript module of a program, with the modules and the names of the Python model, whose forward returns
/// the program's only result.
///
/// Each module has a mode, as in Python: normalisation, dropout and recurrent layers follow that of the module they
/// belong to, buffers change in training mode only, and stochastic depth keeps every branch in evaluation mode.
/// @throws FileError whose message is the reason
torch::jit::Module emit_function(const Source& source);

/// The same for a network, whose forward maps images to `(logits, {name: feature})`.
/// @param evaluation what the module is to do in evaluation mode instead, with the same weights; may be null
/// @throws FileError whose message is the reason
torch::jit::Module emit_network(const NetworkSource& network, const NetworkSource* evaluation);

}  // namespace retort::exported
