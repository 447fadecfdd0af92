// The parts below the communicators: the sum of a segment and the notice of abort.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "worker/comm/messages/abort_notice.h"
#include "worker/comm/messages/rank_order_sum.h"

namespace cce {
namespace {

TEST(RankOrderSum, adds_parts_in_order_also_into_one_of_them) {
  for (const std::size_t length : {std::size_t{0}, std::size_t{1}, std::size_t{1024}, std::size_t{2051}}) {
    std::vector<float> first(length, 1e8f);
    std::vector<float> second(length, 1.0f);
    std::vector<float> third(length, -1e8f);
    const std::vector<const float*> parts = {first.data(), second.data(), third.data()};
    sum_in_rank_order<float>(parts, length, second.data());
    EXPECT_EQ(second, std::vector<float>(length, (1e8f + 1.0f) - 1e8f));
  }
}

TEST(AbortNotice, carries_an_error_there_and_back) {
  const Error sent{.code = ErrorCode::disk_full,
                   .where = "state/calibrate",
                   .found = "0 bytes free",
                   .expected = "",
                   .remedy = "free 3 GiB"};
  const Error received = decode_abort(encode_abort(sent));
  EXPECT_EQ(received.code, sent.code);
  EXPECT_EQ(received.where, sent.where);
  EXPECT_EQ(received.found, sent.found);
  EXPECT_EQ(received.expected, sent.expected);
  EXPECT_EQ(received.remedy, sent.remedy);
}

TEST(AbortNotice, cuts_texts_that_do_not_fit) {
  const std::string long_text(10000, 'x');
  const Error sent{.code = ErrorCode::io_failure,
                   .where = long_text,
                   .found = long_text,
                   .expected = long_text,
                   .remedy = long_text};
  const Error received = decode_abort(encode_abort(sent));
  for (const std::string& text : {received.where, received.found, received.expected, received.remedy}) {
    EXPECT_GT(text.size(), 400u);
    EXPECT_TRUE(long_text.starts_with(text));
  }
}

}  // namespace
}  // namespace cce
