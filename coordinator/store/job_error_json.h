#pragma once
#include <string>

#include "common/base/error.h"

namespace cce {

/// {"code":"disk_full","where":...,"found":...,"expected":...,"remedy":...} on one line, as in events.jsonl.
std::string error_to_json(const Error& error);
/// Errors: malformed_file, wrong_type with `where`.
Error error_from_json(const std::string& json, const std::string& where);

}  // namespace cce
