#include "common/base/error_json.h"

#include <array>

namespace cce {
namespace {

struct Part {
  const char* key;
  std::string Error::*text;
};
constexpr std::array parts{Part{"where", &Error::where}, Part{"found", &Error::found},
                           Part{"expected", &Error::expected}, Part{"remedy", &Error::remedy}};

std::string text_in(const Json& document, const char* key) {
  const auto member = document.find(key);
  return member != document.end() && member->is_string() ? member->get<std::string>() : std::string();
}

}  // namespace

OrderedJson error_json(const Error& error) {
  OrderedJson document = {{"code", error_name(error.code)}};
  for (const Part& part : parts) {
    document[part.key] = error.*part.text;
  }
  return document;
}

Error read_error(const Json& document, const std::string& where) {
  JsonReader reader(document, where);
  std::vector<std::pair<std::string, ErrorCode>> names;
  for (const ErrorRow& row : error_table()) {
    names.emplace_back(row.name, row.code);
  }
  Error error;
  error.code = reader.required("code").choice(names);
  for (const Part& part : parts) {
    error.*part.text = reader.text_or(part.key, "");
  }
  return error;
}

std::optional<Error> read_foreign_error(const Json& document, ErrorCode otherwise) {
  if (!document.is_object()) {
    return std::nullopt;
  }
  const std::string name = text_in(document, "code");
  const std::optional<ErrorCode> code = error_code_named(name);
  Error error;
  error.code = code.value_or(otherwise);
  for (const Part& part : parts) {
    error.*part.text = text_in(document, part.key);
  }
  if (!code && !name.empty()) {
    error.found.insert(0, error.found.empty() ? name : name + ": ");
  }
  return error;
}

}  // namespace cce
