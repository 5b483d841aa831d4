#pragma once

#include <ATen/core/ivalue.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace retort::exported {

struct Graph;

/// A tensor or a number that the program computes, by its name.
struct ValueName {
  std::string name;
};

/// A list whose elements are values, whole numbers or nothing.
struct ValueList {
  enum class Kind { kTensors, kOptionalTensors, kNumbers };
  Kind kind;
  std::vector<std::variant<std::monostate, ValueName, int64_t>> elements;
};

/// The device that the program was exported on; it runs on that of its images.
struct ExportDevice {};

/// A dtype. That of the parameters stands for the dtype that the program computes in, which may be converted.
struct Dtype {
  c10::ScalarType of;
};

/// What a node is given: a constant, which may be none, a value, a list of values, the device or a body.
using Argument = std::variant<c10::IValue, ValueName, ValueList, ExportDevice, Dtype, std::shared_ptr<const Graph>>;

/// A call of a module of the Python model, which nodes are part of.
struct ModuleCall {
  std::string path;
  /// Its class, without the package.
  std::string type;
  /// 0 for the first call of the module in a forward pass.
  int64_t number = 0;
};

struct Node {
  struct Output {
    /// Of a list of tensors one for each; of nothing none.
    std::vector<std::string> names;
    bool is_list = false;
  };

  /// As in torch.ops.aten.conv2d.default.
  std::string target;
  /// By the names of the operator's schema, in the order of the file.
  std::vector<std::pair<std::string, Argument>> arguments;
  std::vector<Output> outputs;
  /// From the model down to the innermost module.
  std::vector<ModuleCall> modules;
};

/// A size that may vary is nothing.
using Shape = std::vector<std::optional<int64_t>>;

struct Graph {
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  /// In the order of execution.
  std::vector<Node> nodes;
  /// Of tensors, by name.
  std::map<std::string, Shape> shapes;
};

/// A tensor of the file that is an input of the graph.
struct BoundTensor {
  enum class Kind { kParameter, kBuffer, kTransientBuffer, kConstant };
  Kind kind;
  /// In the graph.
  std::string value;
  /// In the model, as in its state dict.
  std::string name;
};

/// What a forward pass is given.
struct ProgramInput {
  /// Of the argument; an element of a list has its number at the end, after an underscore.
  std::string name;
  c10::ScalarType dtype;
};

/// What a forward pass returns.
struct ProgramResult {
  /// The keys of the containers that it is in, and numbers for those of lists and tuples.
  std::vector<std::string> keys;
  std::string value;
};

/// A feature of a network.
struct Feature {
  std::string name;
  std::string value;
};

struct Program {
  Graph graph;
  std::vector<BoundTensor> tensors;
  /// Named as in the graph.
  std::vector<ProgramInput> inputs;
  std::vector<ProgramResult> results;
  /// The paths of all modules; the model's own is empty.
  std::vector<std::string> modules;
  /// Of PyTorch; empty if the file does not say.
  std::string torch_version;
};

/// Reads a program as torch.export.save writes it.
/// @throws FileError whose message is the reason
Program read_program(const std::string& json);

/// The outputs of a network's program.
struct NetworkResults {
  std::string logits;
  std::vector<Feature> features;
};

/// Tells logits and features apart: logits alone, logits and features in a tuple, or a dict with the key "logits".
/// @throws FileError whose message is the reason
NetworkResults network_results(const Program& program);

/// The name of the images in the graph of a network's program.
/// @throws FileError whose message is the reason
const std::string& images_of(const Program& program);

/// The names of the values in an argument.
std::vector<std::string> values_in(const Argument& argument);

}  // namespace retort::exported
