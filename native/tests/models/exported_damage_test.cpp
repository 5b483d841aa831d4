// Programs of torch.export that are damaged or hostile: each is an error, none harms the process.
#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/models/exported.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "archive_records.h"
#include "expect.h"
#include "files.h"
#include "seeded_test.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using Json = nlohmann::json;
using test::ArchiveRecords;
using test::error_of;
using test::file_error_of;

const std::string kProgram = "models/model.json";
const std::string kWeights = "data/weights/model_weights_config.json";

std::shared_ptr<Network> load(const std::string& bytes, const std::vector<std::string>& taps = {}) {
  std::istringstream stream(bytes);
  return load_exported(stream, taps, "damaged.pt2");
}

class ExportedDamageTest : public test::SeededTest {
 protected:
  static ArchiveRecords records(const std::string& name = "pointwise") {
    return ArchiveRecords(std::string(RETORT_EXPORTED_DIR) + "/" + name + "-2.10.pt2");
  }

  /// Why a file with changed records is refused.
  static std::string refusal(const ArchiveRecords& changed) {
    const std::string error = file_error_of([&] { load(changed.bytes()); });
    const std::string begin =
        "load_exported: file must be a program of torch.export that can be run (got damaged.pt2: ";
    EXPECT_EQ(error.substr(0, begin.size()), begin) << error;
    return error.size() > begin.size() ? error.substr(begin.size(), error.size() - begin.size() - 1) : error;
  }

  static std::string refusal(const std::function<void(Json&)>& change) {
    ArchiveRecords changed = records();
    changed.edit(kProgram, change);
    return refusal(changed);
  }

  /// With a change of the node that runs an operator.
  static std::string refusal_of_node(const std::string& target, const std::function<void(Json&)>& change) {
    return refusal([&](Json& program) { change(node_of(program, target)); });
  }

  static Json& node_of(Json& program, const std::string& target) {
    for (Json& node : program["graph_module"]["graph"]["nodes"]) {
      if (node["target"].get<std::string>().find(target) != std::string::npos) return node;
    }
    throw std::runtime_error("no node " + target);
  }

  static std::string refusal_of_weight(const std::function<void(Json&)>& change) {
    ArchiveRecords changed = records();
    changed.edit(kWeights, [&](Json& config) { change(config["config"]["conv.weight"]); });
    return refusal(changed);
  }
};

TEST_F(ExportedDamageTest, RewrittenAsItWasItIsLoaded) {
  EXPECT_EQ(load(records().bytes())->predict(at::zeros({2, 3, 2, 2}, at::kDouble)).size(1), 8);
}

TEST_F(ExportedDamageTest, OtherRecordsAreIgnored) {
  ArchiveRecords more = records();
  more["models/notes.txt"] = "of the author's";
  more.edit("data/constants/model_constants_config.json", [](Json& config) {
    config["config"]["an_object"] = {{"path_name", "custom_obj_0"}};
  });
  EXPECT_NE(load(more.bytes()), nullptr);
}

TEST_F(ExportedDamageTest, WeightsMayShareAStorage) {
  ArchiveRecords changed = records();
  changed.edit(kWeights, [](Json& config) {
    Json& weights = config["config"];
    weights["conv.bias"]["path_name"] = weights["conv.weight"]["path_name"];
  });
  const auto parameters = load(changed.bytes())->named_parameters();
  const at::Tensor weight = parameters["conv.weight"], bias = parameters["conv.bias"];
  EXPECT_TRUE(bias.equal(weight.flatten().slice(0, 0, bias.numel())));
  EXPECT_EQ(bias.const_data_ptr(), weight.const_data_ptr());
}

TEST_F(ExportedDamageTest, IsNoProgram) {
  for (const std::string bytes : {"", "x", "PK", "a text that is longer than the end of an archive of any kind"}) {
    EXPECT_FALSE(file_error_of([&] { load(bytes); }).empty());
  }
  ArchiveRecords changed = records();
  changed["archive_format"] = "pt3";
  EXPECT_EQ(refusal(changed), "it is no archive of torch.export");
  changed = records();
  changed["archive_version"] = "7";
  EXPECT_EQ(refusal(changed), "version 7 of the archive is unknown");
  changed = records();
  changed["byteorder"] = "big";
  EXPECT_EQ(refusal(changed), "its bytes are in the order of another machine");
  changed = records();
  changed[kProgram] = "{";
  EXPECT_EQ(refusal(changed), "the program is no JSON");
  changed = records();
  changed["models/other.json"] = changed[kProgram];
  changed.remove(kProgram);
  EXPECT_EQ(
      refusal(changed),
      "data/weights/other_weights_config.json is missing: PyTorch before 2.9 wrote weights that "
      "Retort does not read");
  changed["models/third.json"] = changed["models/other.json"];
  EXPECT_EQ(refusal(changed), "its programs are other, third, and none is called model");
  EXPECT_EQ(
      file_error_of([] { load_exported("/no/such.pt2"); }),
      "load_exported: path must be an existing file (got /no/such.pt2)");
}

