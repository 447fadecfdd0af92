#include "coordinator/page/report_table.h"

#include <vector>

#include "common/base/json_writer.h"
#include "common/base/number_format.h"
#include "common/model/formats/format.h"
#include "coordinator/page/report_rows.h"
#include "coordinator/page/text_table.h"

namespace cce {
namespace {

std::string text_at(const Json& report, std::initializer_list<const char*> path,
                    const std::string& otherwise) {
  const Json& value = member_at(report, path);
  return value.is_string() ? value.get<std::string>() : otherwise;
}

/// Head and rows as text.
std::vector<std::vector<std::string>> lines_of(const ReportTable& table) {
  std::vector<std::vector<std::string>> lines{table.head};
  for (const std::vector<TableCell>& row : table.rows) {
    std::vector<std::string>& line = lines.emplace_back();
    for (const TableCell& cell : row) {
      line.push_back(cell.text);
    }
  }
  return lines;
}

/// "## TITLE" and a table of Markdown.
void add_markdown_table(const ReportTable& table, std::string& text) {
  text.append("## ").append(table.title).append("\n\n");
  const std::vector<std::vector<std::string>> lines = lines_of(table);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (const std::string& cell : lines[i]) {
      text.append("| ").append(cell).append(" ");
    }
    text += "|\n";
    if (i == 0) {
      for (std::size_t column = 0; column < lines[0].size(); ++column) {
        text += column == 0 ? "|---" : "|---:";
      }
      text += "|\n";
    }
  }
  text += "\n";
}

/// A line of a model card's front matter for each thing that the original's card says of its licence.
std::string license_lines(const Json& report) {
  std::string lines;
  for (const char* key : {"license", "license_name", "license_link"}) {
    const std::string value = text_at(report, {"model", key}, "");
    if (!value.empty()) {
      lines.append(key).append(": ").append(compact_json(value)).append("\n");
    }
  }
  return lines;
}

/// What else of the original's folder lies here, and its terms.
std::string companions_text(const Json& report) {
  std::string names;
  const Json& copied = member_at(report, {"copied_files"});
  for (const Json& name : copied.is_array() ? copied : Json::array()) {
    names.append(names.empty() ? "`" : ", `")
        .append(name.is_string() ? name.get<std::string>() : "")
        .append("`");
  }
  const std::string license =
      text_at(report, {"model", "license_name"}, text_at(report, {"model", "license"}, ""));
  std::string text = "The licence is that of the original model";
  text.append(license.empty() ? "" : ", " + license).append(".");
  return names.empty() ? text : text.append(" Copied from it as they are: ").append(names).append(".");
}

}  // namespace

std::string report_table(const std::string& report_json, const std::string& where) {
  const Json report = parse_json(report_json, where);
  std::string text;
  for (const ReportTable& table : report_tables(report)) {
    text.append(text.empty() ? "" : "\n").append(text_table(lines_of(table)));
  }
  for (const std::string& warning : warnings_of(report)) {
    text.append("warning: ").append(warning).append("\n");
  }
  return text;
}

std::string model_card(const std::string& report_json, const std::string& where) {
  const Json report = parse_json(report_json, where);
  const std::string name = text_at(report, {"model", "name"}, "model");
  const std::string format = text_at(report, {"format"}, std::string(format_name(export_formats().front())));
  std::string text = "---\nlibrary_name: transformers\ntags: [compressed, cce]\n" + license_lines(report) +
                     "---\n\n# " + name + ", compressed\n\n";
  text += "Made by Contextual Compression Encoding (CCE) " + text_at(report, {"code_version"}, "") +
          " from `" + name + "` (" + text_at(report, {"model", "architecture"}, "unknown architecture") +
          "), export format `" + format + "`.\n\n";
  for (const ReportTable& table : report_tables(report)) {
    add_markdown_table(table, text);
  }
  const std::vector<std::string> warnings = warnings_of(report);
  if (!warnings.empty()) {
    text += "## Warnings\n\n";
    for (const std::string& warning : warnings) {
      text.append("- ").append(warning).append("\n");
    }
    text += "\n";
  }
  text += "## Loading\n\n" + std::string(rules_of(format_named(format, where + ": format")).loading_advice);
  text +=
      "\n`recipe.yaml` repeats the run; `report.json` and `report.html` hold every figure, `plan.json` what "
      "each layer kept. ";
  return text + companions_text(report) + "\n";
}

}  // namespace cce
