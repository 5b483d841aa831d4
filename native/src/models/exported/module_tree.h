#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/exported/program.h"

namespace retort::exported {

/// The TorchScript module with the parts, parameters and buffers of the Python model, and the graph of its forward,
/// which reads them.
class ModuleTree {
 public:
  /// @param inputs of forward; the first one of floating point stands for the device and the dtype of all
  /// @param dtype that the program computes in
  ModuleTree(const std::vector<ProgramInput>& inputs, at::ScalarType dtype);

  void add_module(const std::string& path) { module_at(path); }
  void add_parameter(const std::string& name, const at::Tensor& tensor);
  void add_buffer(const std::string& name, const at::Tensor& tensor);
  /// Kept with the module, but not in its state dict.
  void add_constant(const std::string& name, const at::Tensor& tensor);

  const std::shared_ptr<torch::jit::Graph>& graph() const { return graph_; }
  torch::jit::Value* input(size_t i) const { return graph_->inputs().at(i + 1); }
  /// That of the inputs.
  torch::jit::Value* device() const { return device_->output(); }
  /// An attribute of the module as a value that the whole graph sees.
  torch::jit::Value* attribute(const std::string& name);
  /// A dtype of the program: that of the inputs in place of the one that it computes in.
  torch::jit::Value* dtype(at::ScalarType of);
  /// A constant on the device of the inputs, of its dtype() as above.
  torch::jit::Value* constant(const std::string& name);

  /// The module with the graph as its forward. To be called once.
  torch::jit::Module finish();

 private:
  torch::jit::Module module_at(const std::string& path);

  std::shared_ptr<torch::jit::CompilationUnit> unit_;
  torch::jit::Module root_;
  std::shared_ptr<torch::jit::Graph> graph_;
  torch::jit::Value* self_;
  at::ScalarType dtype_;
  torch::jit::Node* device_;
  /// The dtype of the inputs. What comes before it is seen in every block.
  torch::jit::Node* dtype_of_inputs_;
  /// Attributes, and constants where the inputs are, by name.
  std::map<std::string, torch::jit::Value*> read_, moved_;
  std::map<std::string, at::ScalarType> constants_;
};

}  // namespace retort::exported
