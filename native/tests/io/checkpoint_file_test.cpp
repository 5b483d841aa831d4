#include "io/checkpoint_file.h"

#include <ATen/Functions.h>

#include <cstring>
#include <set>

#include "files.h"
#include "golden.h"
#include "io/checksum.h"
#include "io/state_dict_file.h"
#include "seeded_test.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::bytes_of;
using test::error_of;
using test::file_error_of;
using test::NamedTensors;
using test::same_bits;

constexpr size_t kHeader = 48;

void put(std::string& bytes, size_t position, uint64_t value) {
  std::memcpy(bytes.data() + position, &value, sizeof value);
}

/// Gives a changed file the checksums that belong to it.
std::string sealed(std::string bytes) {
  put(bytes, 32, checksum(std::string_view(bytes).substr(kHeader)));
  put(bytes, 40, checksum(std::string_view(bytes).substr(0, 40)));
  return bytes;
}

class CheckpointFileTest : public test::SeededTest {
 protected:
  std::string whole() const {
    write_checkpoint("save", {"lr=0.1", tensors_}, folder_.file("whole"));
    return bytes_of(folder_.file("whole"));
  }

  std::string error_of_reading(const std::string& path) const {
    return file_error_of([&] { read_checkpoint("load", path); });
  }

  std::string error_of_bytes(const std::string& bytes) const {
    return error_of_reading(folder_.write("changed", bytes));
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_.file("checkpoint");
  std::string changed_ = folder_.file("changed");
  NamedTensors tensors_{{{"student.weight", at::randn({2, 3})}, {"calls", at::ones({}, at::kLong)}}};
};

TEST_F(CheckpointFileTest, RoundTrip) {
  for (const std::string& configuration : {std::string(), std::string("a\0b\n\xff", 5), std::string(100000, 'x')}) {
    write_checkpoint("save", {configuration, tensors_}, path_);
    const Checkpoint read = read_checkpoint("load", path_);
    EXPECT_EQ(read.configuration, configuration);
    EXPECT_TRUE(same_bits(read.tensors, tensors_));
  }
  write_checkpoint("save", {"nothing", NamedTensors()}, path_);
  EXPECT_TRUE(read_checkpoint("load", path_).tensors.is_empty());
}

TEST_F(CheckpointFileTest, RoundTripOfEveryDtype) {
  NamedTensors tensors;
  for (at::ScalarType dtype : {at::kByte,        at::kChar,          at::kShort,           at::kInt,
                               at::kLong,        at::kUInt16,        at::kUInt32,          at::kUInt64,
                               at::kBool,        at::kHalf,          at::kBFloat16,        at::kFloat,
                               at::kDouble,      at::kComplexHalf,   at::kComplexFloat,    at::kComplexDouble,
                               at::kFloat8_e5m2, at::kFloat8_e4m3fn, at::kFloat8_e5m2fnuz, at::kFloat8_e4m3fnuz}) {
    tensors.insert(at::toString(dtype), at::randint(0, 2, {3, 16}, at::kByte).view(dtype));
  }
  write_checkpoint("save", {"", tensors}, path_);
  EXPECT_TRUE(same_bits(read_checkpoint("load", path_).tensors, tensors));
}

TEST_F(CheckpointFileTest, RoundTripOfEveryLayout) {
  const at::Tensor map = at::randn({2, 3, 4, 5});
  const NamedTensors tensors{
      {{"scalar", at::randn({})},
       {"empty", at::empty({0})},
       {"empty of a shape", at::empty({3, 0, 2})},
       {"channels last", map.contiguous(at::MemoryFormat::ChannelsLast)},
       {"transposed", at::randn({3, 4}).t()},
       {"part", map.select(1, 1)},
       {"same memory as part", map},
       {"expanded", at::randn({1, 3}).expand({4, 3})},
       {"parameter", at::randn({2}).requires_grad_()}}};
  write_checkpoint("save", {"", tensors}, path_);
  const NamedTensors read = read_checkpoint("load", path_).tensors;
  EXPECT_TRUE(same_bits(read, tensors));
  EXPECT_TRUE(read["channels last"].is_contiguous(at::MemoryFormat::ChannelsLast));
  std::set<const void*> memory;
  for (const auto& entry : read) {
    const at::Tensor& tensor = entry.value();
    EXPECT_FALSE(tensor.requires_grad()) << entry.key();
    EXPECT_EQ(tensor.storage().nbytes(), tensor.nbytes()) << entry.key();
    EXPECT_TRUE(tensor.numel() == 0 || memory.insert(tensor.const_data_ptr()).second) << entry.key();
    tensor.zero_();
  }
  EXPECT_TRUE(same_bits(read_checkpoint("load", path_).tensors, tensors));
}

TEST_F(CheckpointFileTest, RoundTripOfConjugateViews) {
  const at::Tensor conjugate = at::randn({3}, at::kComplexFloat).conj();
  write_checkpoint("save", {"", {{{"conjugate", conjugate}, {"negative", at::imag(conjugate)}}}}, path_);
  const NamedTensors read = read_checkpoint("load", path_).tensors;
  EXPECT_TRUE(at::equal(read["conjugate"], conjugate));
  EXPECT_TRUE(at::equal(read["negative"], at::imag(conjugate)));
}

TEST_F(CheckpointFileTest, EveryChangedBitIsNoticed) {
  const std::string bytes = whole();
  folder_.write("changed", bytes);
  // In place: to write the file anew each time takes half a minute.
  std::fstream file(changed_, std::ios::in | std::ios::out | std::ios::binary);
  const auto put_at = [&](size_t position, int byte) {
    file.seekp(static_cast<std::streamoff>(position)).put(static_cast<char>(byte)).flush();
  };
  for (size_t i = 0; i < bytes.size(); ++i) {
    const std::string rule = i < 8 ? "file must be a checkpoint of Retort" : "file must not be damaged";
    for (int bit = 0; bit < 8; ++bit) {
      put_at(i, bytes[i] ^ 1 << bit);
      ASSERT_EQ(error_of_reading(changed_), "load: " + rule + " (got " + changed_ + ")")
          << "bit " << bit << " at " << i;
    }
    put_at(i, bytes[i]);
  }
  EXPECT_TRUE(same_bits(read_checkpoint("load", changed_).tensors, tensors_));
}

TEST_F(CheckpointFileTest, EveryOtherLengthIsNoticed) {
  const size_t size = whole().size();
  folder_.write("changed", whole() + "xx");
  for (size_t length = size + 2; length-- > 0;) {
    std::filesystem::resize_file(changed_, length);
    if (length == size) continue;
    std::string rule = c10::str("file must be of ", size, " bytes (got ", length, " in ", changed_, ")");
    if (length < kHeader) rule = "file must not be damaged (got " + changed_ + ")";
    if (length < 8) rule = "file must be a checkpoint of Retort (got " + changed_ + ")";
    ASSERT_EQ(error_of_reading(changed_), "load: " + rule);
  }
}

TEST_F(CheckpointFileTest, RejectsForeignFiles) {
  std::string state_dict;
  append_archive(tensors_, state_dict);
  folder_.write("student.pt", state_dict);
  for (const std::string& path :
       {folder_.write("empty", ""), folder_.write("text", std::string(5000, 'x')), folder_.file("student.pt"),
        (test::golden_dir() / "step_teacher.ts").string()}) {
    EXPECT_EQ(error_of_reading(path), "load: file must be a checkpoint of Retort (got " + path + ")");
  }
  for (const std::string& path : {folder_.file("missing"), folder_.path().string(), std::string()}) {
    EXPECT_EQ(error_of_reading(path), "load: path must be an existing file (got " + path + ")");
  }
}

TEST_F(CheckpointFileTest, RejectsANewerVersion) {
  std::string bytes = whole();
  put(bytes, 8, 3);
  EXPECT_EQ(error_of_bytes(sealed(bytes)), "load: file must be of format version 2 (got 3 in " + changed_ + ")");
}

TEST_F(CheckpointFileTest, RejectsTheFirstVersion) {
  std::string bytes = whole();
  put(bytes, 8, 1);  // whose checksums were others
  EXPECT_EQ(error_of_bytes(bytes), "load: file must be of format version 2 (got 1 in " + changed_ + ")");
}

TEST_F(CheckpointFileTest, RejectsForgedFiles) {
  std::string bytes = whole();
  put(bytes, 16, bytes.size());
  EXPECT_EQ(error_of_bytes(sealed(bytes)), "load: file must not be damaged (got " + changed_ + ")");
  const std::string not_tensors = "load: file must hold tensors that can be read (got " + changed_ + ")";
  put(bytes, 16, 0);
  EXPECT_EQ(error_of_bytes(sealed(bytes.replace(kHeader, 10, 10, 'x'))), not_tensors);
  put(bytes, 16, bytes.size() - kHeader);
  EXPECT_EQ(error_of_bytes(sealed(bytes)), not_tensors);
  bytes.resize(kHeader);
  put(bytes, 16, 0);
  put(bytes, 24, 0);
  EXPECT_EQ(error_of_bytes(sealed(bytes)), not_tensors);
}

TEST_F(CheckpointFileTest, RejectsAPathThatCannotBeWritten) {
  const std::string nowhere = folder_.file("nowhere") + "/checkpoint";
  const auto error = file_error_of([&] { write_checkpoint("save", {"", tensors_}, nowhere); });
  EXPECT_EQ(error, "save: path must be a file that can be written (got " + nowhere + ": No such file or directory)");
}

TEST_F(CheckpointFileTest, AKilledProcessLeavesAWholeFile) {
  int64_t newest = 0;
  std::set<int64_t> seen;
  write_checkpoint("save", {"0", {{{"values", at::zeros({1000})}}}}, path_);
  for (int i = 0; i < 100; ++i) {
    int64_t next = newest;
    at::Tensor values = at::empty({100000});
    test::repeat_until_killed([&] {
      values.fill_(++next);
      write_checkpoint("save", {std::to_string(next), {{{"values", values}}}}, path_);
    });
    const Checkpoint read = read_checkpoint("load", path_);
    const int64_t found = std::stoll(read.configuration);
    EXPECT_GE(found, newest);
    EXPECT_TRUE(read.tensors["values"].eq(found).all().item<bool>());
    seen.insert(newest = found);
  }
  EXPECT_GT(seen.size(), 5u);
}

}  // namespace
}  // namespace retort
