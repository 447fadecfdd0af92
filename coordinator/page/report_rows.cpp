#include "coordinator/page/report_rows.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "common/base/json_writer.h"
#include "common/base/number_format.h"

namespace cce {
namespace {

enum class Unit { count, bytes, plain };

std::string formatted(double value, Unit unit) {
  switch (unit) {
    case Unit::count:
      return short_count(value);
    case Unit::bytes:
      return format_bytes(static_cast<std::int64_t>(value));
    case Unit::plain:
      break;
  }
  return format_fixed(value, std::abs(value) < 10.0 ? 3 : 2);
}

std::string change_text(double before, double after, Unit unit) {
  if (before == 0.0) {
    return "";
  }
  if (unit == Unit::plain) {
    return std::string("× ").append(format_fixed(after / before, 3));
  }
  const double percent = 100.0 * (after / before - 1.0);
  std::string text = percent < 0.0 ? "−" : "+";
  return text.append(format_fixed(std::abs(percent), 1)).append(" %");
}

struct ReportRow {
  std::string name, before, after, change;
};

void add_row(const std::string& name, const Json& pair, Unit unit, std::vector<ReportRow>& rows) {
  const Json& before = member_at(pair, {"before"});
  const Json& after = member_at(pair, {"after"});
  ReportRow row{.name = name, .before = {}, .after = {}, .change = {}};
  if (before.is_number()) {
    row.before = formatted(before.get<double>(), unit);
  }
  if (after.is_number()) {
    row.after = formatted(after.get<double>(), unit);
  }
  if (row.before.empty() && row.after.empty()) {
    return;
  }
  if (!row.before.empty() && !row.after.empty()) {
    row.change = change_text(before.get<double>(), after.get<double>(), unit);
  }
  rows.push_back(std::move(row));
}

void add_tasks(const Json& tasks, std::vector<ReportRow>& rows) {
  if (!tasks.is_object()) {
    return;
  }
  for (const auto& [name, task] : tasks.items()) {
    add_row(name + ", accuracy", member_at(task, {"acc"}), Unit::plain, rows);
    add_row(name + ", accuracy (length-normalised)", member_at(task, {"acc_norm"}), Unit::plain, rows);
  }
}

std::vector<ReportRow> before_after_rows(const Json& report) {
  std::vector<ReportRow> rows;
  add_row("parameters of the blocks", member_at(report, {"params", "blocks"}), Unit::count, rows);
  add_row("parameters, whole model", member_at(report, {"params", "total"}), Unit::count, rows);
  add_row("tensor bytes", member_at(report, {"bytes"}), Unit::bytes, rows);
  add_row("FLOPs per token", member_at(report, {"flops_per_token"}), Unit::count, rows);
  const Json& perplexity = member_at(report, {"evaluation", "perplexity"});
  if (perplexity.is_object()) {
    for (const auto& [name, pair] : perplexity.items()) {
      add_row("perplexity, " + name, pair, Unit::plain, rows);
    }
  }
  add_tasks(member_at(report, {"evaluation", "tasks"}), rows);
  return rows;
}

ReportTable before_after_table(const Json& report) {
  const std::vector<ReportRow> rows = before_after_rows(report);
  const bool two_models =
      std::any_of(rows.begin(), rows.end(), [](const ReportRow& row) { return !row.after.empty(); });
  ReportTable table{.id = "before-after", .title = "Before and after", .head = {"", "value"}, .rows = {}};
  if (two_models) {
    table.head = {"", "before", "after", "change"};
  }
  for (const ReportRow& row : rows) {
    std::vector<TableCell>& cells = table.rows.emplace_back();
    cells = {{row.name}, {row.before}};
    if (two_models) {
      cells.insert(cells.end(), {{row.after}, {row.change}});
    }
  }
  return table;
}

ReportTable signature_table(const Json& report) {
  ReportTable table{.id = "signatures",
                    .title = "Failure signatures",
                    .head = {"signature", "value", "limit", ""},
                    .rows = {}};
  const Json& signatures = member_at(report, {"signatures"});
  if (!signatures.is_object()) {
    return table;
  }
  const auto number = [](const Json& value) {
    return value.is_number() ? format_fixed(value.get<double>(), 3) : std::string();
  };
  for (const auto& [name, signature] : signatures.items()) {
    const Json& ok = member_at(signature, {"ok"});
    const bool is_ok = !ok.is_boolean() || ok.get<bool>();
    const TableCell verdict = is_ok ? TableCell{"ok", "ok"} : TableCell{"past limit", "passed"};
    table.rows.push_back({{name},
                          {number(member_at(signature, {"value"}))},
                          {number(member_at(signature, {"limit"}))},
                          verdict});
  }
  return table;
}

}  // namespace

const Json& member_at(const Json& document, std::initializer_list<const char*> path) {
  static const Json nothing;
  const Json* place = &document;
  for (const char* key : path) {
    if (!place->is_object() || !place->contains(key)) {
      return nothing;
    }
    place = &(*place)[key];
  }
  return *place;
}

std::vector<ReportTable> report_tables(const Json& report) {
  std::vector<ReportTable> tables{before_after_table(report), signature_table(report)};
  std::erase_if(tables, [](const ReportTable& table) { return table.rows.empty(); });
  return tables;
}

std::string report_tables_json(const Json& report) {
  OrderedJson tables = OrderedJson::array();
  for (const ReportTable& table : report_tables(report)) {
    OrderedJson rows = OrderedJson::array();
    for (const std::vector<TableCell>& row : table.rows) {
      OrderedJson cells = OrderedJson::array();
      for (const TableCell& cell : row) {
        cells.push_back({{"text", cell.text}, {"style", cell.style}});
      }
      rows.push_back(std::move(cells));
    }
    tables.push_back({{"id", table.id}, {"title", table.title}, {"head", table.head}, {"rows", rows}});
  }
  return compact_json({{"tables", tables}, {"warnings", warnings_of(report)}});
}

double total_seconds(const Json& report) {
  double total = 0.0;
  const Json& stages = member_at(report, {"stages"});
  if (stages.is_object()) {
    for (const auto& [name, stage] : stages.items()) {
      const Json& seconds = member_at(stage, {"seconds"});
      total += seconds.is_number() ? seconds.get<double>() : 0.0;
    }
  }
  return total;
}

std::vector<std::string> warnings_of(const Json& report) {
  std::vector<std::string> warnings;
  const Json& list = member_at(report, {"warnings"});
  if (list.is_array()) {
    for (const Json& warning : list) {
      warnings.push_back(warning.is_string() ? warning.get<std::string>() : warning.dump());
    }
  }
  return warnings;
}

std::string short_count(double value) {
  constexpr std::array units{"", " k", " M", " G", " T", " P"};
  std::size_t unit = 0;
  while (std::abs(value) >= 999.95 && unit + 1 < units.size()) {
    value /= 1000.0;
    ++unit;
  }
  const int decimals = unit == 0 ? 0 : std::abs(value) < 9.995 ? 2 : 1;
  return format_fixed(value, decimals) + units[unit];
}

std::string short_duration(double seconds) {
  if (seconds < 60.0) {
    return format_fixed(seconds, 1) + " s";
  }
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  const auto two_digits = [](std::int64_t value) {
    return std::string(value < 10 ? "0" : "").append(std::to_string(value));
  };
  if (whole < 3600) {
    return std::to_string(whole / 60) + " min " + two_digits(whole % 60) + " s";
  }
  return std::to_string(whole / 3600) + " h " + two_digits(whole % 3600 / 60) + " min";
}

}  // namespace cce
