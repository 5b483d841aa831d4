#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/jit/api/module.h>

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace retort {

/// What a network's program returns.
struct ProgramOutput {
  at::Tensor logits;
  /// Features in whichever form the program has them.
  c10::IValue features;
};

/// What LibTorch says in one line; of a failure inside TorchScript, what follows the traceback.
std::string one_line(const std::exception& error);

/// Told in one line what LibTorch says of a failure inside a program; must throw.
using Refusal = std::function<void(const std::string& reason)>;

/// Runs a network's program.
/// @throws c10::ValueError if it does not return (logits, features)
ProgramOutput run_program(torch::jit::Module program, const at::Tensor& images, const Refusal& refuse);

/// What a forward pass returns.
/// @throws c10::ValueError if that is not (logits, features)
ProgramOutput checked_output(const std::function<c10::IValue()>& forward, const Refusal& refuse);

/// Makes a graph without outputs return (logits, {name: feature}).
void return_output(
    torch::jit::Graph& graph, torch::jit::Value* logits, const std::vector<std::string>& names,
    const std::vector<torch::jit::Value*>& features);

/// The same program with copies of its tensors and attributes. Unlike torch::jit::Module::deepcopy it keeps tensors
/// apart that lie in one storage.
/// @throws c10::Error if an attribute cannot be copied
torch::jit::Module copy_of(const torch::jit::Module& program);

/// The same in evaluation mode, of which nothing requires a gradient.
torch::jit::Module copy_for_evaluation(const torch::jit::Module& program);

/// The forward pass without parameters, buffers and attributes, as bytes that are the same in any process for the same
/// file.
std::string packed(const torch::jit::Module& program);

/// The attributes that a forward pass assigns, by their paths' last parts, other than buffers.
std::vector<std::string> assigned_attributes(const torch::jit::Module& program);

/// The forward pass as one graph, without what is done in training mode only.
std::shared_ptr<torch::jit::Graph> evaluation_graph(const torch::jit::Module& program);

/// Whether a node is a normalisation that may move its running statistics, which its schema does not tell.
bool may_move_statistics(const torch::jit::Node& node);

/// Replaces convolutions as tracing records them, aten::_convolution, by aten::conv2d and its like.
/// They compute the same.
void name_convolutions(const torch::jit::Module& program);

/// Whether a forward pass asks how tensors lie in memory, e.g. by aten::view. In doubt it does.
bool goes_by_strides(const torch::jit::Module& program);

/// Whether a forward pass may change the program's own tensors or attributes in evaluation mode, so that two of them
/// must not run at once. In doubt it may.
bool may_change_itself(const torch::jit::Module& program);

}  // namespace retort
