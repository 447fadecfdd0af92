#pragma once
#include <optional>
#include <string>

#include "common/base/error.h"
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"

namespace cce {

/// {"code": "disk_full", "where": ..., "found": ..., "expected": ..., "remedy": ...}: how errors stand in
/// events.jsonl, in the service's database and, among other members, in its answers.
OrderedJson error_json(const Error& error);

/// The same read back; other members are skipped. `where` names the document in errors.
/// Errors: wrong_type, out_of_range (no such code).
Error read_error(const Json& document, const std::string& where);

/// What a program of another version or another program says: members of another type count as absent, and a
/// code that this version does not know becomes `otherwise`, with its name in front of `found`. Nothing where the
/// document is no object.
std::optional<Error> read_foreign_error(const Json& document, ErrorCode otherwise);

}  // namespace cce