TEST_F(ExportedDamageTest, IsOfAnotherVersion) {
  EXPECT_EQ(
      refusal([](Json& program) {
        program["schema_version"]["major"] = 9;
        program["torch_version"] = "3.1";
      }),
      "its schema is version 9 of PyTorch 3.1, and Retort reads version 8, of PyTorch 2.9 and later");
}

TEST_F(ExportedDamageTest, OperatorsAreThoseOfTheList) {
  const auto with = [](const std::string& target) {
    return refusal_of_node("conv2d", [&](Json& node) { node["target"] = target; });
  };
  EXPECT_EQ(
      with("torch.ops.aten.from_file.default"), "operator aten::from_file.default is not one of those that may be run");
  for (const std::string name :
       {"resize_.default", "set_.source_Storage", "_unsafe_index.Tensor", "sparse_coo_tensor.size", "relu.out",
        "conv2d_backward.default", "empty_strided.default", "_embedding_bag.default", "save.default"}) {
    EXPECT_EQ(with("torch.ops.aten." + name), "operator aten::" + name + " is not one of those that may be run");
  }
  EXPECT_EQ(with("torch.ops.aten.relu.absent"), "operator aten::relu.absent is unknown to this version of LibTorch");
  for (const std::string name :
       {"torch.ops.prim.device.default", "torch.ops.retort.nst.default", "os.system", "", "torch.ops.aten",
        "builtins.eval"}) {
    EXPECT_EQ(with(name), "operator " + name + " is not one of those that may be run");
  }
  EXPECT_EQ(with("torch.ops.higher_order.map_impl"), "operator torch.ops.higher_order.map_impl is not supported");
  EXPECT_EQ(with("torch.ops.aten.matmul.default"), "operator aten::matmul has no argument input");
}

TEST_F(ExportedDamageTest, ArgumentsMustFit) {
  const auto with = [](Json argument) {
    return refusal_of_node("conv2d", [&](Json& node) { node["inputs"][0]["arg"] = argument; });
  };
  EXPECT_EQ(with({{"as_tensor", {{"name", "nobody"}}}}), "value nobody is used before it is computed");
  EXPECT_EQ(with({{"as_int", 3}}), "no operator aten::conv2d takes its arguments");
  EXPECT_EQ(with({{"as_custom_obj", {{"name", "x"}}}}), "arguments of kind as_custom_obj are not supported");
  EXPECT_EQ(with({{"as_scalar_type", 99}}), "dtype 99 is unknown");
  EXPECT_EQ(with({{"as_memory_format", 9}}), "memory format 9 is unknown");
  EXPECT_EQ(with({{"as_float", "many"}}), "number many is unknown");
  EXPECT_EQ(with(Json::object()), "an argument has no kind");
  EXPECT_EQ(with({{"as_tensors", {{{"name", "p_conv_bias"}}}}}), "no operator aten::conv2d takes its arguments");
  EXPECT_FALSE(with({{"as_int", "three"}}).empty());
  EXPECT_EQ(
      refusal_of_node("conv2d", [](Json& node) { node["outputs"].push_back(node["outputs"][0]); }),
      "operator torch.ops.aten.conv2d.default returns fewer results");
  EXPECT_EQ(
      refusal_of_node(
          "conv2d",
          [](Json& node) {
            node["outputs"][0] = {{"as_tensors", {{{"name", "conv2d"}}}}};
          }),
      "operator torch.ops.aten.conv2d.default returns something else");
}

