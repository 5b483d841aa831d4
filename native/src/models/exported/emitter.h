#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/api/module.h>

#include <map>
#include <string>
#include <vector>

#include "models/exported/program.h"

namespace retort::exported {

/// A program, its tensors by the names of the model, and the values that it is to hand out as features.
struct Source {
  Program program;
  std::map<std::string, at::Tensor> weights;
  std::map<std::string, at::Tensor> constants;
  std::vector<ProgramResult> features;
};

/// Makes the TorchScript module of a program, with the modules and the names of the Python model, whose forward maps
/// images to `(logits, {name: feature})`.
///
/// Each module has a mode, as in Python: normalisation, dropout and recurrent layers follow that of the module they
/// belong to, buffers change in training mode only, and stochastic depth keeps every branch in evaluation mode.
/// @param evaluation what the module is to do in evaluation mode instead, with the same weights; may be null
/// @throws FileError whose message is the reason
torch::jit::Module emit(const Source& source, const Source* evaluation);

}  // namespace retort::exported
