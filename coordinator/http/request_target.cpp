#include "coordinator/http/request_target.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace cce {
namespace {

constexpr std::size_t most_bytes = 8192;

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') {
    return digit - '0';
  }
  const char lower = static_cast<char>(digit | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool is_utf8(const std::string& text) {
  try {
    static_cast<void>(nlohmann::json(text).dump());  // the strict form refuses what is not UTF-8
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char byte = text[i];
    if (byte == '%') {
      const int high = i + 1 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return std::nullopt;
      }
      byte = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (byte == '+' && plus_is_space) {
      byte = ' ';
    }
    if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) {
      return std::nullopt;
    }
    decoded += byte;
  }
  return is_utf8(decoded) ? std::optional(decoded) : std::nullopt;
}

bool is_plain_segment(const std::string& segment) {
  return segment != "." && segment != ".." && segment.find_first_of("/\\") == std::string::npos;
}

bool parse_path(std::string_view path, RequestTarget& target) {
  for (std::size_t begin = 1; begin < path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::optional<std::string> segment = decode(path.substr(begin, end - begin), false);
    if (!segment || segment->empty() || !is_plain_segment(*segment)) {
      return false;
    }
    target.segments.push_back(*segment);
    begin = end + 1;
    if (end + 1 == path.size()) {
      target.segments.emplace_back();  // "/v1/jobs/" is another path than "/v1/jobs"
    }
  }
  return true;
}

bool parse_query(std::string_view query, RequestTarget& target) {
  for (std::size_t begin = 0; begin < query.size();) {
    const std::size_t end = std::min(query.find('&', begin), query.size());
    const std::string_view pair = query.substr(begin, end - begin);
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::optional<std::string> name = decode(pair.substr(0, equals), true);
    const std::optional<std::string> value = decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!name || !value || name->empty()) {
      return false;
    }
    const bool twice = std::any_of(target.queries.begin(), target.queries.end(),
                                   [&name](const auto& known) { return known.first == *name; });
    if (twice) {
      return false;
    }
    target.queries.emplace_back(*name, *value);
    begin = end + 1;
  }
  return true;
}

}  // namespace

std::optional<RequestTarget> parse_target(std::string_view text) {
  if (text.empty() || text[0] != '/' || text.size() > most_bytes ||
      text.find('#') != std::string_view::npos) {
    return std::nullopt;
  }
  const std::size_t mark = std::min(text.find('?'), text.size());
  RequestTarget target;
  const bool good = parse_path(text.substr(0, mark), target) &&
                    parse_query(text.substr(std::min(mark + 1, text.size())), target);
  return good ? std::optional(std::move(target)) : std::nullopt;
}

}  // namespace cce
