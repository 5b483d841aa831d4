// Whichever call of the system fails: a file is whole, nothing else has changed, and the next attempt is right.
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <retort/train/stored_outputs.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <iostream>
#include <map>
#include <optional>
#include <set>

#include "files.h"
#include "retorts_code.h"
#include "seeded_test.h"
#include "step_rig.h"
#include "temporary_folder.h"

namespace {

/// How calls of Retort's go wrong.
struct Trouble {
  /// Which call fails, 1 for the next; 0 for none.
  int64_t failing = 0;
  int error = 0;
  /// The most bytes that one call writes or reads; every second call is interrupted before.
  std::optional<size_t> at_once;
  /// Of Retort's so far.
  int64_t calls = 0;
} trouble;

/// Counts a call, and says whether it is to fail.
bool fails(const void* caller) {
  if (!retort::test::is_retorts(caller)) return false;
  ++trouble.calls;
  if (trouble.calls == trouble.failing) errno = trouble.error;
  return trouble.calls == trouble.failing;
}

bool is_interrupted() {
  if (trouble.at_once && trouble.calls % 2 == 0) errno = EINTR;
  return trouble.at_once && trouble.calls % 2 == 0;
}

size_t allowed(size_t size) {
  return std::min(size, trouble.at_once.value_or(size));
}

template <typename F>
F* original(F*, const char* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

#define RETORT_REPLACES extern "C" __attribute__((visibility("default")))
#define RETORT_FAILS fails(__builtin_return_address(0))

RETORT_REPLACES int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  static auto* const next = original(&::open, "open");
  return RETORT_FAILS ? -1 : next(path, flags, mode);
}

RETORT_REPLACES ssize_t pwrite(int file, const void* bytes, size_t size, off_t offset) {
  static auto* const next = original(&::pwrite, "pwrite");
  return RETORT_FAILS || is_interrupted() ? -1 : next(file, bytes, allowed(size), offset);
}

RETORT_REPLACES ssize_t pread(int file, void* bytes, size_t size, off_t offset) {
  static auto* const next = original(&::pread, "pread");
  if (RETORT_FAILS || is_interrupted()) return -1;
  static std::optional<off_t> continued, end_of_buffer;
  const bool continues = offset == continued;
  EXPECT_TRUE(!continues || offset + static_cast<off_t>(size) == end_of_buffer) << "goes past the buffer";
  const ssize_t count = next(file, bytes, allowed(size), offset);
  const bool is_short = count > 0 && static_cast<size_t>(count) < size;
  continued = is_short ? std::optional(offset + count) : std::nullopt;
  end_of_buffer = offset + static_cast<off_t>(size);
  return count;
}

RETORT_REPLACES int fsync(int file) {
  static auto* const next = original(&::fsync, "fsync");
  return RETORT_FAILS ? -1 : next(file);
}

RETORT_REPLACES int ftruncate(int file, off_t size) noexcept {
  static auto* const next = original(&::ftruncate, "ftruncate");
  return RETORT_FAILS ? -1 : next(file, size);
}

RETORT_REPLACES int rename(const char* from, const char* to) noexcept {
  static auto* const next = original(&::rename, "rename");
  return RETORT_FAILS ? -1 : next(from, to);
}

RETORT_REPLACES int flock(int file, int operation) noexcept {
  static auto* const next = original(&::flock, "flock");
  return RETORT_FAILS ? -1 : next(file, operation);
}

RETORT_REPLACES int fstat(int file, struct stat* status) noexcept {
  static auto* const next = original<int(int, struct stat*) noexcept>(nullptr, "fstat");
  return RETORT_FAILS ? -1 : next(file, status);
}

RETORT_REPLACES void* mmap(void* address, size_t size, int protection, int flags, int file, off_t offset) noexcept {
  static auto* const next = original(&::mmap, "mmap");
  return RETORT_FAILS ? MAP_FAILED : next(address, size, protection, flags, file, offset);
}

namespace retort {
namespace {

using test::bytes_of;
using test::StepRig;

class SystemCallsTest : public test::SeededTest, public ::testing::WithParamInterface<int> {
 protected:
  void TearDown() override { trouble = Trouble(); }

  /// Lets the first call of an action's fail, then the second, and so on until it makes no more.
  /// @param check told whether the action has failed
  static void with_each_failure(const std::function<void()>& action, const std::function<void(bool)>& check) {
    for (int64_t n = 1;; ++n) {
      SCOPED_TRACE("call " + std::to_string(n));
      trouble = {n, GetParam(), {}, 0};
      bool failed = false;
      try {
        action();
      } catch (const FileError& error) {
        failed = true;
        EXPECT_EQ(std::string(error.what_without_backtrace()).find('\n'), std::string::npos);
      }
      const int64_t calls = trouble.calls;
      trouble = Trouble();
      check(failed);
      if (calls < n) {
        EXPECT_FALSE(failed);
        EXPECT_GT(n, 3) << "nothing is replaced";
        std::cout << calls << " calls failed, one at a time\n";
        return;
      }
      if (HasFatalFailure()) return;
    }
  }

  /// For an action that writes a whole file.
  void expect_whole_files(const std::function<void()>& write) {
    write();
    const std::string whole = bytes_of(path_);
    with_each_failure(
        [&] {
          folder_.write("file", "before");
          write();
        },
        [&](bool failed) {
          EXPECT_EQ(bytes_of(path_), failed ? "before" : whole);
          write();
          EXPECT_EQ(bytes_of(path_), whole);
          EXPECT_EQ(folder_.names(), std::set<std::string>{"file"});
        });
  }

