// From the JSON of a program to its structs. Keys that are unknown are ignored: newer versions of PyTorch add some.
#include <c10/core/Layout.h>
#include <c10/core/MemoryFormat.h>

#include <algorithm>
#include <limits>
#include <set>

#include "models/exported/json.h"
#include "models/exported/program.h"

namespace retort::exported {
namespace {

/// Of bodies within bodies and lists within lists; what is deeper is no program that somebody wrote.
constexpr int kDeepestNesting = 32;
constexpr int64_t kSchema = 8;

void check_depth(int depth) {
  if (depth > kDeepestNesting) fail<FileError>("it is nested too deeply");
}

Graph graph_of(const Json& json, int depth);

double number_of(const Json& json) {
  if (!json.is_string()) return json.get<double>();
  const auto text = json.get<std::string>();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  fail<FileError>("number ", text, " is unknown");
}

int64_t memory_format_of(const Json& code) {
  switch (code.get<int64_t>()) {
    case 1:
      return static_cast<int64_t>(c10::MemoryFormat::Contiguous);
    case 2:
      return static_cast<int64_t>(c10::MemoryFormat::ChannelsLast);
    case 3:
      return static_cast<int64_t>(c10::MemoryFormat::ChannelsLast3d);
    case 4:
      return static_cast<int64_t>(c10::MemoryFormat::Preserve);
    default:
      fail<FileError>("memory format ", code.get<int64_t>(), " is unknown");
  }
}

ValueName name_in(const Json& json, const char* key = "name") {
  return {json.at(key).get<std::string>()};
}

ValueList list_of(ValueList::Kind kind, const Json& elements) {
  ValueList list = {kind, {}};
  for (const Json& element : elements) {
    if (kind == ValueList::Kind::kTensors) {
      list.elements.emplace_back(name_in(element));
      continue;
    }
    const auto [type, value] = kind_of(element);
    if (type == "as_none") {
      list.elements.emplace_back();
    } else if (type == "as_tensor") {
      list.elements.emplace_back(name_in(value));
    } else if (type == "as_name") {
      list.elements.emplace_back(ValueName{value.get<std::string>()});
    } else {
      list.elements.emplace_back(element.at("as_int").get<int64_t>());
    }
  }
  return list;
}

/// A number that is known, or the name of one that isn't before the program runs.
template <typename Number>
Argument symbol_of(const Json& json, const char* key) {
  if (json.contains("as_name")) return name_in(json, "as_name");
  return c10::IValue(json.at(key).get<Number>());
}

Argument argument_of(const Json& json, int depth) {
  const auto [kind, value] = kind_of(json);
  if (kind == "as_none") return c10::IValue();
  if (kind == "as_tensor") return name_in(value);
  if (kind == "as_tensors") return list_of(ValueList::Kind::kTensors, value);
  if (kind == "as_optional_tensors") return list_of(ValueList::Kind::kOptionalTensors, value);
  if (kind == "as_sym_ints") return list_of(ValueList::Kind::kNumbers, value);
  if (kind == "as_sym_int") return symbol_of<int64_t>(value, "as_int");
  if (kind == "as_sym_float") return symbol_of<double>(value, "as_float");
  if (kind == "as_sym_bool") return symbol_of<bool>(value, "as_bool");
  if (kind == "as_int") return c10::IValue(value.get<int64_t>());
  if (kind == "as_float") return c10::IValue(number_of(value));
  if (kind == "as_bool") return c10::IValue(value.get<bool>());
  if (kind == "as_string") return c10::IValue(value.get<std::string>());
  if (kind == "as_ints") return c10::IValue(value.get<std::vector<int64_t>>());
  if (kind == "as_bools") {
    c10::List<bool> bools;
    for (const Json& one : value) bools.push_back(one.get<bool>());
    return c10::IValue(bools);
  }
  if (kind == "as_floats") {
    std::vector<double> numbers;
    for (const Json& number : value) numbers.push_back(number_of(number));
    return c10::IValue(numbers);
  }
  if (kind == "as_scalar_type") return Dtype{dtype_of(value)};
  if (kind == "as_memory_format") return c10::IValue(memory_format_of(value));
  if (kind == "as_layout" && value.get<int64_t>() == kStridedLayout) {
    return c10::IValue(static_cast<int64_t>(c10::Layout::Strided));
  }
  if (kind == "as_device") return ExportDevice();
  if (kind == "as_graph") return std::make_shared<const Graph>(graph_of(value.at("graph"), depth + 1));
  fail<FileError>("arguments of kind ", kind, " are not supported");
}

Node::Output output_of(const Json& json) {
  const auto [kind, value] = kind_of(json);
  if (kind == "as_none") return {};
  if (kind == "as_tensor") return {{name_in(value).name}, false};
  if (kind == "as_sym_int" || kind == "as_sym_float" || kind == "as_sym_bool") {
    return {{name_in(value, "as_name").name}, false};
  }
  if (kind == "as_tensors") {
    Node::Output list = {{}, true};
    for (const Json& tensor : value) list.names.push_back(name_in(tensor).name);
    return list;
  }
  fail<FileError>("results of kind ", kind, " are not supported");
}

/// "L__self__layer1,layer1,package.Layer;L__self__layer1_0@1,layer1.0,package.Block": names in the exporter, paths in
/// the model and classes. The number of a call that is not the first is after the name or the path.
std::vector<ModuleCall> modules_of(const std::string& stack) {
  std::vector<ModuleCall> calls;
  for (size_t begin = 0; begin < stack.size();) {
    const size_t end = std::min(stack.find(';', begin), stack.size());
    const std::string entry = stack.substr(begin, end - begin);
    begin = end + 1;
    const size_t first = entry.find(','), second = entry.find(',', first + 1);
    if (second == std::string::npos) continue;
    ModuleCall call;
    call.path = entry.substr(first + 1, second - first - 1);
    const size_t mark = entry.find('@');
    if (mark < second) {
      for (size_t i = mark + 1; i < second && entry[i] >= '0' && entry[i] <= '9' && call.number < 1000000; ++i) {
        call.number = 10 * call.number + (entry[i] - '0');
      }
    }
    call.path.erase(std::min(call.path.find('@'), call.path.size()));
    call.type = entry.substr(second + 1);
    call.type.erase(0, call.type.rfind('.') + 1);
    calls.push_back(std::move(call));
  }
  return calls;
}

Node node_of(const Json& json, int depth) {
  Node node;
  node.target = json.at("target").get<std::string>();
  for (const Json& input : json.at("inputs")) {
    node.arguments.emplace_back(input.at("name").get<std::string>(), argument_of(input.at("arg"), depth));
  }
  for (const Json& output : json.at("outputs")) node.outputs.push_back(output_of(output));
  const auto metadata = json.find("metadata");
  if (metadata != json.end() && metadata->contains("nn_module_stack")) {
    node.modules = modules_of(metadata->at("nn_module_stack").get<std::string>());
  }
  return node;
}

std::vector<std::string> names_of(const Json& arguments) {
  std::vector<std::string> names;
  for (const Json& argument : arguments) {
    const Node::Output one = output_of(argument);
    names.insert(names.end(), one.names.begin(), one.names.end());
  }
  return names;
}

Graph graph_of(const Json& json, int depth) {
  check_depth(depth);
  Graph graph;
  graph.inputs = names_of(json.at("inputs"));
  graph.outputs = names_of(json.at("outputs"));
  for (const Json& node : json.at("nodes")) graph.nodes.push_back(node_of(node, depth));
  for (const auto& [name, meta] : json.at("tensor_values").items()) {
    Shape shape;
    for (const Json& size : meta.at("sizes")) {
      shape.push_back(size.contains("as_int") ? std::optional(size.at("as_int").get<int64_t>()) : std::nullopt);
    }
    graph.shapes.emplace(name, std::move(shape));
  }
  return graph;
}

/// Fills in what the graph is given.
void read_inputs(const Json& graph_module, Program& program) {
  const Json& values = graph_module.at("graph").at("tensor_values");
  for (const Json& spec : graph_module.at("signature").at("input_specs")) {
    const auto [kind, value] = kind_of(spec);
    using Kind = BoundTensor::Kind;
    if (kind == "user_input") {
      const auto [type, argument] = kind_of(value.at("arg"));
      if (type != "as_tensor") fail<FileError>("its forward takes something else than tensors");
      const std::string name = name_in(argument).name;
      program.inputs.push_back({name, dtype_of(values.at(name).at("dtype"))});
    } else if (kind == "parameter" || kind == "buffer" || kind == "tensor_constant") {
      const Kind of = kind == "parameter"                  ? Kind::kParameter
                      : kind == "tensor_constant"          ? Kind::kConstant
                      : value.at("persistent").get<bool>() ? Kind::kBuffer
                                                           : Kind::kTransientBuffer;
      program.tensors.push_back({of, name_in(value.at("arg")).name, value.at(kind + "_name").get<std::string>()});
    } else {
      fail<FileError>("inputs of kind ", kind, " are not supported");
    }
  }
  if (program.inputs.empty()) fail<FileError>("its forward takes nothing");
}

/// Takes names off `values` in the order of the leaves. A structure is {type, context, children_spec}: the context of a
/// dict is its keys, of a named tuple its fields.
void collect(
    const Json& structure, std::vector<std::string>& keys, const std::vector<std::string>& values,
    std::vector<ProgramResult>& leaves, int depth) {
  check_depth(depth);
  const Json& children = structure.at("children_spec");
  if (structure.at("type").is_null()) {
    if (leaves.size() >= values.size()) fail<FileError>("it returns fewer results than its structure has");
    leaves.push_back({keys, values[leaves.size()]});
    return;
  }
  const Json& context = structure.at("context");
  const Json names = context.is_string() ? Json::parse(context.get<std::string>(), nullptr, false) : Json();
  const bool has_names = names.is_array() && names.size() == children.size();
  for (size_t i = 0; i < children.size(); ++i) {
    keys.push_back(has_names && names[i].is_string() ? names[i].get<std::string>() : std::to_string(i));
    collect(children[i], keys, values, leaves, depth + 1);
    keys.pop_back();
  }
}

/// Fills in what the graph returns.
void read_results(const Json& graph_module, Program& program) {
  std::vector<std::string> values;
  for (const Json& spec : graph_module.at("signature").at("output_specs")) {
    const auto [kind, value] = kind_of(spec);
    if (kind != "user_output") fail<FileError>("it was changed by run_decompositions: results of kind ", kind);
    const auto [type, argument] = kind_of(value.at("arg"));
    if (type != "as_tensor") fail<FileError>("it returns something else than tensors");
    values.push_back(name_in(argument).name);
  }
  std::vector<std::string> keys;
  const Json& signature = graph_module.at("module_call_graph").at(0).at("signature");
  const Json structure = Json::parse(signature.at("out_spec").get<std::string>());
  collect(structure.at(1), keys, values, program.results, 0);
  if (program.results.empty()) fail<FileError>("it returns nothing");
}

}  // namespace

Program read_program(const std::string& text) {
  const Json json = parse_json(text, "the program");
  const int64_t schema = json.at("schema_version").at("major").get<int64_t>();
  Program program;
  program.torch_version = json.value("torch_version", "");
  if (schema != kSchema) {
    fail<FileError>(
        "its schema is version ", schema, " of PyTorch ", program.torch_version, ", and Retort reads version ", kSchema,
        ", of PyTorch 2.9 and later");
  }
  const Json& graph_module = json.at("graph_module");
  program.graph = graph_of(graph_module.at("graph"), 0);
  read_inputs(graph_module, program);
  read_results(graph_module, program);
  for (const Json& call : graph_module.at("module_call_graph")) {
    std::string path = call.at("fqn").get<std::string>();
    path.erase(std::min(path.find('@'), path.size()));
    program.modules.push_back(std::move(path));
  }
  // Where a node came from no module, the exporter makes a name up.
  const std::set<std::string> known(program.modules.begin(), program.modules.end());
  for (Node& node : program.graph.nodes) {
    const auto is_unknown = [&](const ModuleCall& call) { return known.count(call.path) == 0; };
    node.modules.erase(std::remove_if(node.modules.begin(), node.modules.end(), is_unknown), node.modules.end());
  }
  return program;
}

std::vector<std::string> values_in(const Argument& argument) {
  if (const auto* value = std::get_if<ValueName>(&argument)) return {value->name};
  std::vector<std::string> names;
  if (const auto* list = std::get_if<ValueList>(&argument)) {
    for (const auto& element : list->elements) {
      if (const auto* value = std::get_if<ValueName>(&element)) names.push_back(value->name);
    }
  }
  return names;
}

}  // namespace retort::exported
