// What the reader of torch.export's JSON makes of every kind of argument, result and structure.
#include <ATen/core/ivalue.h>
#include <c10/core/Layout.h>
#include <c10/core/MemoryFormat.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "expect.h"
#include "models/exported/program.h"

namespace retort::exported {
namespace {

using Json = nlohmann::json;
using test::file_error_of;

/// relu of the images, whose batch varies.
Json smallest_program() {
  return Json::parse(R"({
    "schema_version": {"major": 8, "minor": 14},
    "torch_version": "2.10.0",
    "graph_module": {
      "graph": {
        "inputs": [{"as_tensor": {"name": "x"}}],
        "outputs": [{"as_tensor": {"name": "y"}}],
        "nodes": [{
          "target": "torch.ops.aten.relu.default",
          "inputs": [{"name": "self", "arg": {"as_tensor": {"name": "x"}}, "kind": 1}],
          "outputs": [{"as_tensor": {"name": "y"}}]
        }],
        "tensor_values": {"x": {"dtype": 7, "sizes": [{"as_expr": {"expr_str": "s0"}}, {"as_int": 3}]}}
      },
      "signature": {
        "input_specs": [{"user_input": {"arg": {"as_tensor": {"name": "x"}}}}],
        "output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "y"}}}}]
      },
      "module_call_graph": [
        {"fqn": "", "signature": {"out_spec": "[1, {\"type\": null, \"context\": null, \"children_spec\": []}]"}}
      ]
    }
  })");
}

Program read(const std::function<void(Json&)>& change) {
  Json program = smallest_program();
  change(program["graph_module"]);
  return read_program(program.dump());
}

std::string refusal(const std::function<void(Json&)>& change) {
  return file_error_of([&] { read(change); });
}

Json& node_of(Json& graph_module) {
  return graph_module["graph"]["nodes"][0];
}

/// The argument of the only node.
Argument argument(const Json& json) {
  return read([&](Json& program) { node_of(program)["inputs"][0]["arg"] = json; }).graph.nodes[0].arguments[0].second;
}

c10::IValue constant(const Json& json) {
  return std::get<c10::IValue>(argument(json));
}

Node::Output output(const Json& json) {
  return read([&](Json& program) { node_of(program)["outputs"][0] = json; }).graph.nodes[0].outputs[0];
}

TEST(ProgramReaderTest, ReadsTheSmallestProgram) {
  const Program program = read_program(smallest_program().dump());
  EXPECT_EQ(program.torch_version, "2.10.0");
  ASSERT_EQ(program.inputs.size(), 1U);
  EXPECT_EQ(program.inputs[0].name, "x");
  EXPECT_EQ(program.inputs[0].dtype, at::kFloat);
  ASSERT_EQ(program.results.size(), 1U);
  EXPECT_EQ(program.results[0].value, "y");
  EXPECT_TRUE(program.results[0].keys.empty());
  EXPECT_EQ(program.graph.shapes.at("x"), (Shape{std::nullopt, 3}));
  EXPECT_EQ(program.graph.nodes[0].arguments[0].first, "self");
  EXPECT_EQ(std::get<ValueName>(program.graph.nodes[0].arguments[0].second).name, "x");
}

TEST(ProgramReaderTest, ReadsConstants) {
  EXPECT_TRUE(constant({{"as_none", true}}).isNone());
  EXPECT_EQ(constant({{"as_int", -3}}).toInt(), -3);
  EXPECT_EQ(constant({{"as_float", 0.25}}).toDouble(), 0.25);
  EXPECT_TRUE(constant({{"as_bool", true}}).toBool());
  EXPECT_EQ(constant({{"as_string", "mean"}}).toStringRef(), "mean");
  EXPECT_EQ(constant({{"as_ints", {1, -1}}}).toIntVector(), (std::vector<int64_t>{1, -1}));
  EXPECT_EQ(constant({{"as_floats", {0.5, 2}}}).toDoubleVector(), (std::vector<double>{0.5, 2}));
  const c10::List<bool> bools = constant({{"as_bools", {true, false}}}).toBoolList();
  ASSERT_EQ(bools.size(), 2U);
  EXPECT_TRUE(bools.get(0));
  EXPECT_FALSE(bools.get(1));
  EXPECT_EQ(constant({{"as_layout", 7}}).toInt(), static_cast<int64_t>(c10::Layout::Strided));
  EXPECT_TRUE(std::holds_alternative<ExportDevice>(argument({{"as_device", {{"type", "cpu"}}}})));
}

TEST(ProgramReaderTest, ReadsNumbersThatJsonHasNot) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(constant({{"as_float", "Infinity"}}).toDouble(), kInfinity);
  EXPECT_EQ(constant({{"as_float", "-Infinity"}}).toDouble(), -kInfinity);
  EXPECT_TRUE(std::isnan(constant({{"as_float", "NaN"}}).toDouble()));
  EXPECT_EQ(constant({{"as_floats", {"Infinity", 1}}}).toDoubleVector(), (std::vector<double>{kInfinity, 1}));
}

