#pragma once
#include <string>
#include <vector>

#include "common/base/json_reader.h"

namespace cce {

/// One cell of a table; `style` is a class of style.css, or "".
struct TableCell {
  std::string text;
  std::string style = {};
};

/// A table of a report, as every rendering shows it: terminal, model card, report.html, dashboard.
struct ReportTable {
  std::string id, title;
  std::vector<std::string> head;
  std::vector<std::vector<TableCell>> rows;  ///< each as long as head
};

/// The tables that have rows, as text. "before-after": parameters of blocks and whole, tensor bytes, FLOPs per
/// token, perplexities, tasks; one column of values where only one model was measured. "signatures": value, limit
/// and verdict of each failure signature. Members of a wrong type count as absent: a report is our own file, and a
/// partial one must still print.
std::vector<ReportTable> report_tables(const Json& report);

/// {"tables": [{"id", "title", "head": [...], "rows": [[{"text", "style"}]]}], "warnings": [...]}
std::string report_tables_json(const Json& report);

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
