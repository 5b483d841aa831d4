#include "models/exported/archive.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>

#include "models/exported/json.h"

namespace retort::exported {
namespace {

constexpr const char* kMain = "model";
constexpr const char* kPrograms = "models/";
constexpr const char* kEndOfProgram = ".json";

std::vector<int64_t> numbers_of(const Json& sizes) {
  std::vector<int64_t> numbers;
  for (const Json& size : sizes) numbers.push_back(size.at("as_int").get<int64_t>());
  return numbers;
}

/// What of two tensors is the same if they are one, as tied parameters are.
using Place = std::tuple<std::string, c10::ScalarType, int64_t, std::vector<int64_t>, std::vector<int64_t>>;

Place place_of(const std::string& name, const Json& entry) {
  if (entry.at("use_pickle").get<bool>()) {
    fail<FileError>(name, " is pickled, as PyTorch before 2.9 does and for tensors of subclasses");
  }
  const Json& meta = entry.at("tensor_meta");
  if (meta.at("layout").get<int64_t>() != kStridedLayout) fail<FileError>(name, " is not a dense tensor");
  return {
      entry.at("path_name").get<std::string>(), dtype_of(meta.at("dtype")),
      meta.at("storage_offset").at("as_int").get<int64_t>(), numbers_of(meta.at("sizes")),
      numbers_of(meta.at("strides"))};
}

}  // namespace

Archive::Archive(const ArchiveFile& file) : reader_(file) {
  if (!has("archive_format") || text("archive_format") != "pt2") fail<FileError>("it is no archive of torch.export");
  if (text("archive_version") != "0")
    fail<FileError>("version ", text("archive_version"), " of the archive is unknown");
  if (text("byteorder") != "little") fail<FileError>("its bytes are in the order of another machine");
}

std::vector<std::string> Archive::programs() {
  std::vector<std::string> names;
  const std::string begin = kPrograms, end = kEndOfProgram;
  for (const std::string& record : reader_.getAllRecords()) {
    if (record.size() <= begin.size() + end.size() || record.compare(0, begin.size(), begin) != 0) continue;
    if (record.compare(record.size() - end.size(), end.size(), end) != 0) continue;
    names.push_back(record.substr(begin.size(), record.size() - begin.size() - end.size()));
  }
  return names;
}

std::string Archive::main_program() {
  const std::vector<std::string> names = programs();
  if (names.size() == 1) return names.front();
  if (std::find(names.begin(), names.end(), kMain) != names.end()) return kMain;
  fail<FileError>("its programs are ", c10::Join(", ", names), ", and none is called ", kMain);
}

std::string Archive::text(const std::string& record) {
  const auto [bytes, size] = reader_.getRecord(record);
  return std::string(static_cast<const char*>(bytes.get()), size);
}

std::map<std::string, at::Tensor> Archive::tensors(const std::string& kind, const std::string& program) {
  const std::string folder = "data/" + kind + "/", config = folder + program + "_" + kind + "_config.json";
  if (!has(config)) {
    fail<FileError>(config, " is missing: PyTorch before 2.9 wrote weights that Retort does not read");
  }
  std::map<std::string, c10::Storage> storages;
  std::map<Place, at::Tensor> known;
  std::map<std::string, at::Tensor> found;
  const Json json = parse_json(text(config), config);
  for (const auto& [name, entry] : json.at("config").items()) {
    // Objects of Python's are among the constants: whatever needs one is refused where it is used.
    if (entry.at("path_name").get<std::string>().rfind("custom_obj_", 0) == 0) continue;
    const Place place = place_of(name, entry);
    at::Tensor& tensor = known[place];
    if (!tensor.defined()) {
      const auto& [file, dtype, offset, sizes, strides] = place;
      const auto [storage, is_new] = storages.try_emplace(file);
      if (is_new) {
        auto [bytes, size] = reader_.getRecord(folder + file);
        // Without an allocator it can't grow: a tensor that does not lie in it is an error.
        storage->second = c10::Storage(
            c10::Storage::use_byte_size_t(), size, std::move(bytes), /*allocator=*/nullptr, /*resizable=*/false);
      }
      tensor = at::empty({0}, dtype).set_(storage->second, offset, sizes, strides);
      if (entry.at("is_param").get<bool>()) {
        tensor.set_requires_grad(entry.at("tensor_meta").at("requires_grad").get<bool>());
      }
    }
    found.emplace(name, tensor);
  }
  return found;
}

}  // namespace retort::exported
