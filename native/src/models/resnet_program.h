#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/nn/module.h>

namespace retort {

/// The ResNet of resnet.cpp as TorchScript: the same tree of parts with the same names, whose parameters and buffers
/// are shared and whose modes are taken over.
torch::jit::Module resnet_program(const torch::nn::Module& resnet);

}  // namespace retort
