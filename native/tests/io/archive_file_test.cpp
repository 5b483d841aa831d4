#include "io/archive_file.h"

#include <caffe2/serialize/inline_container.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include "claiming_archive.h"
#include "files.h"
#include "io/memory_adapter.h"
#include "temporary_folder.h"

namespace retort {
namespace {

using test::file_error_of;

class ArchiveFileTest : public ::testing::Test {
 protected:
  test::TemporaryFolder folder_;
};

TEST_F(ArchiveFileTest, ThatIsMissingOrCannotBeOpenedIsRefused) {
  const std::string none = folder_.file("none"), file = folder_.write("file", "bytes");
  EXPECT_EQ(
      file_error_of([&] { open_archive("load", none); }), "load: path must be an existing file (got " + none + ")");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit no_files = before;
  no_files.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &no_files), 0);
  const std::string error = file_error_of([&] { open_archive("load", file); });
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(error, "load: path must be a file that can be read (got " + file + ")");
}

TEST_F(ArchiveFileTest, DamagedOneIsNoLackOfMemory) {
  std::string archive;
  {
    caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, size_t size) {
      archive.append(static_cast<const char*>(data), size);
      return size;
    });
    const std::string large(100000, 'x');
    writer.writeRecord("small", "bytes", 5);
    writer.writeRecord("large", large.data(), large.size(), /*compress=*/true);
    writer.writeEndOfFile();
  }
  ASSERT_LT(archive.size(), 10000);
  const auto lacks_memory = [](const std::string& bytes) {
    return is_out_of_memory(std::bad_alloc(), std::make_shared<MemoryAdapter>(bytes));
  };
  EXPECT_TRUE(lacks_memory(archive));
  EXPECT_FALSE(lacks_memory(test::claiming(archive, "small")));
  EXPECT_FALSE(lacks_memory(archive.substr(0, archive.size() / 2)));
  EXPECT_FALSE(lacks_memory("bytes"));
  EXPECT_FALSE(is_out_of_memory(std::runtime_error("no"), std::make_shared<MemoryAdapter>(archive)));
}

}  // namespace
}  // namespace retort
