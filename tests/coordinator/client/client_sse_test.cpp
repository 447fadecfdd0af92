#include <gmock/gmock.h>

#include "coordinator/client/client_sse.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

std::vector<std::string> parsed(const std::string& stream, std::size_t part_bytes) {
  std::vector<std::string> found;
  SseParser parser(
      [&](const SseEvent& event) { found.push_back(event.id + "|" + event.name + "|" + event.data); });
  for (std::size_t at = 0; at < stream.size(); at += part_bytes) {
    parser.add(std::string_view(stream).substr(at, part_bytes));
  }
  return found;
}

struct SseRow {
  const char* name;
  std::string stream;
  std::vector<std::string> events;
};

TEST(ClientSse, cuts_streams_as_the_standard_says_whatever_the_parts) {
  const std::vector<SseRow> rows{
      {"named event with an id", "id: 1.2\nevent: state\ndata: {}\n\n", {"1.2|state|{}"}},
      {"default name", "data: a\n\n", {"|message|a"}},
      {"lines of data join", "data: a\ndata: b\n\n", {"|message|a\nb"}},
      {"the id stays, the name does not",
       "id: 7\nevent: x\ndata: a\n\ndata: b\n\n",
       {"7|x|a", "7|message|b"}},
      {"comments are skipped", ": beat\n\n: beat\ndata: a\n\n", {"|message|a"}},
      {"no data, no event", "id: 9\n\nevent: x\n\ndata: a\n\n", {"9|message|a"}},
      {"one space after the colon goes", "data:  a\n\ndata:b\n\n", {"|message| a", "|message|b"}},
      {"carriage returns",
       "data: a\r\n\r\ndata: b\r\rdata: c\n\n",
       {"|message|a", "|message|b", "|message|c"}},
      {"an empty data line counts", "data\n\n", {"|message|"}},
      {"what is not finished is no event", "data: a\n\ndata: torn", {"|message|a"}},
      {"unknown fields are skipped", "retry: 5\nx: y\ndata: a\n\n", {"|message|a"}}};
  for (const SseRow& row : rows) {
    for (const std::size_t part : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{1000}}) {
      EXPECT_EQ(parsed(row.stream, part), row.events) << row.name << ", parts of " << part;
    }
  }
}

TEST(ClientSse, an_event_without_end_is_refused) {
  SseParser parser([](const SseEvent&) {});
  const std::string part(std::size_t{1} << 20, 'x');
  expect_error(
      [&] {
        for (int i = 0; i < 6; ++i) {
          parser.add(part);
        }
      },
      ErrorCode::malformed_file, "4 MiB");
}

}  // namespace
}  // namespace cce
