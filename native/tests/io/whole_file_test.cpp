#include "io/whole_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <unistd.h>

#include <set>
#include <string>

#include "files.h"
#include "io/descriptor.h"
#include "temporary_folder.h"

namespace retort {
namespace {

class WholeFileTest : public ::testing::Test {
 protected:
  void write(const std::string& text) const { write_whole_file("save", path_, text); }

  test::TemporaryFolder folder_;
  std::string path_ = folder_.file("student.pt");
};

TEST_F(WholeFileTest, IsWrittenAndReplaced) {
  for (const std::string& text : {std::string("first"), std::string(1 << 20, 'x'), std::string()}) {
    write(text);
    EXPECT_EQ(test::bytes_of(path_), text);
    EXPECT_EQ(folder_.names(), std::set<std::string>{"student.pt"});
  }
}

TEST_F(WholeFileTest, MayBeInTheCurrentFolder) {
  const std::string before = std::filesystem::current_path();
  std::filesystem::current_path(folder_.path());
  write_whole_file("save", "student.pt", "here");
  std::filesystem::current_path(before);
  EXPECT_EQ(test::bytes_of(path_), "here");
  EXPECT_EQ(folder_.names(), std::set<std::string>{"student.pt"});
}

TEST_F(WholeFileTest, NameMayBeAsLongAsFileSystemsAllow) {
  const std::string longest(255, 'n');
  write_whole_file("save", folder_.file(longest), "long");
  EXPECT_EQ(folder_.names(), std::set<std::string>{longest});
}

TEST_F(WholeFileTest, WhatAFormerProcessOfTheSameNumberLeftDoesNotMatter) {
  // A container's process is always number 1, and files of earlier versions were named after it.
  for (int i = 0; i < 20; ++i) {
    folder_.write("student.pt." + std::to_string(::getpid()) + "-" + std::to_string(i) + ".tmp", "half");
    folder_.write("student.pt.1-" + std::to_string(i) + ".tmp", "half");
  }
  write("whole");
  EXPECT_EQ(test::bytes_of(path_), "whole");
  EXPECT_EQ(folder_.names(), std::set<std::string>{"student.pt"});
}

TEST_F(WholeFileTest, KilledProcessesLeaveNothingForLong) {
  for (int i = 0; i < 30; ++i) {
    test::repeat_until_killed([&] { write_whole_file("save", folder_.file("other.pt"), std::string(1 << 20, 'x')); });
  }
  write("whole");
  std::set<std::string> left = folder_.names();
  left.erase("other.pt");
  EXPECT_EQ(left, std::set<std::string>{"student.pt"});
}

TEST_F(WholeFileTest, WhatIsStillWrittenStays) {
  const std::string name = "retort-0123456789abcdef.tmp";
  folder_.write(name, "half");
  {
    const Descriptor writer(::open(folder_.file(name).c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::flock(writer.get(), LOCK_EX), 0);
    write("whole");
    EXPECT_EQ(folder_.names(), (std::set<std::string>{name, "student.pt"}));
  }
  write("whole");
  EXPECT_EQ(folder_.names(), std::set<std::string>{"student.pt"});
}

TEST_F(WholeFileTest, ForeignFilesStay) {
  const std::set<std::string> foreign = {
      "retort-0123456789abcdef",     "retort-0123456789abcde.tmp",    "retort-0123456789abcdefa.tmp",
      "retort-0123456789ABCDEF.tmp", "a.retort-0123456789abcdef.tmp", "student.pt.tmp",
      "student.pt.1-.tmp",           "student.pt.1-2.tmp.gz",         "student.pt.a-2.tmp",
      "teacher.pt.1-2.tmp"};
  for (const std::string& name : foreign) folder_.write(name, "mine");
  write("whole");
  std::set<std::string> expected = foreign;
  expected.insert("student.pt");
  EXPECT_EQ(folder_.names(), expected);
}

TEST_F(WholeFileTest, LinksOfTheSameNameStay) {
  const std::string link = "retort-0123456789abcdef.tmp";
  std::filesystem::create_symlink(folder_.write("theirs", "mine"), folder_.file(link));
  write("whole");
  EXPECT_EQ(folder_.names(), (std::set<std::string>{link, "student.pt", "theirs"}));
}

TEST_F(WholeFileTest, FailureLeavesNothing) {
  std::filesystem::create_directories(folder_.file("student.pt") + "/inside");
  EXPECT_EQ(
      test::file_error_of([&] { write("whole"); }),
      "save: path must be a file that can be written (got " + path_ + ": Is a directory)");
  EXPECT_EQ(folder_.names(), std::set<std::string>{"student.pt"});
}

}  // namespace
}  // namespace retort
