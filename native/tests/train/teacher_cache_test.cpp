#include "train/teacher_cache.h"

#include <ATen/Functions.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <memory>

#include "files.h"
#include "io/checksum.h"
#include "seeded_test.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::bytes_of;
using test::error_of;
using test::file_error_of;
using test::same_bits;
using Positions = std::vector<int64_t>;

constexpr int64_t kSamples = 20;
constexpr size_t kHeader = 48;
const std::vector<TeacherCache::Output> kOutputs = {{{5}, at::kFloat}, {{2, 3}, at::kHalf}, {{}, at::kLong}};
constexpr size_t kRow = 5 * 4 + 6 * 2 + 8;
constexpr size_t kRecord = kRow + 8;

class TeacherCacheTest : public test::SeededTest {
 protected:
  std::unique_ptr<TeacherCache> open(const std::string& path) const {
    return std::make_unique<TeacherCache>(kSamples, kOutputs, path, 7);
  }

  std::string error_of_opening() const {
    const std::string before = bytes_of(path_);
    const std::string error = file_error_of([&] { open(path_); });
    EXPECT_EQ(bytes_of(path_), before);
    return error;
  }

  static at::Tensor indices(const Positions& samples) { return at::tensor(samples, at::kLong); }

  static std::vector<at::Tensor> random_rows(int64_t batch) {
    return {at::randn({batch, 5}), at::randn({batch, 2, 3}).to(at::kHalf), at::randint(100, {batch}, at::kLong)};
  }