TEST_F(ExportedDamageTest, NestingHasAnEnd) {
  std::string deep(100000, '[');
  ArchiveRecords changed = records();
  changed[kProgram] = deep;
  EXPECT_EQ(refusal(changed), "the program is no JSON");
  changed[kProgram] = deep + std::string(deep.size(), ']');
  EXPECT_FALSE(refusal(changed).empty());

  EXPECT_EQ(
      refusal([](Json& program) {
        // Bodies within bodies.
        Json body = program["graph_module"]["graph"];
        body["nodes"] = Json::array();
        for (int i = 0; i < 50; ++i) {
          Json node = {{"target", "torch.ops.higher_order.cond"}, {"outputs", Json::array()}};
          node["inputs"] = {{{"name", ""}, {"arg", {{"as_graph", {{"name", "g"}, {"graph", body}}}}}}};
          body["nodes"] = {node};
        }
        program["graph_module"]["graph"]["nodes"] = body["nodes"];
      }),
      "it is nested too deeply");
  EXPECT_EQ(
      refusal([](Json& program) {
        Json& spec = program["graph_module"]["module_call_graph"][0]["signature"]["out_spec"];
        std::string text = R"({"type": null, "context": null, "children_spec": []})";
        for (int i = 0; i < 50; ++i) {
          text = R"({"type": "builtins.tuple", "context": "null", "children_spec": [)" + text + "]}";
        }
        spec = "[1, " + text + "]";
      }),
      "it is nested too deeply");
  EXPECT_EQ(
      refusal([](Json& program) {
        std::string path = "a";
        for (int i = 0; i < 20000; ++i) path += ".a";
        program["graph_module"]["module_call_graph"][1]["fqn"] = path;
      }),
      "it is nested too deeply");
}

TEST_F(ExportedDamageTest, WeightsMustLieInTheirStorage) {
  for (const auto& change : std::vector<std::function<void(Json&)>>{
           [](Json& meta) { meta["sizes"][0]["as_int"] = 1000000; },
           [](Json& meta) { meta["sizes"][0]["as_int"] = int64_t{1} << 62; },
           [](Json& meta) { meta["sizes"][0]["as_int"] = -6; },
           [](Json& meta) { meta["strides"][0]["as_int"] = 100000; },
           [](Json& meta) { meta["strides"][0]["as_int"] = -12; },
           [](Json& meta) { meta["storage_offset"]["as_int"] = 1; },
           [](Json& meta) { meta["storage_offset"]["as_int"] = -1; }, [](Json& meta) { meta["dtype"] = 11; },
           [](Json& meta) { meta["dtype"] = 0; }, [](Json& meta) { meta["layout"] = 1; },
           [](Json& meta) { meta.erase("sizes"); }}) {
    EXPECT_FALSE(refusal_of_weight([&](Json& weight) { change(weight["tensor_meta"]); }).empty());
  }
  EXPECT_EQ(
      refusal_of_weight([](Json& weight) { weight["use_pickle"] = true; }),
      "conv.weight is pickled, as PyTorch before 2.9 does and for tensors of subclasses");
  EXPECT_FALSE(refusal_of_weight([](Json& weight) { weight["path_name"] = "../../etc/passwd"; }).empty());
  ArchiveRecords changed = records();
  changed.edit(kWeights, [](Json& config) { config["config"].erase("conv.weight"); });
  EXPECT_EQ(refusal(changed), "tensor conv.weight is missing");
  changed = records();
  changed["data/weights/weight_0"].resize(8);
  EXPECT_FALSE(refusal(changed).empty());
}

TEST_F(ExportedDamageTest, ViewsMustLieInTheirStorage) {
  ArchiveRecords changed = records();
  changed.edit(kProgram, [](Json& program) {
    Json& node = node_of(program, "conv2d");
    node["target"] = "torch.ops.aten.as_strided.default";
    const auto numbers = [](std::vector<int64_t> values) { return Json{{"as_ints", values}}; };
    node["inputs"] = {
        {{"name", "self"}, {"arg", {{"as_tensor", {{"name", "p_conv_weight"}}}}}, {"kind", 1}},
        {{"name", "size"}, {"arg", numbers({3, 6, 1, 1})}, {"kind", 1}},
        {{"name", "stride"}, {"arg", numbers({1000000, 1, 1, 1})}, {"kind", 1}},
        {{"name", "storage_offset"}, {"arg", {{"as_int", 1 << 20}}}, {"kind", 1}}};
  });
  const auto network = load(changed.bytes());
  network->eval();
  EXPECT_FALSE(error_of([&] { network->forward(at::zeros({3, 3, 2, 2}, at::kDouble)); }).empty());
}

