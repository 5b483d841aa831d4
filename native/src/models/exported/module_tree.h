#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <map>
#include <memory>
#include <string>

namespace retort::exported {

/// The TorchScript module with the parts, parameters and buffers of the Python model, and the graph of its forward,
/// which reads them.
class ModuleTree {
 public:
  ModuleTree();

  void add_module(const std::string& path) { module_at(path); }
  void add_parameter(const std::string& name, const at::Tensor& tensor);
  void add_buffer(const std::string& name, const at::Tensor& tensor);
  /// Kept with the module, but not in its state dict.
  void add_constant(const std::string& name, const at::Tensor& tensor);

  const std::shared_ptr<torch::jit::Graph>& graph() const { return graph_; }
  torch::jit::Value* images() const { return images_; }
  /// That of the images.
  torch::jit::Value* device() const { return first_->output(); }
  /// An attribute of the module as a value that the whole graph sees.
  torch::jit::Value* attribute(const std::string& name);
  /// A constant on the device of the images, and of their dtype where it is of the dtype that the program computes in.
  torch::jit::Value* constant(const std::string& name, at::ScalarType program_dtype);

  /// The module with the graph as its forward. To be called once.
  torch::jit::Module finish();

 private:
  torch::jit::Module module_at(const std::string& path);

  std::shared_ptr<torch::jit::CompilationUnit> unit_;
  torch::jit::Module root_;
  std::shared_ptr<torch::jit::Graph> graph_;
  torch::jit::Value* self_;
  torch::jit::Value* images_;
  /// What comes before it is seen in every block.
  torch::jit::Node* first_;
  std::map<std::string, torch::jit::Value*> read_;
  std::map<std::string, at::ScalarType> constants_;
};

}  // namespace retort::exported