TEST(ProgramReaderTest, ReadsMemoryFormats) {
  const std::vector<c10::MemoryFormat> formats = {
      c10::MemoryFormat::Contiguous, c10::MemoryFormat::ChannelsLast, c10::MemoryFormat::ChannelsLast3d,
      c10::MemoryFormat::Preserve};
  for (size_t i = 0; i < formats.size(); ++i) {
    EXPECT_EQ(constant({{"as_memory_format", i + 1}}).toInt(), static_cast<int64_t>(formats[i])) << i;
  }
}

TEST(ProgramReaderTest, ReadsDtypes) {
  // As PyTorch's torch._export.serde.schema.ScalarType counts them.
  const std::vector<c10::ScalarType> dtypes = {
      at::kByte,   at::kChar,        at::kShort,        at::kInt,           at::kLong, at::kHalf,    at::kFloat,
      at::kDouble, at::kComplexHalf, at::kComplexFloat, at::kComplexDouble, at::kBool, at::kBFloat16};
  for (size_t i = 0; i < dtypes.size(); ++i) {
    EXPECT_EQ(std::get<Dtype>(argument({{"as_scalar_type", i + 1}})).of, dtypes[i]) << i;
  }
  for (const size_t unknown : {size_t{0}, dtypes.size() + 1}) {
    EXPECT_EQ(
        refusal([&](Json& program) {
          node_of(program)["inputs"][0]["arg"] = {{"as_scalar_type", unknown}};
        }),
        "dtype " + std::to_string(unknown) + " is unknown");
  }
}

TEST(ProgramReaderTest, ReadsNumbersThatAreComputed) {
  EXPECT_EQ(constant({{"as_sym_int", {{"as_int", 4}}}}).toInt(), 4);
  EXPECT_EQ(constant({{"as_sym_float", {{"as_float", 0.5}}}}).toDouble(), 0.5);
  EXPECT_TRUE(constant({{"as_sym_bool", {{"as_bool", true}}}}).toBool());
  for (const std::string kind : {"as_sym_int", "as_sym_float", "as_sym_bool"}) {
    EXPECT_EQ(std::get<ValueName>(argument({{kind, {{"as_name", "n"}}}})).name, "n") << kind;
  }
}

TEST(ProgramReaderTest, ReadsLists) {
  const Argument tensors = argument({{"as_tensors", {{{"name", "a"}}, {{"name", "b"}}}}});
  EXPECT_EQ(std::get<ValueList>(tensors).kind, ValueList::Kind::kTensors);
  EXPECT_EQ(values_in(tensors), (std::vector<std::string>{"a", "b"}));

  const Argument optional =
      argument({{"as_optional_tensors", {{{"as_none", true}}, {{"as_tensor", {{"name", "b"}}}}}}});
  const ValueList& list = std::get<ValueList>(optional);
  EXPECT_EQ(list.kind, ValueList::Kind::kOptionalTensors);
  ASSERT_EQ(list.elements.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(list.elements[0]));
  EXPECT_EQ(values_in(optional), std::vector<std::string>{"b"});

  const Argument numbers = argument({{"as_sym_ints", {{{"as_int", 2}}, {{"as_name", "n"}}}}});
  EXPECT_EQ(std::get<ValueList>(numbers).kind, ValueList::Kind::kNumbers);
  EXPECT_EQ(std::get<int64_t>(std::get<ValueList>(numbers).elements[0]), 2);
  EXPECT_EQ(values_in(numbers), std::vector<std::string>{"n"});

  EXPECT_TRUE(values_in(argument({{"as_int", 3}})).empty());
  EXPECT_EQ(values_in(argument({{"as_tensor", {{"name", "x"}}}})), std::vector<std::string>{"x"});
}

TEST(ProgramReaderTest, RefusesOtherArguments) {
  const auto refusal_of = [](const Json& json) {
    return refusal([&](Json& program) { node_of(program)["inputs"][0]["arg"] = json; });
  };
  EXPECT_EQ(refusal_of({{"as_layout", 1}}), "arguments of kind as_layout are not supported");
  EXPECT_EQ(refusal_of({{"as_operator", "f"}}), "arguments of kind as_operator are not supported");
  EXPECT_EQ(refusal_of({{"as_memory_format", 0}}), "memory format 0 is unknown");
  EXPECT_EQ(refusal_of({{"as_float", "much"}}), "number much is unknown");
  EXPECT_EQ(refusal_of({{"as_int", 1}, {"as_float", 1.0}}), "an argument has no kind");
  EXPECT_EQ(refusal_of(3), "an argument has no kind");
}