TEST_F(ExportedDamageTest, BatchMustVary) {
  EXPECT_EQ(
      refusal([](Json& program) {
        Json& images = program["graph_module"]["graph"]["tensor_values"]["images"];
        images["sizes"][0] = {{"as_int", 4}};
      }),
      "its batch is fixed at 4, export it with dynamic_shapes=({0: torch.export.Dim(\"batch\")},) and two images or "
      "more");
}

TEST_F(ExportedDamageTest, NoiseOfEvaluationIsToldOf) {
  struct Handler final : c10::WarningHandler {
    void process(const c10::Warning& warning) override { messages.push_back(warning.msg()); }
    std::vector<std::string> messages;
  };
  Handler handler;
  const c10::WarningUtils::WarningHandlerGuard guard(&handler);
  ArchiveRecords changed = records("noisy");
  load(changed.bytes());
  EXPECT_EQ(handler.messages, std::vector<std::string>()) << "a program of its own evaluates";
  changed.remove("models/evaluation.json");
  load(changed.bytes());
  ASSERT_EQ(handler.messages.size(), 1U);
  EXPECT_EQ(
      handler.messages.front(),
      "load_exported: aten::randn_like draws random numbers in evaluation mode, too (a program called evaluation "
      "beside "
      "this one would run there instead)");
}

TEST_F(ExportedDamageTest, ForwardTakesImagesAndReturnsTensors) {
  EXPECT_EQ(
      refusal([](Json& program) {
        Json& specs = program["graph_module"]["signature"]["input_specs"];
        specs.push_back(specs.back());
      }),
      "its forward must take the images alone, and takes 2 tensors");
  EXPECT_EQ(
      refusal([](Json& program) {
        program["graph_module"]["signature"]["output_specs"][0] = {{"user_output", {{"arg", {{"as_int", 3}}}}}};
      }),
      "it returns something else than tensors");
  EXPECT_EQ(
      refusal([](Json& program) {
        program["graph_module"]["signature"]["output_specs"][0] = {{"buffer_mutation", Json::object()}};
      }),
      "it was changed by run_decompositions: results of kind buffer_mutation");
}

/// Loads damaged bytes and runs what could be loaded. Returns whether it could.
bool survives(const std::string& bytes) {
  try {
    const auto network = load(bytes);
    network->train();
    network->forward(at::zeros({2, 3, 2, 2}, at::kDouble));
    return true;
  } catch (const c10::ValueError&) {
    return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

TEST_F(ExportedDamageTest, CutAnywhere) {
  const std::string bytes = records().bytes();
  for (size_t size = 0; size < bytes.size(); size += 97) EXPECT_FALSE(survives(bytes.substr(0, size))) << size;
}

TEST_F(ExportedDamageTest, AnyByteOfTheFile) {
  const std::string bytes = records().bytes();
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) {
    std::string damaged = bytes;
    damaged[random() % damaged.size()] = static_cast<char>(random());
    survives(damaged);
  }
}

/// Puts something else in place of one value of the JSON.
void mutate(Json& json, std::mt19937& random) {
  std::vector<Json*> places;
  const std::function<void(Json&)> collect = [&](Json& one) {
    places.push_back(&one);
    if (one.is_structured()) {
      for (Json& child : one) collect(child);
    }
  };
  collect(json);
  Json& place = *places[random() % places.size()];
  Json& other = *places[random() % places.size()];
  switch (random() % 8) {
    case 0:
      place = nullptr;
      break;
    case 1:
      place = -1;
      break;
    case 2:
      place = int64_t{1} << (random() % 63);
      break;
    case 3:
      place = "relu";
      break;
    case 4:
      place = Json::array();
      break;
    case 5:
      place = Json::object();
      break;
    case 6: {
      const Json copy = other;
      if (copy.dump().size() < 10000) place = copy;
      break;
    }
    default:
      if (place.is_array() && !place.empty())
        place.erase(place.size() - 1);
      else if (place.is_object() && !place.empty())
        place.erase(place.begin());
      else
        place = true;
  }
}

TEST_F(ExportedDamageTest, AnyValueOfTheProgram) {
  std::mt19937 random(11);
  for (const std::string name : {"pointwise", "noisy", "attention", "recurrent"}) {
    for (int i = 0; i < 100; ++i) {
      ArchiveRecords changed = records(name);
      changed.edit(i % 5 == 0 ? kWeights : kProgram, [&](Json& json) {
        for (unsigned k = random() % 3 + 1; k > 0; --k) mutate(json, random);
      });
      survives(changed.bytes());
    }
  }
}

}  // namespace
}  // namespace retort