  static void expect_rows(TeacherCache& cache, const Positions& samples, const std::vector<at::Tensor>& rows) {
    EXPECT_EQ(cache.missing(indices(samples)), Positions());
    const std::vector<at::Tensor> read = cache.read(indices(samples));
    ASSERT_EQ(read.size(), rows.size());
    for (size_t i = 0; i < rows.size(); ++i) EXPECT_TRUE(same_bits(read[i], rows[i])) << i;
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_.file("cache");
};

TEST_F(TeacherCacheTest, RemembersRows) {
  for (const std::string& path : {std::string(), path_}) {
    const auto cache = open(path);
    EXPECT_EQ(cache->samples(), kSamples);
    EXPECT_EQ(cache->missing(indices({3, 0, 19})), (Positions{0, 1, 2}));
    const std::vector<at::Tensor> rows = random_rows(3);
    cache->write(indices({3, 0, 19}), rows);
    expect_rows(*cache, {3, 0, 19}, rows);
    EXPECT_EQ(cache->missing(indices({1, 0, 1, 3, 2})), (Positions{0, 2, 4}));
    const std::vector<at::Tensor> other = random_rows(1);
    cache->write(indices({0}), other);
    expect_rows(*cache, {0}, other);
    expect_rows(
        *cache, {3, 3},
        {rows[0].slice(0, 0, 1).repeat({2, 1}), rows[1].slice(0, 0, 1).repeat({2, 1, 1}),
         rows[2].slice(0, 0, 1).repeat({2})});
  }
}

TEST_F(TeacherCacheTest, TheLastRowOfASampleWins) {
  const auto cache = open("");
  const std::vector<at::Tensor> rows = random_rows(3);
  cache->write(indices({4, 2, 4}), rows);
  std::vector<at::Tensor> last;
  for (const at::Tensor& output : rows) last.push_back(output.slice(0, 1));
  expect_rows(*cache, {2, 4}, last);
}

TEST_F(TeacherCacheTest, TakesRowsOfOtherDtypesAndLayouts) {
  const auto cache = open("");
  const at::Tensor logits = at::randn({5, 2}, at::kDouble).t().requires_grad_();
  const at::Tensor map = at::randn({2, 3, 2}).transpose(1, 2);
  const at::Tensor count = at::tensor({3, 4}, at::kInt);
  cache->write(at::tensor({6, 0, 8, 0}, at::kLong).slice(0, 0, 4, 2), {logits, map, count});
  expect_rows(*cache, {6, 8}, {logits.to(at::kFloat), map.to(at::kHalf), count.to(at::kLong)});
}

TEST_F(TeacherCacheTest, OfOneSample) {
  TeacherCache cache(1, kOutputs, path_, 7);
  const std::vector<at::Tensor> rows = random_rows(1);
  cache.write(indices({0}), rows);
  expect_rows(cache, {0}, rows);
}

TEST_F(TeacherCacheTest, AFileRemembersAfterReopening) {
  const std::vector<at::Tensor> rows = random_rows(2);
  open(path_)->write(indices({19, 4}), rows);
  const auto cache = open(path_);
  expect_rows(*cache, {19, 4}, rows);
  EXPECT_EQ(cache->missing(indices({18, 19, 5})), (Positions{0, 2}));
}

TEST_F(TeacherCacheTest, TakesRoomForSamplesThatAreThere) {
  for (const std::string& path : {std::string(), path_}) {
    const int64_t samples = int64_t{1} << 20;
    TeacherCache cache(samples, {{{1 << 18}, at::kFloat}}, path, 7);
    const at::Tensor row = at::randn({1, 1 << 18});
    cache.write(indices({samples - 1}), {row});
    EXPECT_TRUE(same_bits(cache.read(indices({samples - 1}))[0], row));
    EXPECT_EQ(cache.missing(indices({0})), Positions{0});
  }
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_LT(status.st_blocks * 512, 2 << 20);
}

TEST_F(TeacherCacheTest, RowsThatAreDamagedAreNotThere) {
  const std::vector<at::Tensor> rows = random_rows(kSamples);
  open(path_)->write(at::arange(kSamples), rows);
  const std::string whole = bytes_of(path_);
  ASSERT_EQ(whole.size(), kHeader + kSamples * kRecord);
  for (size_t i = 0; i < kRecord; ++i) {
    std::string damaged = whole;
    damaged[kHeader + 3 * kRecord + i] ^= 4;
    folder_.write("cache", damaged);
    EXPECT_EQ(open(path_)->missing(at::arange(kSamples)), Positions{3});
  }
  // As a page that was lost with the power.
  folder_.write("cache", std::string(whole).replace(kHeader + 3 * kRecord, kRow, kRow, '\0'));
  const auto cache = open(path_);
  EXPECT_EQ(cache->missing(indices({3})), Positions{0});
  EXPECT_EQ(
      error_of([&] {
        cache->read(indices({2, 3}));
      }),
      "TeacherCache: samples must be there (got 3, which is missing)");
  cache->write(indices({3}), {rows[0].slice(0, 3, 4), rows[1].slice(0, 3, 4), rows[2].slice(0, 3, 4)});
  EXPECT_EQ(bytes_of(path_), whole);
}

TEST_F(TeacherCacheTest, RowsThatAreCutOffLaterAreNotThere) {
  open(path_)->write(at::arange(kSamples), random_rows(kSamples));
  const auto cache = open(path_);
  std::filesystem::resize_file(path_, kHeader + 3 * kRecord + kRow);
  EXPECT_EQ(cache->missing(indices({2, 3, 4})), (Positions{1, 2}));
}

TEST_F(TeacherCacheTest, RejectsFilesAndChangesNothing) {
  open(path_)->write(at::arange(kSamples), random_rows(kSamples));
  const std::string whole = bytes_of(path_);
  const auto error_of_bytes = [&](const std::string& bytes) {
    folder_.write("cache", bytes);
    return error_of_opening();
  };
  const std::string end = path_ + ")";
  const std::string foreign = "TeacherCache: file must be a teacher's cache of Retort (got " + end;
  EXPECT_EQ(error_of_bytes("x"), foreign);
  EXPECT_EQ(error_of_bytes(std::string(whole.size(), '\0')), foreign);
  for (size_t i = 0; i < kHeader; ++i) {
    std::string damaged = whole;
    damaged[i] ^= 1;
    EXPECT_EQ(error_of_bytes(damaged), i < 8 ? foreign : "TeacherCache: file must not be damaged (got " + end) << i;
  }
  for (size_t length : {kHeader + 1, whole.size() - 1, whole.size() + 1}) {
    EXPECT_EQ(
        error_of_bytes((whole + "x").substr(0, length)), "TeacherCache: file must be of " +
                                                             std::to_string(whole.size()) + " bytes (got " +
                                                             std::to_string(length) + " in " + end);
  }
  std::string newer = whole;
  newer[8] = 3;
  const uint64_t sum = checksum(std::string_view(newer).substr(0, kHeader - 8));
  std::memcpy(newer.data() + kHeader - 8, &sum, sizeof sum);
  EXPECT_EQ(error_of_bytes(newer), "TeacherCache: file must be of format version 2 (got 3 in " + end);

  folder_.write("cache", whole);
  const auto error_of_others = [&](int64_t samples, const std::vector<TeacherCache::Output>& outputs,
                                   uint64_t teacher) {
    return file_error_of([&] { TeacherCache(samples, outputs, path_, teacher); });
  };
  EXPECT_EQ(error_of_others(21, kOutputs, 7), "TeacherCache: file must be of 21 samples (got 20 in " + end);
  EXPECT_EQ(error_of_others(20, kOutputs, 8), "TeacherCache: file must be of the same teacher (got another in " + end);
  for (const std::vector<TeacherCache::Output>& outputs : std::vector<std::vector<TeacherCache::Output>>{
           {},
           {kOutputs[0], kOutputs[1]},
           {kOutputs[0], kOutputs[2], kOutputs[1]},
           {kOutputs[0], {{3, 2}, at::kHalf}, kOutputs[2]},
           {kOutputs[0], {{2, 3}, at::kBFloat16}, kOutputs[2]}}) {
    EXPECT_EQ(error_of_others(20, outputs, 7), "TeacherCache: file must be of the same outputs (got others in " + end);
  }
  EXPECT_EQ(bytes_of(path_), whole);
}

TEST_F(TeacherCacheTest, RejectsPathsThatCannotBeOpened) {
  const std::string nowhere = folder_.file("nowhere") + "/cache";
  const std::string rule = "TeacherCache: path must be a file that can be read and written (got ";
  EXPECT_EQ(file_error_of([&] { open(nowhere); }), rule + nowhere + ": No such file or directory)");
  const std::string folder = folder_.path();
  EXPECT_EQ(file_error_of([&] { open(folder); }), rule + folder + ": Is a directory)");
  const std::string pipe = folder_.file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(file_error_of([&] { open(pipe); }), rule + pipe + ": Illegal seek)");
}

TEST_F(TeacherCacheTest, AFileIsOpenedOnce) {
  auto cache = open(path_);
  EXPECT_EQ(
      error_of_opening(),
      "TeacherCache: file must be in use by this cache only (got " + path_ + ": Resource temporarily unavailable)");
  cache.reset();
  open(path_);
}

TEST_F(TeacherCacheTest, GoesOnWhereItsCreationStopped) {
  open(path_);
  for (size_t length : {size_t{0}, kHeader}) {
    folder_.write("cache", bytes_of(path_).substr(0, length));
    open(path_);
    EXPECT_EQ(bytes_of(path_).size(), kHeader + kSamples * kRecord);
  }
}

TEST_F(TeacherCacheTest, AFullDiskIsAnError) {
  const auto cache = open(path_);
  const std::vector<at::Tensor> rows = random_rows(2);
  cache->write(indices({0, 19}), rows);
  struct rlimit before {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit small { kHeader + 5 * kRecord + 9, before.rlim_max };
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::string error = file_error_of([&] { cache->write(indices({4, 5, 6}), random_rows(3)); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(
      error, "TeacherCache: path must be a file that can be read and written (got " + path_ + ": File too large)");
  EXPECT_EQ(cache->missing(indices({0, 4, 5, 6, 19})), (Positions{2, 3}));
  expect_rows(*cache, {0, 19}, rows);
}

TEST_F(TeacherCacheTest, AKilledProcessLeavesWholeRows) {
  const std::vector<TeacherCache::Output> outputs = {{{30000}, at::kFloat}, {{}, at::kLong}};
  int64_t newest = 0;
  int64_t present = 0;
  for (int i = 0; i < 100; ++i) {
    std::unique_ptr<TeacherCache> cache;
    int64_t next = newest;
    test::repeat_until_killed([&] {
      if (!cache) cache = std::make_unique<TeacherCache>(kSamples, outputs, path_, 7);
      ++next;
      cache->write(indices({next % kSamples}), {at::full({1, 30000}, next), at::full({1}, next, at::kLong)});
    });
    cache = std::make_unique<TeacherCache>(kSamples, outputs, path_, 7);
    present = 0;
    for (int64_t sample = 0; sample < kSamples; ++sample) {
      if (!cache->missing(indices({sample})).empty()) continue;
      ++present;
      const std::vector<at::Tensor> rows = cache->read(indices({sample}));
      const auto value = rows[1].item<int64_t>();
      newest = std::max(newest, value);
      EXPECT_EQ(value % kSamples, sample);
      EXPECT_TRUE(rows[0].eq(value).all().item<bool>());
    }
  }
  EXPECT_GE(present, kSamples - 1);
  EXPECT_GT(newest, 100);
}

TEST_F(TeacherCacheTest, RejectsWhatDoesNotFit) {
  EXPECT_EQ(error_of([&] { TeacherCache(0, kOutputs, "", 7); }), "TeacherCache: samples must be at least 1 (got 0)");
  EXPECT_EQ(
      error_of([&] { TeacherCache(int64_t{1} << 60, kOutputs, "", 7); }),
      "TeacherCache: samples must fit a file (got 1152921504606846976 of 48 bytes)");
  EXPECT_EQ(
      error_of([&] { TeacherCache(int64_t{1} << 62, kOutputs, "", 7); }),
      "TeacherCache: samples must fit a file (got 4611686018427387904 of 48 bytes)");
  const auto cache = open("");
  const std::string range = "TeacherCache: indices must be between 0 and 19 (got 20)";
  EXPECT_EQ(error_of([&] { cache->missing(indices({20})); }), range);
  EXPECT_EQ(error_of([&] { cache->read(indices({20})); }), range);
  EXPECT_EQ(error_of([&] { cache->write(indices({20}), random_rows(1)); }), range);
  EXPECT_EQ(error_of([&] { cache->missing(at::zeros({2})); }), "TeacherCache: indices must be int64 (got Float)");
  const auto error_of_rows = [&](const std::vector<at::Tensor>& rows) {
    const auto write = [&] { cache->write(indices({0, 1}), rows); };
    EXPECT_THROW(write(), ShapeError);
    return error_of(write);
  };
  const std::vector<at::Tensor> rows = random_rows(2);
  EXPECT_EQ(error_of_rows({rows[0]}), "TeacherCache: rows must be one tensor for each of 3 outputs (got 1)");
  EXPECT_EQ(error_of_rows({rows[0], rows[0], rows[2]}), "TeacherCache: rows must be of shape [2, 2, 3] (got [2, 5])");
  EXPECT_EQ(error_of_rows({rows[0], rows[1], {}}), "TeacherCache: rows must be of shape [2] (got an undefined tensor)");
  EXPECT_EQ(error_of_rows(random_rows(1)), "TeacherCache: rows must be of shape [2, 5] (got [1, 5])");
  EXPECT_EQ(cache->missing(indices({0, 1})), (Positions{0, 1}));
}

}  // namespace
}  // namespace retort
