#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/models/mlp.h>
#include <retort/models/predictor.h>
#include <retort/models/resnet.h>
#include <retort/models/saved_model.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "expect.h"
#include "seeded_test.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::error_of;
using test::same_bits;
using test::TemporaryFolder;

class SavedModelTest : public test::SeededTest {
 protected:
  SavedModelTest() {
    ResNetOptions options;
    options.depth = 8;
    options.classes = 3;
    network_ = make_resnet(options);
    network_->probe({3, 16, 16});
    Preprocessing preprocessing;
    preprocessing.input_shape = {3, 16, 16};
    preprocessing.mean = {0.5, 0.25, 0.125};
    preprocessing.deviation = {0.2, 0.3, 0.4};
    network_->set_preprocessing(preprocessing);
  }

  std::string path() const { return folder_.path().string(); }

  std::string file(const std::string& name) const { return folder_.file(name); }

  void change(const char* name, const std::function<void(std::string&)>& edit) const {
    std::ostringstream content;
    content << std::ifstream(file(name), std::ios::binary).rdbuf();
    std::string bytes = content.str();
    edit(bytes);
    std::ofstream(file(name), std::ios::binary) << bytes;
  }

  TemporaryFolder folder_;
  std::shared_ptr<Network> network_;
  ModelDescription description_ = {"resnet8", {"cat", "größer \"dog\"", "ship"}, 20};
};

TEST_F(SavedModelTest, LoadPredictsAsTheNetworkThatWasSaved) {
  save_model(path(), *network_, description_);
  const SavedModel model = load_model(path());
  EXPECT_EQ(model.description.architecture, "resnet8");
  EXPECT_EQ(model.description.class_names, description_.class_names);
  EXPECT_EQ(model.description.resize, 20);
  EXPECT_EQ(model.network->preprocessing(), network_->preprocessing());
  EXPECT_EQ(model.network->input_shape(), (std::vector<int64_t>{3, 16, 16}));
  EXPECT_EQ(model.network->classes(), 3);
  EXPECT_EQ(model.network->tap_names(), network_->tap_names());
  const at::Tensor images = at::randint(256, {4, 3, 16, 16}, at::kByte);
  EXPECT_TRUE(same_bits(Predictor(model.network).logits(images), Predictor(network_).logits(images)));
}

TEST_F(SavedModelTest, SaveWritesTheStateDictToo) {
  save_model(path(), *network_, description_);
  const at::Tensor images = at::rand({2, 3, 16, 16});
  const at::Tensor expected = network_->predict(images);
  ResNetOptions options;
  options.depth = 8;
  options.classes = 3;
  const auto other = make_resnet(options);
  other->load_state_dict(file("student.pt"));
  EXPECT_TRUE(same_bits(other->predict(images), expected));
}

TEST_F(SavedModelTest, SaveAgainReplacesTheModel) {
  save_model(path(), *network_, description_);
  const auto mlp = make_mlp({{4, 2}});
  mlp->probe({4});
  save_model(path(), *mlp, {"mlp", {}, 0, "item,column,value\n"});
  const SavedModel model = load_model(path());
  EXPECT_EQ(model.description.architecture, "mlp");
  EXPECT_TRUE(model.description.class_names.empty());
  EXPECT_EQ(model.description.columns, "item,column,value\n");
  EXPECT_EQ(model.network->input_shape(), (std::vector<int64_t>{4}));
}

TEST_F(SavedModelTest, SaveWithoutColumnsRemovesThoseOfAnEarlierModel) {
  description_.columns = "item,column,value\n";
  save_model(path(), *network_, description_);
  EXPECT_TRUE(std::filesystem::exists(file("columns.csv")));
  description_.columns.clear();
  save_model(path(), *network_, description_);
  EXPECT_FALSE(std::filesystem::exists(file("columns.csv")));
  std::ofstream(file("columns.csv")) << "of someone else";
  EXPECT_EQ(load_model(path()).description.columns, "");
}

TEST_F(SavedModelTest, LoadRefusesAModelWithoutItsColumnsOrWithOthers) {
  description_.columns = "item,column,value\n";
  save_model(path(), *network_, description_);
  const std::string columns = file("columns.csv");
  change("columns.csv", [](std::string& bytes) { bytes += "format,,1\n"; });
  EXPECT_EQ(
      error_of([&] { load_model(path()); }), "load_model: " + columns + " must be the columns that " +
                                                 file("model.json") +
                                                 " was written with (got another, or a damaged one)");
  std::filesystem::remove(columns);
  EXPECT_EQ(error_of([&] { load_model(path()); }), "load_model: path must be an existing file (got " + columns + ")");
}

TEST_F(SavedModelTest, SaveRefusesWhatItCannotDescribe) {
  EXPECT_EQ(
      error_of([&] {
        save_model(path(), *network_, {"resnet8", {"cat"}, 0});
      }),
      "save_model: class names must be one for each of the 3 classes (got 1)");
  EXPECT_EQ(
      error_of([&] {
        save_model(path(), *network_, {"resnet8", {}, -1});
      }),
      "save_model: resize must be at least 0 (got -1)");
  EXPECT_EQ(
      error_of([&] {
        save_model(path(), *network_, {"resnet8", {"a", "b", "\xff"}, 0});
      }),
      "save_model: class names must be UTF-8 (got other bytes)");
  EXPECT_EQ(
      error_of([&] {
        save_model(path(), *make_mlp({{4, 2}}), {});
      }),
      "save_model: network must be probed (got one whose input shape is not known)");
  EXPECT_TRUE(std::filesystem::is_empty(path()));
}

TEST_F(SavedModelTest, LoadRefusesDamagedAndForeignFiles) {
  EXPECT_EQ(
      error_of([&] { load_model(path()); }),
      "load_model: path must be an existing file (got " + file("model.json") + ")");
  save_model(path(), *network_, description_);
  change("student.ts", [](std::string& bytes) { bytes[bytes.size() / 2] ^= 1; });
  EXPECT_EQ(
      error_of([&] { load_model(path()); }), "load_model: " + file("student.ts") + " must be the program that " +
                                                 file("model.json") +
                                                 " was written with (got another, or a damaged one)");
  save_model(path(), *network_, description_);
  change("model.json", [](std::string& bytes) { bytes.replace(bytes.find("\"cat\","), 6, ""); });
  EXPECT_EQ(
      error_of([&] { load_model(path()); }),
      "load_model: " + file("model.json") + " must describe its program, of 3 classes (got names of 2)");
  for (const char* text : {"", "{}", "[1]", "{\"format\": \"retort.model\", \"version\": 2}"}) {
    change("model.json", [&](std::string& bytes) { bytes = text; });
    EXPECT_EQ(
        error_of([&] { load_model(path()); }),
        "load_model: " + file("model.json") + " must be the description of a model, of version 1 (got another)")
        << text;
  }
}

}  // namespace
}  // namespace retort
