#include "distributed/socket.h"

#include <gtest/gtest.h>

namespace retort {
namespace {

TEST(SocketTest, NumericAddressesAreFoundWithoutAsking) {
  EXPECT_EQ(numeric_address("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(numeric_address("127.1"), "127.0.0.1");
  EXPECT_EQ(numeric_address("0:0:0:0:0:0:0:1"), "::1");
  EXPECT_EQ(numeric_address("localhost"), std::nullopt);
  EXPECT_EQ(numeric_address("1.2.3.4.5"), std::nullopt);
  EXPECT_EQ(numeric_address(""), std::nullopt);
}

}  // namespace
}  // namespace retort
