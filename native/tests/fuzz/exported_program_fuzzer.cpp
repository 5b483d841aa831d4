// Any JSON is a program of torch.export that is loaded, described and given taps, or a FileError. It is put into an
// archive with the weights of a small network, where its length and its checksum are right.
#include <retort/models/exported.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

#include "archive_records.h"
#include "harness.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t largest);

namespace retort::fuzz {
namespace {

using Json = nlohmann::json;

test::ArchiveRecords records_of_a_program() {
  return test::ArchiveRecords(std::string(RETORT_EXPORTED_DIR) + "/pointwise-2.10.pt2");
}

void collect(Json& value, std::vector<Json*>& values) {
  values.push_back(&value);
  if (!value.is_structured()) return;
  for (Json& part : value) collect(part, values);
}

/// Changes one value: removes it, puts another of the same program in its place, or a number, a text or nothing.
void change(Json& program, std::mt19937& random) {
  std::vector<Json*> values;
  collect(program, values);
  const auto one = [&]() -> Json& { return *values[random() % values.size()]; };
  Json& chosen = one();
  switch (random() % 6) {
    case 0:
      chosen = nullptr;
      break;
    case 1:
      chosen = static_cast<int64_t>(random()) - static_cast<int64_t>(random());
      break;
    case 2:
      chosen = Json::array({chosen, chosen});
      break;
    case 3:
      if (chosen.is_structured() && !chosen.empty()) chosen.erase(std::next(chosen.begin(), random() % chosen.size()));
      break;
    default: {
      // A copy, since the other may lie in the chosen one.
      const Json other = one();
      chosen = other;
    }
  }
}

}  // namespace
}  // namespace retort::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t largest, unsigned seed) {
  using retort::fuzz::Json;
  std::mt19937 random(seed);
  Json program = Json::parse(data, data + size, /*callback=*/nullptr, /*allow_exceptions=*/false);
  if (program.is_discarded() || random() % 8 == 0) return LLVMFuzzerMutate(data, size, largest);
  retort::fuzz::change(program, random);
  const std::string text = program.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > largest) return size;
  std::memcpy(data, text.data(), text.size());
  return text.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const retort::test::ArchiveRecords whole = retort::fuzz::records_of_a_program();
  retort::test::ArchiveRecords records = whole;
  records["models/model.json"].assign(reinterpret_cast<const char*>(data), size);
  const std::string bytes = records.bytes();
  const auto with_stream = [&](auto action) {
    retort::fuzz::succeeds_or_refuses([&] {
      std::istringstream stream(bytes);
      action(stream);
    });
  };
  with_stream([](std::istream& stream) { retort::load_exported(stream); });
  with_stream([](std::istream& stream) { retort::describe_exported(stream); });
  with_stream([](std::istream& stream) {
    const std::vector<std::string> taps = retort::suggest_exported_taps(stream);
    stream.seekg(0);
    retort::load_exported(stream, taps);
  });
  return 0;
}
