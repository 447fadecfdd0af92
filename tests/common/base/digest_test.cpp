#include "common/base/digest.h"

#include <gtest/gtest.h>

#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

TEST(DigestTest, published_values) {  // FIPS 180-2, appendix B, and the empty message
  EXPECT_EQ(digest_of_text(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest_of_text("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest_of_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(DigestTest, parts_add_up_and_fields_do_not_run_together) {
  Digest digest;
  digest.add("a");
  digest.add("bc");
  EXPECT_EQ(digest.finish_hex(), digest_of_text("abc"));
  digest.add("abc");
  EXPECT_EQ(digest.finish_hex(), digest_of_text("abc"));
  Digest left, right;
  left.add_field("ab");
  left.add_field("c");
  right.add_field("a");
  right.add_field("bc");
  EXPECT_NE(left.finish_hex(), right.finish_hex());
}

}  // namespace
}  // namespace cce
