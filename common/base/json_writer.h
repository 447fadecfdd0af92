#pragma once
#include <nlohmann/json.hpp>
#include <string>

namespace cce {

using OrderedJson = nlohmann::ordered_json;

/// Stable text of a document: keys in insertion order, two-space indent, lists of plain values on one line,
/// final newline. Errors: invalid_argument for a number that is not finite, with its key path (JSON cannot
/// hold it).
std::string pretty_json(const OrderedJson& document);

/// The same on one line, without a final newline.
std::string compact_json(const OrderedJson& document);

}  // namespace cce
