#include "common/base/json_writer.h"

#include <algorithm>
#include <cmath>

#include "common/base/error.h"
#include "common/base/number_format.h"

namespace cce {
namespace {

void refuse_not_finite(const OrderedJson& value, const std::string& path) {
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = path,
                .found = format_number(value.get<double>()),
                .expected = "a finite number",
                .remedy = "Report this: it is a bug."};
  }
  if (value.is_object()) {
    for (const auto& entry : value.items()) {
      refuse_not_finite(entry.value(), path.empty() ? entry.key() : path + "." + entry.key());
    }
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      refuse_not_finite(value[i], path + "[" + std::to_string(i) + "]");
    }
  }
}

bool is_plain(const OrderedJson& value) {
  return !value.is_object() && !value.is_array();
}

std::string scalar_text(const OrderedJson& value) {
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

void print(const OrderedJson& value, std::size_t depth, std::string& out) {
  const std::string indent(2 * depth + 2, ' ');
  const std::string closing_indent(2 * depth, ' ');
  if (is_plain(value) || value.empty()) {
    out += scalar_text(value);
  } else if (value.is_object()) {
    out += "{";
    const char* separator = "\n";
    for (const auto& entry : value.items()) {
      out += separator + indent + scalar_text(OrderedJson(entry.key())) + ": ";
      print(entry.value(), depth + 1, out);
      separator = ",\n";
    }
    out += "\n" + closing_indent + "}";
  } else {
    const bool on_one_line = std::all_of(value.begin(), value.end(), is_plain);
    out += "[";
    for (std::size_t i = 0; i < value.size(); ++i) {
      out += on_one_line ? (i == 0 ? "" : ", ") : (i == 0 ? "\n" : ",\n") + indent;
      print(value[i], depth + 1, out);
    }
    out += on_one_line ? "]" : "\n" + closing_indent + "]";
  }
}

}  // namespace

std::string pretty_json(const OrderedJson& document) {
  refuse_not_finite(document, "");
  std::string text;
  print(document, 0, text);
  return text + "\n";
}

std::string compact_json(const OrderedJson& document) {
  refuse_not_finite(document, "");
  return document.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace cce