  test::TemporaryFolder folder_;
  std::string path_ = folder_.file("file");
};

TEST_P(SystemCallsTest, StateDictsAreWhole) {
  const auto network = std::make_shared<test::TinyNetwork>();
  expect_whole_files([&] { network->save_state_dict(path_); });
}

TEST_P(SystemCallsTest, CheckpointsAreWhole) {
  StepRig rig;
  rig.run(1);
  const test::NamedTensors before = rig.photograph();
  expect_whole_files([&] { rig.step->save(path_, "note"); });
  EXPECT_TRUE(test::same_bits(rig.photograph(), before));
}

TEST_P(SystemCallsTest, StoredOutputsAreWhole) {
  const at::Tensor logits = at::randn({4, 5});
  expect_whole_files([&] {
    StoredOutputsWriter writer(path_, {/*samples=*/8, /*classes=*/5});
    writer.write(at::arange(4), logits);
    writer.finish();
  });
}

TEST_P(SystemCallsTest, ACheckpointIsLoadedWhollyOrNotAtAll) {
  StepRig saved;
  saved.run(1);
  saved.step->save(path_);
  const test::NamedTensors expected = saved.photograph();
  StepRig rig;
  rig.run(2);
  rig.run(3);
  const std::string other = folder_.file("other");
  rig.step->save(other);
  const test::NamedTensors before = rig.photograph();
  with_each_failure(
      [&] { rig.step->load(path_); },
      [&](bool failed) {
        EXPECT_TRUE(test::same_bits(rig.photograph(), failed ? before : expected));
        rig.step->load(path_);
        EXPECT_TRUE(test::same_bits(rig.photograph(), expected));
        rig.step->load(other);
      });
}

TEST_P(SystemCallsTest, StoredOutputsAreReadOrRefused) {
  const at::Tensor logits = at::randn({4, 5});
  const at::Tensor indices = at::arange(4);
  StoredOutputsWriter writer(path_, {/*samples=*/8, /*classes=*/5});
  writer.write(indices, logits);
  writer.finish();
  for (const FileAccess access : {FileAccess::kRead, FileAccess::kMapped, FileAccess::kMemory}) {
    at::Tensor read;
    with_each_failure(
        [&] {
          read = at::Tensor();
          read = StoredOutputs(path_, access).read(indices).logits;
        },
        [&](bool failed) { EXPECT_TRUE(failed ? !read.defined() : read.equal(logits)); });
  }
}

TEST_P(SystemCallsTest, AStepThatCannotCacheChangesNothing) {
  const auto with_cache = [&](TrainingStepOptions& options) { options.teachers[0].cache = {/*samples=*/12, path_}; };
  StepRig twin([](TrainingStepOptions& options) { options.teachers[0].cache.samples = 12; });
  twin.run(1);
  const test::NamedTensors expected = twin.photograph();
  std::unique_ptr<StepRig> rig;
  test::NamedTensors before;
  bool is_open = false;
  with_each_failure(
      [&] {
        rig.reset();
        std::filesystem::remove(path_);
        is_open = false;
        rig = std::make_unique<StepRig>(with_cache);
        is_open = true;
        manual_seed(1);
        before = rig->photograph();
        StepResult result;
        rig->step->run(rig->batch, result);
      },
      [&](bool failed) {
        if (!is_open) {
          rig = std::make_unique<StepRig>(with_cache);
        } else if (failed) {
          EXPECT_TRUE(test::same_bits(rig->photograph(), before));
        }
        if (failed) rig->run(1);
        EXPECT_TRUE(test::same_bits(rig->photograph(), expected));
      });
}

const std::map<int, std::string> kErrors = {
    {ENOSPC, "DiskFull"}, {EIO, "DiskBroken"}, {ENOMEM, "OutOfMemory"}, {EWOULDBLOCK, "Locked"}};

INSTANTIATE_TEST_SUITE_P(
    Error, SystemCallsTest, ::testing::Values(ENOSPC, EIO, ENOMEM, EWOULDBLOCK),
    [](const ::testing::TestParamInfo<int>& of) { return kErrors.at(of.param); });

class PartialCallsTest : public test::SeededTest {
 protected:
  void TearDown() override { trouble = Trouble(); }
};

TEST_F(PartialCallsTest, AreGoneOnWith) {
  const test::TemporaryFolder folder;
  StepRig rig;
  rig.run(1);
  rig.step->save(folder.file("whole"), "note");
  trouble.at_once = 7;
  rig.step->save(folder.file("parts"), "note");
  EXPECT_GT(trouble.calls, 1000);
  EXPECT_EQ(rig.step->load(folder.file("parts")), "note");
  trouble = Trouble();
  EXPECT_EQ(bytes_of(folder.file("parts")), bytes_of(folder.file("whole")));
}

TEST_F(PartialCallsTest, OneThatWritesNothingIsNotRepeatedForEver) {
  const test::TemporaryFolder folder;
  const StepRig rig;
  trouble.at_once = 0;
  EXPECT_THROW(rig.step->save(folder.file("file")), FileError);
  EXPECT_TRUE(folder.names().empty());
}

}  // namespace
}  // namespace retort
