#include "models/exported/module_tree.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <utility>

#include "tensor/check.h"

namespace retort::exported {
namespace {

namespace jit = torch::jit;

constexpr ptrdiff_t kDeepest = 100;

std::pair<std::string, std::string> owner_and_name(const std::string& path) {
  const size_t dot = path.rfind('.');
  if (dot == std::string::npos) return {"", path};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

}  // namespace

ModuleTree::ModuleTree(const std::vector<ProgramInput>& inputs, at::ScalarType dtype)
    : unit_(std::make_shared<jit::CompilationUnit>()),
      root_("__torch__.ExportedProgram", unit_, /*shouldMangle=*/true),
      graph_(std::make_shared<jit::Graph>()),
      dtype_(dtype) {
  root_.register_attribute("training", c10::BoolType::get(), true);
  self_ = graph_->addInput("self")->setType(root_.type());
  for (const ProgramInput& input : inputs) graph_->addInput(input.name);
  const auto first = std::find_if(
      inputs.begin(), inputs.end(), [](const ProgramInput& one) { return c10::isFloatingType(one.dtype); });
  if (first == inputs.end()) fail<FileError>("its forward takes no tensor of floating point");
  jit::Value* typical = input(static_cast<size_t>(first - inputs.begin()));
  device_ = graph_->insertNode(graph_->create(c10::prim::device, {typical}));
  device_->output()->setType(c10::DeviceObjType::get());
  dtype_of_inputs_ = graph_->insertNode(graph_->create(c10::prim::dtype, {typical}));
  dtype_of_inputs_->output()->setType(c10::IntType::get());
}

jit::Module ModuleTree::module_at(const std::string& path) {
  if (path.empty()) return root_;
  if (std::count(path.begin(), path.end(), '.') > kDeepest) fail<FileError>("it is nested too deeply");
  const auto [owner, name] = owner_and_name(path);
  if (name.empty()) fail<FileError>("module ", path, " has no name");
  jit::Module above = module_at(owner);
  if (!above.hasattr(name)) {
    jit::Module part("__torch__.Part", unit_, /*shouldMangle=*/true);
    part.register_attribute("training", c10::BoolType::get(), true);
    above.register_module(name, part);
  }
  const c10::IValue found = above.attr(name);
  if (!found.isModule()) fail<FileError>(path, " is a module and something else");
  return found.toModule();
}

void ModuleTree::add_parameter(const std::string& name, const at::Tensor& tensor) {
  const auto [owner, last] = owner_and_name(name);
  module_at(owner).register_parameter(last, tensor, /*is_buffer=*/false);
}

void ModuleTree::add_buffer(const std::string& name, const at::Tensor& tensor) {
  const auto [owner, last] = owner_and_name(name);
  module_at(owner).register_buffer(last, tensor);
}

void ModuleTree::add_constant(const std::string& name, const at::Tensor& tensor) {
  const auto [owner, last] = owner_and_name(name);
  // An optional tensor is neither parameter nor buffer.
  module_at(owner).register_attribute(last, c10::OptionalType::create(c10::TensorType::get()), tensor);
  constants_[name] = tensor.scalar_type();
}

jit::Value* ModuleTree::attribute(const std::string& name) {
  jit::Value*& value = read_[name];
  if (value) return value;
  const auto [owner, last] = owner_and_name(name);
  jit::Value* object = owner.empty() ? self_ : attribute(owner);
  const jit::WithInsertPoint early(device_);
  return value = graph_->insertGetAttr(object, last);
}

jit::Value* ModuleTree::dtype(at::ScalarType of) {
  return of == dtype_ ? dtype_of_inputs_->output() : graph_->insertConstant(static_cast<int64_t>(of));
}

jit::Value* ModuleTree::constant(const std::string& name) {
  jit::Value*& value = moved_[name];
  if (value) return value;
  jit::Value* optional = attribute(name);
  const jit::WithInsertPoint early(dtype_of_inputs_->next());
  const auto insert = [&](c10::Symbol kind, at::ArrayRef<jit::Value*> inputs) {
    jit::Value* output = graph_->insertNode(graph_->create(kind, inputs))->output();
    return output->setType(c10::TensorType::get());
  };
  jit::Value* tensor = insert(c10::prim::unchecked_cast, {optional});
  jit::Value* no = graph_->insertConstant(false);
  jit::Value* none = graph_->insertConstant(c10::IValue());
  return value = insert(c10::aten::to, {tensor, device(), dtype(constants_.at(name)), no, no, none});
}

jit::Module ModuleTree::finish() {
  graph_->lint();
  jit::Function* forward = unit_->create_function(c10::QualifiedName(*root_.type()->name(), "forward"), graph_);
  // The optimiser would replace dropout by its own, which draws other numbers, and gains nothing.
  jit::toGraphFunction(*forward)._set_initial_executor_execution_mode(jit::ExecutorExecutionMode::SIMPLE);
  root_.type()->addMethod(forward);
  return root_;
}

}  // namespace retort::exported