TEST(ProgramReaderTest, ReadsResultsOfNodes) {
  EXPECT_TRUE(output({{"as_none", true}}).names.empty());
  EXPECT_FALSE(output({{"as_none", true}}).is_list);
  for (const std::string kind : {"as_sym_int", "as_sym_float", "as_sym_bool"}) {
    EXPECT_EQ(output({{kind, {{"as_name", "n"}}}}).names, std::vector<std::string>{"n"}) << kind;
  }
  const Node::Output list = output({{"as_tensors", {{{"name", "a"}}, {{"name", "b"}}}}});
  EXPECT_EQ(list.names, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(list.is_list);
  EXPECT_EQ(
      refusal([](Json& program) {
        node_of(program)["outputs"][0] = {{"as_int", 1}};
      }),
      "results of kind as_int are not supported");
}

TEST(ProgramReaderTest, ReadsModulesOfNodes) {
  const auto modules = [](const std::string& stack) {
    return read([&](Json& program) {
             program["module_call_graph"].push_back({{"fqn", "block"}});
             program["module_call_graph"].push_back({{"fqn", "block.0@1"}});
             node_of(program)["metadata"] = {{"nn_module_stack", stack}};
           })
        .graph.nodes[0]
        .modules;
  };
  const std::vector<ModuleCall> calls =
      modules("L__self__block,block,pack.Block;L__self__block_0@12,block.0,pack.Conv");
  ASSERT_EQ(calls.size(), 2U);
  EXPECT_EQ(calls[0].path, "block");
  EXPECT_EQ(calls[0].type, "Block");
  EXPECT_EQ(calls[0].number, 0);
  EXPECT_EQ(calls[1].path, "block.0");
  EXPECT_EQ(calls[1].type, "Conv");
  EXPECT_EQ(calls[1].number, 12);
  EXPECT_EQ(modules("a,block.0@3,Conv")[0].number, 3);
  // What is no number, or a larger one than any model has, and what is no stack.
  EXPECT_EQ(modules("a@,block,Block")[0].number, 0);
  EXPECT_EQ(modules("a@x,block,Block")[0].number, 0);
  EXPECT_EQ(modules("a@/,block,Block")[0].number, 0);
  EXPECT_EQ(modules("a@:,block,Block")[0].number, 0);
  EXPECT_EQ(modules("a@99999999999999999999,block,Block")[0].number, 9999999);
  EXPECT_TRUE(modules("block").empty());
  EXPECT_TRUE(modules("a,unknown,Block").empty());
  EXPECT_TRUE(
      read([](Json& program) { node_of(program)["metadata"] = Json::object(); }).graph.nodes[0].modules.empty());
}

TEST(ProgramReaderTest, ReadsStructuresOfResults) {
  const auto keys = [](const std::string& structure, size_t count) {
    const Program program = read([&](Json& graph_module) {
      Json& specs = graph_module["signature"]["output_specs"];
      const Json spec = specs[0];
      specs = Json::array();
      for (size_t i = 0; i < count; ++i) specs.push_back(spec);
      graph_module["module_call_graph"][0]["signature"]["out_spec"] = "[1, " + structure + "]";
    });
    std::vector<std::vector<std::string>> all;
    for (const ProgramResult& result : program.results) all.push_back(result.keys);
    return all;
  };
  using Keys = std::vector<std::vector<std::string>>;
  const std::string leaf = R"({"type": null, "context": null, "children_spec": []})";
  const auto of = [&](const std::string& type, const std::string& context, const std::string& children) {
    return R"({"type": ")" + type + R"(", "context": )" + context + R"(, "children_spec": [)" + children + "]}";
  };
  EXPECT_EQ(
      keys(of("builtins.dict", R"("[\"logits\", \"map\"]")", leaf + ", " + leaf), 2), (Keys{{"logits"}, {"map"}}));
  EXPECT_EQ(
      keys(of("builtins.tuple", R"("null")", leaf + ", " + of("builtins.list", "null", leaf)), 2),
      (Keys{{"0"}, {"1", "0"}}));
  // Names that are none or too few, and a context that is no JSON.
  EXPECT_EQ(keys(of("builtins.dict", R"("[1]")", leaf), 1), Keys{{"0"}});
  EXPECT_EQ(keys(of("builtins.dict", R"("[\"a\", \"b\"]")", leaf), 1), Keys{{"0"}});
  EXPECT_EQ(keys(of("builtins.dict", R"("{")", leaf), 1), Keys{{"0"}});
  EXPECT_EQ(
      file_error_of([&] { keys(of("builtins.tuple", "null", leaf + ", " + leaf), 1); }),
      "it returns fewer results than its structure has");
  EXPECT_EQ(file_error_of([&] { keys(of("builtins.tuple", "null", ""), 0); }), "it returns nothing");
}

TEST(ProgramReaderTest, RefusesOtherInputs) {
  const auto refusal_of = [](const Json& specs) {
    return refusal([&](Json& program) { program["signature"]["input_specs"] = specs; });
  };
  EXPECT_EQ(refusal_of(Json::array()), "its forward takes nothing");
  EXPECT_EQ(
      refusal_of({{{"user_input", {{"arg", {{"as_int", 3}}}}}}}), "its forward takes something else than tensors");
  EXPECT_EQ(refusal_of({{{"custom_obj", Json::object()}}}), "inputs of kind custom_obj are not supported");
}

}  // namespace
}  // namespace retort::exported
