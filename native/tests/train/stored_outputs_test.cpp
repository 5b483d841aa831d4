#include <ATen/Functions.h>
#include <gtest/gtest.h>
#include <retort/train/stored_outputs.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <limits>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "files.h"
#include "io/checksum.h"
#include "networks.h"
#include "seeded_test.h"
#include "temporary_folder.h"
#include "train/stored_layout.h"

namespace retort {
namespace {

using test::bytes_of;
using test::error_of;
using test::file_error_of;
using test::same_bits;
using Samples = std::vector<int64_t>;

constexpr int64_t kSamples = 7;
constexpr size_t kHeader = 56;
const std::vector<FileAccess> kAccesses = {FileAccess::kRead, FileAccess::kMapped, FileAccess::kMemory};

StoredOutputsOptions options_of(at::ScalarType dtype = at::kFloat, int64_t top = 0) {
  StoredOutputsOptions options{kSamples, 5, {{"map", {2, 3}}, {"mean", {}}}, dtype, top, "ResNet-20"};
  return options;
}

/// What a teacher says of samples.
struct Rows {
  explicit Rows(int64_t batch) : features{at::randn({batch, 2, 3}), at::randn({batch})} {
    logits = at::randn({batch, 5}) * 3;
  }

  NetworkOutput in(at::ScalarType dtype) const {
    return {logits.to(dtype), {features[0].to(dtype), features[1].to(dtype)}};
  }

  at::Tensor logits;
  std::vector<at::Tensor> features;
};

at::Tensor indices(const Samples& samples) {
  return at::tensor(samples, at::kLong);
}

void expect_same(const NetworkOutput& actual, const NetworkOutput& expected) {
  EXPECT_TRUE(same_bits(actual.logits, expected.logits));
  ASSERT_EQ(actual.features.size(), expected.features.size());
  for (size_t i = 0; i < actual.features.size(); ++i) {
    EXPECT_TRUE(same_bits(actual.features[i], expected.features[i])) << i;
  }
}

class StoredOutputsTest : public test::SeededTest {
 protected:
  /// Writes rows of all samples but the fourth.
  Rows write(const StoredOutputsOptions& options = options_of()) const {
    Rows rows(kSamples - 1);
    StoredOutputsWriter writer(path_, options);
    writer.write(all_but_the_fourth(), rows.logits, rows.features);
    writer.finish();
    return rows;
  }

  static at::Tensor all_but_the_fourth() { return indices({0, 1, 2, 4, 5, 6}); }

