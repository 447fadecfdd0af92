#pragma once
#include <string>
#include <vector>

#include "common/base/json_reader.h"

namespace cce {

/// One line of a before/after table, as text. `after` is empty where only one model was measured.
struct ReportRow {
  std::string name, before, after, change;
};

/// The rows every rendering shares: parameters of blocks and whole, tensor bytes, FLOPs per token,
/// perplexities, tasks. Members of a wrong type count as absent: a report is our own file, and a partial one
/// must still print.
std::vector<ReportRow> before_after_rows(const Json& report);

struct SignatureRow {
  std::string name, value, limit;
  bool ok = true;
};
std::vector<SignatureRow> signature_rows(const Json& report);

/// Σ over stages; 0 where there are none.
double total_seconds(const Json& report);

std::vector<std::string> warnings_of(const Json& report);

/// "134.5 M", "1.24 G": three digits and a power of 1000.
std::string short_count(double value);

/// "4.2 s", "3 min 05 s", "2 h 10 min".
std::string short_duration(double seconds);

/// A member found by its path, or null.
const Json& member_at(const Json& document, std::initializer_list<const char*> path);

}  // namespace cce
