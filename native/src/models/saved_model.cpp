#include <retort/models/saved_model.h>
#include <retort/models/torchscript.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <utility>

#include "io/checksum.h"
#include "io/stream.h"
#include "io/whole_file.h"
#include "tensor/check.h"

namespace retort {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSave = "save_model";
constexpr const char* kLoad = "load_model";
constexpr const char* kFormat = "retort.model";
constexpr int64_t kVersion = 1;
constexpr const char* kDescription = "model.json";
constexpr const char* kProgram = "student.ts";
constexpr const char* kColumns = "columns.csv";
constexpr const char* kStateDict = "student.pt";

std::string in(const std::string& folder, const char* name) {
  return folder + "/" + name;
}

std::string hex(uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016" PRIx64, number);
  return text;
}

std::string sum_of(const std::string& content) {
  return hex(checksum(content));
}

std::string content_of(const std::string& path) {
  require_file(kLoad, path);
  std::ifstream stream(path, std::ios::binary);
  return read_stream(kLoad, stream, path);
}

/// The content of one of a model's files, which must be that with which its description was written.
std::string content_of(const std::string& folder, const char* name, const char* what, const std::string& sum) {
  const std::string path = in(folder, name);
  std::string content = content_of(path);
  RETORT_CHECK_AS(
      FileError, sum_of(content) == sum, kLoad, ": ", path, " must be the ", what, " that ", in(folder, kDescription),
      " was written with (got another, or a damaged one)");
  return content;
}

Json file_of(const char* name, const std::string& content) {
  return {{"file", name}, {"xxh3", sum_of(content)}};
}

std::string json_of(
    const ModelDescription& description, const Preprocessing& preprocessing, const std::string& program) {
  Json json;
  json["format"] = kFormat;
  json["version"] = kVersion;
  json["architecture"] = description.architecture;
  json["classes"] = description.class_names;
  json["input_shape"] = preprocessing.input_shape;
  json["preprocessing"] = {
      {"resize", description.resize},
      {"mean", preprocessing.mean},
      {"deviation", preprocessing.deviation},
      {"channels_last", preprocessing.channels_last}};
  json["program"] = file_of(kProgram, program);
  if (!description.columns.empty()) json["columns"] = file_of(kColumns, description.columns);
  try {
    return json.dump(2) + "\n";
  } catch (const Json::exception&) {
    fail(kSave, ": class names must be UTF-8 (got other bytes)");
  }
}

/// What a description says itself, and the checksums of the other files.
struct Parsed {
  ModelDescription description;
  std::vector<int64_t> input_shape;
  std::string program;
  std::optional<std::string> columns;
};

Parsed parse(const std::string& text, const std::string& path) {
  try {
    const Json json = Json::parse(text);
    if (json.at("format") != kFormat || json.at("version") != kVersion) throw std::invalid_argument("format");
    Parsed parsed;
    json.at("architecture").get_to(parsed.description.architecture);
    json.at("classes").get_to(parsed.description.class_names);
    json.at("input_shape").get_to(parsed.input_shape);
    json.at("preprocessing").at("resize").get_to(parsed.description.resize);
    json.at("program").at("xxh3").get_to(parsed.program);
    if (json.contains("columns")) parsed.columns = json["columns"].at("xxh3").get<std::string>();
    return parsed;
  } catch (const std::exception&) {
    fail<FileError>(kLoad, ": ", path, " must be the description of a model, of version ", kVersion, " (got another)");
  }
}

/// Learns the number of classes of a network whose program does not know what it was probed with. One that does not
/// take such a shape is left without.
void probe(Network& network, const std::vector<int64_t>& input_shape) {
  if (!network.input_shape().empty()) return;
  try {
    network.probe(input_shape);
  } catch (const std::exception&) {
  }
}

}  // namespace

void save_model(const std::string& folder, Network& network, const ModelDescription& description) {
  Preprocessing preprocessing = network.preprocessing();
  preprocessing.input_shape = network.input_shape();
  const int64_t classes = network.classes();
  RETORT_CHECK(classes > 0, kSave, ": network must be probed (got one whose input shape is not known)");
  const auto names = static_cast<int64_t>(description.class_names.size());
  RETORT_CHECK(
      names == 0 || names == classes, kSave, ": class names must be one for each of the ", classes, " classes (got ",
      names, ")");
  RETORT_CHECK(description.resize >= 0, kSave, ": resize must be at least 0 (got ", description.resize, ")");
  std::ostringstream program;
  network.save_torchscript(program);
  const std::string json = json_of(description, preprocessing, program.str());
  network.save_state_dict(in(folder, kStateDict));
  write_whole_file(kSave, in(folder, kProgram), program.str());
  if (!description.columns.empty()) write_whole_file(kSave, in(folder, kColumns), description.columns);
  write_whole_file(kSave, in(folder, kDescription), json);
  if (description.columns.empty()) std::remove(in(folder, kColumns).c_str());  // else it would pass for this model's
}

SavedModel load_model(const std::string& folder) {
  const std::string path = in(folder, kDescription);
  Parsed parsed = parse(content_of(path), path);
  SavedModel model;
  model.description = std::move(parsed.description);
  if (parsed.columns) model.description.columns = content_of(folder, kColumns, "columns", *parsed.columns);
  std::istringstream stream(content_of(folder, kProgram, "program", parsed.program));
  model.network = load_torchscript(stream, {}, in(folder, kProgram));
  probe(*model.network, parsed.input_shape);
  const auto names = static_cast<int64_t>(model.description.class_names.size());
  const int64_t classes = model.network->classes();
  RETORT_CHECK_AS(
      FileError, classes > 0 && (names == 0 || names == classes) && model.description.resize >= 0, kLoad, ": ", path,
      " must describe its program, of ", classes, " classes (got names of ", names, ")");
  return model;
}

}  // namespace retort