  /// The error of opening a file of these bytes and reading all of it in every way, which must be the same.
  std::string error_of_bytes(const std::string& bytes) const {
    folder_.write("outputs", bytes);
    std::set<std::string> errors;
    for (FileAccess access : kAccesses) {
      errors.insert(file_error_of([&] { StoredOutputs(path_, access).missing(); }));
    }
    EXPECT_EQ(errors.size(), 1U);
    return *errors.begin();
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_.file("outputs");
};

// ---- rows -----------------------------------------------------------------------------------------------------------

TEST_F(StoredOutputsTest, ReturnsEveryBitInEveryDtype) {
  for (at::ScalarType dtype : {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16}) {
    const NetworkOutput expected = write(options_of(dtype)).in(dtype);
    for (FileAccess access : kAccesses) {
      const StoredOutputs outputs(path_, access);
      expect_same(outputs.read(all_but_the_fourth()), expected);
      EXPECT_EQ(outputs.rows(), 6);
      EXPECT_EQ(outputs.missing(), Samples{3});
    }
  }
}

TEST_F(StoredOutputsTest, KnowsWhatItHolds) {
  write(options_of(at::kHalf, 2));
  const StoredOutputs outputs(path_);
  const StoredOutputsOptions& options = outputs.options();
  EXPECT_EQ(options.samples, 7);
  EXPECT_EQ(options.classes, 5);
  EXPECT_EQ(options.taps.size(), 2U);
  EXPECT_EQ(options.taps[0].name, "map");
  EXPECT_EQ(options.taps[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(options.taps[1].name, "mean");
  EXPECT_EQ(options.taps[1].shape, std::vector<int64_t>());
  EXPECT_EQ(options.dtype, at::kHalf);
  EXPECT_EQ(options.top, 2);
  EXPECT_EQ(options.note, "ResNet-20");
  const std::string start = "stored_outputs(samples=7, classes=5, dtype=Half, top=2, contents=";
  EXPECT_EQ(outputs.description().substr(0, start.size()), start);
}

TEST_F(StoredOutputsTest, RowsAreReadInAnyOrderAndTwice) {
  const Rows rows = write();
  const StoredOutputs outputs(path_);
  const at::Tensor places = at::tensor({5, 0, 5, 3}, at::kLong);
  const NetworkOutput read = outputs.read(indices({6, 0, 6, 4}));
  EXPECT_TRUE(same_bits(read.logits, rows.logits.index_select(0, places)));
  EXPECT_TRUE(same_bits(read.features[0], rows.features[0].index_select(0, places)));
  // Every other of [6, 1, 0, 1, 4].
  const at::Tensor strided = indices({6, 1, 0, 1, 4}).slice(0, 0, 5, 2);
  EXPECT_TRUE(same_bits(outputs.read(strided).logits, rows.logits.index_select(0, at::tensor({5, 0, 3}, at::kLong))));
}

TEST_F(StoredOutputsTest, ReadsTheTapsThatAreWanted) {
  const Rows rows = write();
  const StoredOutputs outputs(path_);
  const NetworkOutput read = outputs.read(all_but_the_fourth(), {1});
  expect_same(read, {rows.logits, {rows.features[1]}});
  expect_same(outputs.read(all_but_the_fourth(), {}), {rows.logits, {}});
  for (int64_t tap : {-1, 2}) {
    EXPECT_EQ(
        error_of([&] { outputs.read(indices({0}), {tap}); }),
        "StoredOutputs.read: taps must be between 0 and 1 (got " + std::to_string(tap) + ")");
  }
}

TEST_F(StoredOutputsTest, RowsAreWrittenInAnyOrderAndTheLastOneCounts) {
  const Rows rows(3), later(1);
  {
    StoredOutputsWriter writer(path_, options_of());
    EXPECT_EQ(writer.rows(), 0);
    writer.write(indices({5, 2, 5}), rows.logits, rows.features);
    EXPECT_EQ(writer.rows(), 2);
    writer.write(indices({2}), later.logits, later.features);
    EXPECT_EQ(writer.rows(), 2);
    writer.finish();
  }
  const StoredOutputs outputs(path_);
  EXPECT_EQ(outputs.missing(), (Samples{0, 1, 3, 4, 6}));
  EXPECT_TRUE(same_bits(outputs.read(indices({5})).logits, rows.logits.slice(0, 2)));
  EXPECT_TRUE(same_bits(outputs.read(indices({2})).logits, later.logits));
}

TEST_F(StoredOutputsTest, TakesRowsOfOtherDtypesAndLayouts) {
  Rows rows(2);
  rows.logits = at::randn({5, 2}, at::kDouble).t().requires_grad_();
  rows.features[0] = at::randn({2, 3, 2}, at::kBFloat16).transpose(1, 2);
  StoredOutputsWriter writer(path_, options_of());
  writer.write(indices({1, 0, 4}).slice(0, 0, 3, 2), rows.logits, rows.features);
  writer.finish();
  expect_same(StoredOutputs(path_).read(indices({1, 4})), rows.in(at::kFloat));
}

TEST_F(StoredOutputsTest, AMissingRowIsNamed) {
  write();
  for (FileAccess access : kAccesses) {
    const StoredOutputs outputs(path_, access);
    EXPECT_EQ(
        file_error_of([&] {
          outputs.read(indices({0, 3}));
        }),
        "StoredOutputs.read: sample must have a row (got 3, which has none in " + path_ + ")");
  }
}

TEST_F(StoredOutputsTest, TakesRoomForSamplesThatAreThere) {
  const int64_t samples = int64_t{1} << 20;
  const at::Tensor row = at::randn({1, 1 << 18});
  StoredOutputsWriter writer(path_, {samples, 1 << 18});
  writer.write(indices({samples - 1}), row);
  writer.finish();
  const StoredOutputs outputs(path_, FileAccess::kMapped);
  EXPECT_TRUE(same_bits(outputs.read(indices({samples - 1})).logits, row));
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_LT(status.st_blocks * 512, 2 << 20);
}

TEST_F(StoredOutputsTest, AreReadByManyThreads) {
  const Rows rows = write(options_of(at::kFloat, 2));
  for (FileAccess access : kAccesses) {
    const StoredOutputs outputs(path_, access);
    const NetworkOutput expected = outputs.read(all_but_the_fourth());
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (int64_t thread = 0; thread < 4; ++thread) {
      threads.emplace_back([&, thread] {
        for (int64_t i = 0; i < 200; ++i) {
          const int64_t place = (thread + i) % 6;
          const NetworkOutput read = outputs.read(all_but_the_fourth().slice(0, place, place + 1));
          if (!read.logits.equal(expected.logits.slice(0, place, place + 1))) ++wrong;
          if (!read.features[0].equal(expected.features[0].slice(0, place, place + 1))) ++wrong;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
  }
}

TEST_F(StoredOutputsTest, AreWrittenByManyThreads) {
  const Rows rows(kSamples);
  StoredOutputsWriter writer(path_, options_of());
  std::vector<std::thread> threads;
  for (int64_t i = 0; i < kSamples; ++i) {
    threads.emplace_back([&, i] {
      const auto row = [i](const at::Tensor& tensor) { return tensor.slice(0, i, i + 1); };
      writer.write(indices({i}), row(rows.logits), {row(rows.features[0]), row(rows.features[1])});
    });
  }
  for (std::thread& thread : threads) thread.join();
  writer.finish();
  const StoredOutputs outputs(path_);
  EXPECT_EQ(outputs.missing(), Samples());
  expect_same(outputs.read(at::arange(kSamples)), rows.in(at::kFloat));
}

// ---- the largest logits only ----------------------------------------------------------------------------------------

TEST_F(StoredOutputsTest, TheRestOfTheMassIsSpreadEvenly) {
  for (const auto& [classes, top] : std::vector<std::pair<int64_t, int64_t>>{{5, 1}, {5, 4}, {100, 20}, {70000, 3}}) {
    const at::Tensor logits = at::randn({4, classes}) * 4 + 100;
    {
      StoredOutputsWriter writer(path_, {4, classes, {}, at::kFloat, top});
      writer.write(at::arange(4), logits);
      writer.finish();
    }
    const at::Tensor read = StoredOutputs(path_).read(at::arange(4)).logits;
    const auto [largest, places] = logits.topk(top);
    EXPECT_TRUE(same_bits(read.gather(1, places), largest));
    const at::Tensor is_kept = at::zeros_like(logits).scatter(1, places, 1.0).to(at::kBool);
    const at::Tensor others = logits.to(at::kDouble).masked_fill(is_kept, -std::numeric_limits<double>::infinity());
    const at::Tensor spread = others.logsumexp(1, /*keepdim=*/true) - std::log(static_cast<double>(classes - top));
    EXPECT_TRUE(test::close(
        read.masked_fill(is_kept, 0), spread.expand_as(logits).masked_fill(is_kept, 0).to(at::kFloat), 1e-7));
    // So that those that are kept keep their probabilities.
    EXPECT_TRUE(test::close(
        read.softmax(1, at::kDouble).gather(1, places), logits.softmax(1, at::kDouble).gather(1, places), 1e-5));
  }
}

TEST_F(StoredOutputsTest, OfEqualLogitsTheFirstClassesAreKept) {
  for (at::ScalarType dtype : {at::kDouble, at::kHalf, at::kBFloat16}) {
    StoredOutputsWriter writer(path_, {2, 6, {}, dtype, 3});
    writer.write(indices({0, 1}), at::tensor({1., 2., 2., 2., 2., 1., 4., 4., 4., 4., 4., 4.}).view({2, 6}));
    writer.finish();
    const double others = std::log((2 * std::exp(1.) + std::exp(2.)) / 3);
    EXPECT_TRUE(test::close(
        StoredOutputs(path_).read(indices({0, 1})).logits,
        at::tensor({others, 2., 2., 2., others, others, 4., 4., 4., 4., 4., 4.}).view({2, 6}).to(dtype)));
  }
}

TEST_F(StoredOutputsTest, SmallFilesHoldTheLargestLogits) {
  const auto bytes_with = [&](const StoredOutputsOptions& options) {
    StoredOutputsWriter writer(path_, options);
    writer.finish();
    const auto fixed = static_cast<int64_t>(kHeader + 6 * 8);
    return (static_cast<int64_t>(std::filesystem::file_size(path_)) - fixed) / options.samples;
  };
  EXPECT_EQ(bytes_with({100, 1000}), 4 * 1000 + 8);
  EXPECT_EQ(bytes_with({100, 1000, {}, at::kHalf}), 2 * 1000 + 8);
  EXPECT_EQ(bytes_with({100, 1000, {}, at::kHalf, 20}), 20 * (2 + 2) + 2 + 8);
  EXPECT_EQ(bytes_with({100, 65536, {}, at::kFloat, 20}), 20 * (2 + 4) + 4 + 8);
  EXPECT_EQ(bytes_with({100, 65537, {}, at::kFloat, 20}), 20 * (4 + 4) + 4 + 8);
}

// ---- damage ---------------------------------------------------------------------------------------------------------

TEST_F(StoredOutputsTest, FindsADamagedByteAnywhere) {
  for (int64_t top : {0, 2}) {
    write(options_of(at::kFloat, top));
    const std::string whole = bytes_of(path_);
    const size_t records = kHeader + StoredLayout("test", options_of(at::kFloat, top)).description().size();
    const size_t record = (whole.size() - records) / kSamples;
    const std::string end = " (got " + path_ + ")";
    for (size_t i = 0; i < whole.size(); ++i) {
      std::string damaged = whole;
      damaged[i] ^= 4;
      std::string expected = "StoredOutputs: file must not be damaged" + end;
      if (i < 8) expected = "StoredOutputs: file must be stored outputs of Retort" + end;
      if (i >= records) {
        const std::string sample = std::to_string((i - records) / record);
        expected = "StoredOutputs.missing: row of sample " + sample + " must not be damaged" + end;
      }
      ASSERT_EQ(error_of_bytes(damaged), expected) << i;
    }
    EXPECT_EQ(
        file_error_of([&] {
          folder_.write(
              "outputs", std::string(whole).replace(records + 4 * record, 1, 1, whole[records + 4 * record] ^ 1));
          StoredOutputs(path_).read(indices({0, 4}));
        }),
        "StoredOutputs.read: row of sample 4 must not be damaged" + end);
  }
}

TEST_F(StoredOutputsTest, FindsRowsThatAreLostOrElsewhere) {
  write();
  const std::string whole = bytes_of(path_);
  const size_t records = kHeader + StoredLayout("test", options_of()).description().size();
  const size_t record = (whole.size() - records) / kSamples;
  // As a page that was lost with the power.
  const std::string lost = std::string(whole).replace(records, record, record, '\0');
  EXPECT_EQ(
      error_of_bytes(lost),
      "StoredOutputs.missing: file must have all rows that were written (got fewer or others in " + path_ + ")");
  // The first row in place of the second.
  const std::string moved = std::string(whole).replace(records + record, record, whole.substr(records, record));
  EXPECT_EQ(error_of_bytes(moved), "StoredOutputs.missing: row of sample 1 must not be damaged (got " + path_ + ")");
  // A row of a file with the same description, for the same sample.
  write();
  const std::string other = bytes_of(path_);
  const std::string mixed = std::string(whole).replace(records, record, other.substr(records, record));
  EXPECT_EQ(
      error_of_bytes(mixed),
      "StoredOutputs.missing: file must have all rows that were written (got fewer or others in " + path_ + ")");
}

TEST_F(StoredOutputsTest, FindsFilesOfEveryOtherLength) {
  write();
  const std::string whole = bytes_of(path_);
  for (size_t length = 0; length < whole.size(); ++length) error_of_bytes(whole.substr(0, length));
  EXPECT_EQ(
      error_of_bytes(whole + 'x'), "StoredOutputs: file must be of " + std::to_string(whole.size()) + " bytes (got " +
                                       std::to_string(whole.size() + 1) + " in " + path_ + ")");
  EXPECT_EQ(error_of_bytes(""), "StoredOutputs: file must be stored outputs of Retort (got " + path_ + ")");
}

TEST_F(StoredOutputsTest, RandomDamageEndsInErrors) {
  write(options_of(at::kHalf, 2));
  const std::string whole = bytes_of(path_);
  std::mt19937 random(20);
  for (int i = 0; i < 500; ++i) {
    std::string damaged = whole;
    for (uint32_t edits = 1 + random() % 4; edits > 0; --edits) {
      const size_t at = random() % damaged.size();
      const size_t count = random() % 9;
      switch (random() % 3) {
        case 0:
          damaged[at] = static_cast<char>(random());
          break;
        case 1:
          damaged.erase(at, count);
          break;
        default:
          damaged.insert(at, count, static_cast<char>(random()));
      }
      if (damaged.empty()) damaged = "x";
    }
    if (damaged != whole) error_of_bytes(damaged);
  }
}

/// A file whose checksums are right, made by somebody who knows the format.
class ForgedOutputsTest : public StoredOutputsTest {
 protected:
  /// @param row bytes of the record of the only sample, without its checksum
  std::string error_of(const std::string& description, const std::string& row = {}) const {
    const StoredOutputsHeader header({description.size(), checksum(description), 1, 0});
    std::string file = std::string(header.bytes()) + description + row;
    const uint64_t mark = checksum(row, checksum(description));
    if (!row.empty()) file.append(reinterpret_cast<const char*>(&mark), sizeof mark);
    return error_of_bytes(file);
  }

  static std::string numbers(const std::vector<uint64_t>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(uint64_t)};
  }
};

TEST_F(ForgedOutputsTest, DescriptionsAreChecked) {
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
  const std::string end = " in " + path_;
  const std::string unreadable = "StoredOutputs: file must have a description that can be read (got " + path_ + ")";
  EXPECT_EQ(error_of(""), unreadable);
  EXPECT_EQ(error_of(numbers({1, 5, 0, 0, 0, 0, 0})), unreadable);
  EXPECT_EQ(error_of(numbers({1, 5, 0, 0, 0, kHuge})), unreadable);
  EXPECT_EQ(error_of(numbers({1, 5, 0, 0, kHuge})), unreadable);
  EXPECT_EQ(error_of(numbers({1, 5, 0, 0, 1, kHuge, 0, 0})), unreadable);
  EXPECT_EQ(error_of(numbers({1, 5, 0, 0, 1, 0, kHuge, 0})), unreadable);
  EXPECT_EQ(error_of(numbers({0, 5, 0, 0, 0, 0})), "StoredOutputs: samples must be at least 1 (got 0)" + end);
  EXPECT_EQ(error_of(numbers({kHuge, 5, 0, 0, 0, 0})), "StoredOutputs: samples must be at least 1 (got -1)" + end);
  EXPECT_EQ(
      error_of(numbers({1, kHuge, 0, 0, 0, 0})),
      "StoredOutputs: classes must be between 1 and 16777216 (got -1)" + end);
  EXPECT_EQ(
      error_of(numbers({1, 5, 4, 0, 0, 0})),
      "StoredOutputs: dtype must be Float, Double, Half or BFloat16 (got Long)" + end);
  EXPECT_EQ(
      error_of(numbers({1, 5, 0, kHuge, 0, 0})),
      "StoredOutputs: top must be smaller than the number of classes, 5, or 0 for all (got -1)" + end);
  EXPECT_EQ(
      error_of(numbers({1, 5, 0, 0, 1, 0, 0, 0})),
      "StoredOutputs: name of a tap must not be empty (got an empty one)" + end);
  EXPECT_EQ(
      error_of(numbers({uint64_t{1} << 61, 5, 0, 0, 0, 0})),
      "StoredOutputs: samples must fit a file (got 2305843009213693952 of 28 bytes)" + end);
  const std::string tap = numbers({1, 5, 0, 0, 1, 1}) + "t" + numbers({2, uint64_t{1} << 40, uint64_t{1} << 40, 0});
  EXPECT_EQ(error_of(tap), "StoredOutputs: samples must fit a file (got 1 of too many bytes)" + end);
  EXPECT_EQ(error_of(numbers({1, 5, 0, 0, 0, 0})), "StoredOutputs: file must be of 132 bytes (got 104" + end + ")");
}

TEST_F(ForgedOutputsTest, ClassesOfTheLargestLogitsAreChecked) {
  // One class of five, its logit and that of the others.
  const std::string description = numbers({1, 5, 0, 1, 0, 0});
  const std::string good("\4\0aaaabbbb", 10), bad("\5\0aaaabbbb", 10);
  error_of(description, good);
  EXPECT_NO_THROW(StoredOutputs(path_).read(indices({0})));
  error_of(description, bad);
  EXPECT_EQ(
      file_error_of([&] { StoredOutputs(path_).read(indices({0})); }),
      "StoredOutputs.read: row of sample 0 must not be damaged (got " + path_ + ")");
}

TEST_F(StoredOutputsTest, ANewerFormatIsNamed) {
  write();
  std::string newer = bytes_of(path_);
  newer[8] = 3;
  const uint64_t sum = checksum(std::string_view(newer).substr(0, kHeader - 8));
  std::memcpy(newer.data() + kHeader - 8, &sum, sizeof sum);
  EXPECT_EQ(error_of_bytes(newer), "StoredOutputs: file must be of format version 2 (got 3 in " + path_ + ")");
}

TEST_F(StoredOutputsTest, FilesThatAreNotThereAreRefused) {
  const std::string nowhere = folder_.file("nowhere");
  EXPECT_EQ(
      file_error_of([&] { StoredOutputs outputs(nowhere); }),
      "StoredOutputs: path must be an existing file (got " + nowhere + ")");
  const std::string folder = folder_.path();
  EXPECT_EQ(
      file_error_of([&] { StoredOutputs outputs(folder); }),
      "StoredOutputs: path must be an existing file (got " + folder + ")");
}

TEST_F(StoredOutputsTest, AFileThatIsCutLaterIsFound) {
  write();
  const std::string whole = bytes_of(path_);
  const StoredOutputs read(path_), mapped(path_, FileAccess::kMapped), memory(path_, FileAccess::kMemory);
  ASSERT_EQ(::truncate(path_.c_str(), static_cast<off_t>(whole.size() - 1)), 0);
  const std::string error = "StoredOutputs: file must stay as long as it was when it was opened, " +
                            std::to_string(whole.size()) + " bytes (got a shorter one, " + path_ + ")";
  EXPECT_EQ(file_error_of([&] { read.read(indices({6})); }), error);
  EXPECT_EQ(file_error_of([&] { mapped.read(indices({6})); }), error);
  EXPECT_NO_THROW(memory.read(indices({6})));
}

// ---- streams --------------------------------------------------------------------------------------------------------

TEST_F(StoredOutputsTest, AreReadFromAStream) {
  const Rows rows = write();
  std::istringstream stream(bytes_of(path_));
  const StoredOutputs outputs(stream);
  expect_same(outputs.read(all_but_the_fourth()), rows.in(at::kFloat));
  EXPECT_EQ(outputs.description(), StoredOutputs(path_).description());
  const auto read_half = [&] {
    std::istringstream half(bytes_of(path_).substr(0, 30));
    StoredOutputs(half, "half");
  };
  EXPECT_EQ(file_error_of(read_half), "StoredOutputs: file must not be damaged (got half)");
}

// ---- writing --------------------------------------------------------------------------------------------------------

TEST_F(StoredOutputsTest, AFileIsThereOnceItIsFinished) {
  folder_.write("outputs", "before");
  {
    StoredOutputsWriter writer(path_, options_of());
    EXPECT_EQ(bytes_of(path_), "before");
  }
  EXPECT_EQ(folder_.names(), std::set<std::string>{"outputs"});
  EXPECT_EQ(bytes_of(path_), "before");
  const Rows rows(1);
  StoredOutputsWriter writer(path_, options_of());
  writer.write(indices({0}), rows.logits, rows.features);
  writer.finish();
  writer.finish();
  EXPECT_EQ(folder_.names(), std::set<std::string>{"outputs"});
  EXPECT_EQ(StoredOutputs(path_).rows(), 1);
  EXPECT_EQ(
      error_of([&] { writer.write(indices({0}), rows.logits, rows.features); }),
      "StoredOutputsWriter.write: writer must not have finished (got one that has)");
}

TEST_F(StoredOutputsTest, AFullDiskIsAnError) {
  folder_.write("outputs", "before");
  const Rows rows(1);
  StoredOutputsWriter writer(path_, options_of());
  writer.write(indices({0}), rows.logits, rows.features);
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small { 300, before.rlim_max };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string error;
  try {
    writer.write(indices({6}), rows.logits, rows.features);
  } catch (const FileError& caught) {
    error = caught.what_without_backtrace();
  }
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(
      error, "StoredOutputsWriter.write: path must be a file that can be written (got " + path_ + ": File too large)");
  const std::string after = ": file must have been written so far (got a failure before, " + path_ + ")";
  EXPECT_EQ(
      file_error_of([&] { writer.write(indices({6}), rows.logits, rows.features); }),
      "StoredOutputsWriter.write" + after);
  EXPECT_EQ(file_error_of([&] { writer.finish(); }), "StoredOutputsWriter.finish" + after);
  EXPECT_EQ(bytes_of(path_), "before");
}

TEST_F(StoredOutputsTest, RejectsPathsThatCannotBeWritten) {
  const std::string nowhere = folder_.file("nowhere") + "/outputs";
  const std::string rule = "StoredOutputsWriter: path must be a file that can be written (got ";
  EXPECT_EQ(
      file_error_of([&] { StoredOutputsWriter(nowhere, options_of()); }),
      rule + nowhere + ": No such file or directory)");
  const std::string folder = folder_.path();
  EXPECT_EQ(file_error_of([&] { StoredOutputsWriter(folder, options_of()); }), rule + folder + ": Is a directory)");
  EXPECT_EQ(folder_.names(), std::set<std::string>());
}

TEST_F(StoredOutputsTest, RejectsIndicesToRead) {
  {
    StoredOutputsWriter writer(path_, {/*samples=*/8, /*classes=*/5});
    writer.write(at::arange(8), at::randn({8, 5}));
    writer.finish();
  }
  const StoredOutputs outputs(path_);
  const auto error = [&](const at::Tensor& samples) { return error_of([&] { outputs.read(samples); }); };
  const std::string name = "StoredOutputs.read: indices must be ";
  EXPECT_EQ(error(indices({0, 8})), name + "between 0 and 7 (got 8)");
  EXPECT_EQ(error(indices({-1})), name + "between 0 and 7 (got -1)");
  EXPECT_EQ(error(indices({})), name + "of rank 1 and not empty (got [0])");
  EXPECT_EQ(error(at::zeros({1})), name + "int64 (got Float)");
  EXPECT_EQ(error(at::Tensor()), name + "given (got an undefined tensor)");
}

TEST_F(StoredOutputsTest, OfTheMostClasses) {
  StoredOutputsOptions options = options_of();
  options.classes = 16777216;
  options.top = 1;
  StoredOutputsWriter writer(path_, options);
}

TEST_F(StoredOutputsTest, RejectsOptions) {
  const auto error_after = [&](const std::function<void(StoredOutputsOptions&)>& change) {
    StoredOutputsOptions options = options_of();
    change(options);
    const std::string error = error_of([&] { StoredOutputsWriter(path_, options); });
    EXPECT_EQ(folder_.names(), std::set<std::string>());
    return error;
  };
  const std::string name = "StoredOutputsWriter: ";
  EXPECT_EQ(error_after([](auto& options) { options.samples = 0; }), name + "samples must be at least 1 (got 0)");
  EXPECT_EQ(
      error_after([](auto& options) { options.classes = 0; }), name + "classes must be between 1 and 16777216 (got 0)");
  EXPECT_EQ(
      error_after([](auto& options) { options.classes = 16777217; }),
      name + "classes must be between 1 and 16777216 (got 16777217)");
  EXPECT_EQ(
      error_after([](auto& options) { options.dtype = at::kInt; }),
      name + "dtype must be Float, Double, Half or BFloat16 (got Int)");
  for (int64_t top : {-1, 5}) {
    EXPECT_EQ(
        error_after([=](auto& options) { options.top = top; }),
        name + "top must be smaller than the number of classes, 5, or 0 for all (got " + std::to_string(top) + ")");
  }
  EXPECT_EQ(
      error_after([](auto& options) { options.taps[0].name = ""; }),
      name + "name of a tap must not be empty (got an empty one)");
  EXPECT_EQ(
      error_after([](auto& options) { options.taps[0].name = std::string("ma\0p", 4); }),
      name + "name of a tap must be a text without zeros (got ma before a zero)");
  EXPECT_EQ(
      error_after([](auto& options) { options.taps[0].name = "mean"; }),
      name + "taps must have different names (got mean twice)");
  EXPECT_EQ(
      error_after([](auto& options) {
        options.taps[0].shape = {2, 0};
      }),
      name + "shape of tap map must be at most 16 positive sizes (got [2, 0])");
  EXPECT_EQ(
      error_after([](auto& options) { options.taps[0].shape = std::vector<int64_t>(17, 1); }),
      name +
          "shape of tap map must be at most 16 positive sizes (got [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, "
          "1])");
  EXPECT_EQ(
      error_after([](auto& options) { options.taps.resize(4097); }), name + "taps must be at most 4096 (got 4097)");
  EXPECT_EQ(
      error_after([](auto& options) { options.note = std::string((1 << 20) + 1, 'n'); }),
      name + "note must be of at most 1048576 bytes (got 1048577)");
  EXPECT_EQ(
      error_after([](auto& options) { options.samples = int64_t{1} << 60; }),
      name + "samples must fit a file (got 1152921504606846976 of 56 bytes)");
  EXPECT_EQ(
      error_after([](auto& options) { options.samples = int64_t{1} << 62; }),
      name + "samples must fit a file (got 4611686018427387904 of 56 bytes)");
  // Of one row alone, or of two parts together.
  const std::string too_many = name + "samples must fit a file (got 7 of too many bytes)";
  EXPECT_EQ(error_after([](auto& options) { options.taps[0].shape = {int64_t{1} << 60}; }), too_many);
  EXPECT_EQ(
      error_after([](auto& options) {
        options.taps[0].shape = {int64_t{1} << 40, int64_t{1} << 40, 2};
      }),
      too_many);
  EXPECT_EQ(
      error_after([](auto& options) {
        for (StoredTap& tap : options.taps) tap.shape = {int64_t{1} << 61};
      }),
      too_many);
}

TEST_F(StoredOutputsTest, OneClassIsEnough) {
  const at::Tensor logits = at::randn({2, 1});
  StoredOutputsWriter writer(path_, {/*samples=*/2, /*classes=*/1});
  writer.write(indices({0, 1}), logits);
  writer.finish();
  EXPECT_TRUE(same_bits(StoredOutputs(path_).read(indices({0, 1})).logits, logits));
}

TEST_F(StoredOutputsTest, RejectsRows) {
  StoredOutputsWriter writer(path_, options_of(at::kHalf));
  const auto error_after = [&](const std::function<void(Rows&)>& change) {
    Rows rows(2);
    change(rows);
    return error_of([&] { writer.write(indices({1, 2}), rows.logits, rows.features); });
  };
  const std::string name = "StoredOutputsWriter.write: ";
  const Rows one(1);
  EXPECT_EQ(
      error_of([&] { writer.write(indices({7}), one.logits, one.features); }),
      name + "indices must be between 0 and 6 (got 7)");
  EXPECT_EQ(
      error_of([&] { writer.write(at::Tensor(), one.logits); }),
      name + "indices must be given (got an undefined tensor)");
  EXPECT_EQ(
      error_after([](Rows& rows) { rows.logits = rows.logits.slice(1, 1); }),
      name + "logits must be of shape [2, 5] (got [2, 4])");
  EXPECT_EQ(
      error_after([](Rows& rows) { rows.logits = at::Tensor(); }),
      name + "logits must be of shape [2, 5] (got an undefined tensor)");
  EXPECT_EQ(
      error_after([](Rows& rows) { rows.logits = rows.logits.to(at::kLong); }),
      name + "logits must be floating point (got Long)");
  EXPECT_EQ(
      error_after([](Rows& rows) { rows.features.pop_back(); }),
      name + "features must be one for each of 2 taps (got 1)");
  EXPECT_EQ(
      error_after([](Rows& rows) { rows.features[0] = rows.features[0].transpose(1, 2); }),
      name + "feature map must be of shape [2, 2, 3] (got [2, 3, 2])");
  EXPECT_EQ(
      error_after([](Rows& rows) { rows.logits[1][2] = 1e5; }),
      name + "logits must be finite in Half (got infinity or NaN)");
  EXPECT_EQ(
      error_after([](Rows& rows) { rows.features[1][1] = std::numeric_limits<float>::quiet_NaN(); }),
      name + "feature mean must be finite in Half (got infinity or NaN)");
  EXPECT_EQ(writer.rows(), 0);
}

// ---- a teacher that writes ------------------------------------------------------------------------------------------

TEST_F(StoredOutputsTest, ATeacherWritesWhatItComputes) {
  const auto teacher = std::make_shared<test::TinyNetwork>(5, /*dropout=*/0.5);
  const at::Tensor bytes = at::randint(256, {3, 6, 6, 3}, at::kByte);
  Preprocessing preprocessing;
  preprocessing.input_shape = {3, 6, 6};
  preprocessing.mean = {0.5};
  preprocessing.deviation = {0.25};
  preprocessing.channels_last = true;
  teacher->set_preprocessing(preprocessing);
  teacher->named_children()["head"]->eval();
  StoredOutputsWriter writer(path_, {kSamples, 5, {{"embedding", {4}}}});
  writer.write(indices({2, 0, 5}), *teacher, bytes);
  writer.finish();
  EXPECT_TRUE(teacher->is_training());
  EXPECT_FALSE(teacher->named_children()["head"]->is_training());
  const NetworkOutput read = StoredOutputs(path_).read(indices({2, 0, 5}));
  EXPECT_TRUE(test::close(read.logits, teacher->predict(bytes)));
  teacher->eval();
  const at::NoGradGuard no_gradients;
  const at::Tensor images = (bytes.permute({0, 3, 1, 2}).to(at::kFloat) / 255 - 0.5) / 0.25;
  EXPECT_TRUE(test::close(read.features.at(0), teacher->forward(images).features[1]));
}

TEST_F(StoredOutputsTest, ATeacherMustHaveTheTaps) {
  const auto teacher = std::make_shared<test::TinyNetwork>(5);
  StoredOutputsWriter writer(path_, {kSamples, 5, {{"embeding", {4}}}});
  EXPECT_EQ(
      error_of([&] {
        writer.write(indices({0}), *teacher, at::zeros({1, 3, 6, 6}));
      }),
      "Network: tap must be one of map, embedding (got embeding, did you mean embedding?)");
  EXPECT_TRUE(teacher->is_training());
}

}  // namespace
}  // namespace retort
