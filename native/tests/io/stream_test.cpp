#include "io/stream.h"

#include <gtest/gtest.h>

#include <istream>
#include <ostream>
#include <sstream>
#include <string>

#include "bad_streams.h"
#include "files.h"

namespace retort {
namespace {

using test::file_error_of;

const std::string kUnreadable = "load: stream must be one that can be read (got the stream)";

TEST(StreamTest, RoundTrip) {
  for (const std::string& bytes : {std::string(), std::string("a\0 b\n\xff", 6), std::string(1000000, 'x')}) {
    std::stringstream stream;
    write_stream("save", stream, bytes);
    EXPECT_EQ(read_stream("load", stream, "the stream"), bytes);
    EXPECT_TRUE(stream.eof());
    EXPECT_FALSE(stream.bad());
  }
}

TEST(StreamTest, IsReadFromWhereItIs) {
  std::istringstream stream("header, rest");
  stream.ignore(8);
  EXPECT_EQ(read_stream("load", stream, "the stream"), "rest");
}

TEST(StreamTest, MayThrowAtItsEnd) {
  std::istringstream stream("whole");
  stream.exceptions(std::ios::eofbit | std::ios::failbit | std::ios::badbit);
  EXPECT_EQ(read_stream("load", stream, "the stream"), "whole");
}

TEST(StreamTest, ThatCannotBeReadIsAnError) {
  for (bool throws : {false, true}) {
    test::BreakingBuffer buffer(std::string(100000, 'x'));
    std::istream stream(&buffer);
    if (throws) stream.exceptions(std::ios::failbit | std::ios::badbit);
    EXPECT_THROW(read_stream("load", stream, "the stream"), FileError);
  }
  std::istringstream failed("some");
  failed.setstate(std::ios::failbit);
  EXPECT_EQ(file_error_of([&] { read_stream("load", failed, "the stream"); }), kUnreadable);
  std::istream none(nullptr);
  EXPECT_EQ(file_error_of([&] { read_stream("load", none, "the stream"); }), kUnreadable);
}

TEST(StreamTest, ThatCannotBeWrittenIsAnError) {
  const std::string error = "save: stream must take 3 bytes (got one that has failed)";
  test::AskingBuffer full([] { return false; });
  for (bool throws : {false, true}) {
    std::ostream stream(&full);
    if (throws) stream.exceptions(std::ios::badbit);
    EXPECT_EQ(file_error_of([&] { write_stream("save", stream, "abc"); }), error);
  }
  std::ostringstream failed;
  failed.setstate(std::ios::failbit);
  EXPECT_EQ(file_error_of([&] { write_stream("save", failed, "abc"); }), error);
  EXPECT_EQ(failed.str(), "");
}

}  // namespace
}  // namespace retort
