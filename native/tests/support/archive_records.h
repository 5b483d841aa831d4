#pragma once

#include <caffe2/serialize/inline_container.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace retort::test {

/// The records of a file of torch.export, to be changed.
class ArchiveRecords {
 public:
  explicit ArchiveRecords(const std::string& path) {
    caffe2::serialize::PyTorchStreamReader reader(path);
    for (const std::string& name : reader.getAllRecords()) {
      const auto [data, size] = reader.getRecord(name);
      records_[name] = std::string(static_cast<const char*>(data.get()), size);
    }
  }

  std::string& operator[](const std::string& name) { return records_[name]; }
  void remove(const std::string& name) { records_.erase(name); }
  void edit(const std::string& name, const std::function<void(nlohmann::json&)>& change) {
    nlohmann::json json = nlohmann::json::parse(records_.at(name));
    change(json);
    records_[name] = json.dump();
  }

  std::string bytes() const {
    std::string written;
    caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, size_t size) {
      written.append(static_cast<const char*>(data), size);
      return size;
    });
    for (const auto& [name, data] : records_) {
      // The writer adds these itself.
      if (name == "version" || name == "byteorder" || name.rfind(".data/", 0) == 0) continue;
      writer.writeRecord(name, data.data(), data.size());
    }
    if (const auto order = records_.find("byteorder"); order != records_.end()) {
      writer.writeRecord("byteorder", order->second.data(), order->second.size());
    }
    writer.writeEndOfFile();
    return written;
  }

 private:
  std::map<std::string, std::string> records_;
};

}  // namespace retort::test
