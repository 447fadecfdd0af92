#include "coordinator/page/report_table.h"

#include <vector>

#include "common/base/number_format.h"
#include "coordinator/page/report_rows.h"
#include "coordinator/page/text_table.h"

namespace cce {
namespace {

std::string text_at(const Json& report, std::initializer_list<const char*> path,
                    const std::string& otherwise) {
  const Json& value = member_at(report, path);
  return value.is_string() ? value.get<std::string>() : otherwise;
}

bool any_after(const std::vector<ReportRow>& rows) {
  for (const ReportRow& row : rows) {
    if (!row.after.empty()) {
      return true;
    }
  }
  return false;
}

/// "## NAME" tables of Markdown: header, then rows.
void add_markdown_table(const std::vector<std::vector<std::string>>& rows, std::string& text) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (const std::string& cell : rows[i]) {
      text.append("| ").append(cell).append(" ");
    }
    text += "|\n";
    if (i == 0) {
      for (std::size_t column = 0; column < rows[0].size(); ++column) {
        text += column == 0 ? "|---" : "|---:";
      }
      text += "|\n";
    }
  }
}

std::vector<std::vector<std::string>> cells(const std::vector<ReportRow>& rows) {
  const bool two_models = any_after(rows);
  std::vector<std::vector<std::string>> table;
  table.push_back(two_models ? std::vector<std::string>{"", "before", "after", "change"}
                             : std::vector<std::string>{"", "value"});
  for (const ReportRow& row : rows) {
    table.push_back(two_models ? std::vector<std::string>{row.name, row.before, row.after, row.change}
                               : std::vector<std::string>{row.name, row.before});
  }
  return table;
}

std::string loading_advice(const std::string& format) {
  if (format == "custom") {
    return "The folder brings its own modelling code, so loading needs consent:\n\n```python\nfrom "
           "transformers import "
           "AutoModelForCausalLM\nmodel = AutoModelForCausalLM.from_pretrained(\"PATH\", "
           "trust_remote_code=True)\n```\n";
  }
  return "A plain checkpoint; nothing of this project is needed to load it:\n\n```python\nfrom transformers "
         "import "
         "AutoModelForCausalLM\nmodel = AutoModelForCausalLM.from_pretrained(\"PATH\")\n```\n";
}

}  // namespace

std::string report_table(const std::string& report_json, const std::string& where) {
  const Json report = parse_json(report_json, where);
  std::string text;
  const std::vector<ReportRow> rows = before_after_rows(report);
  if (!rows.empty()) {
    text += text_table(cells(rows));
  }
  const std::vector<SignatureRow> signatures = signature_rows(report);
  if (!signatures.empty()) {
    std::vector<std::vector<std::string>> table{{"signature", "value", "limit", ""}};
    for (const SignatureRow& row : signatures) {
      table.push_back({row.name, row.value, row.limit, row.ok ? "ok" : "past limit"});
    }
    text.append("\n").append(text_table(table));
  }
  for (const std::string& warning : warnings_of(report)) {
    text.append("warning: ").append(warning).append("\n");
  }
  return text;
}

std::string model_card(const std::string& report_json, const std::string& where) {
  const Json report = parse_json(report_json, where);
  const std::string name = text_at(report, {"model", "name"}, "model");
  const std::string format = text_at(report, {"format"}, "uniform");
  std::string text =
      "---\nlibrary_name: transformers\ntags: [compressed, cce]\n---\n\n# " + name + ", compressed\n\n";
  text += "Made by Contextual Compression Encoding (CCE) " + text_at(report, {"code_version"}, "") +
          " from `" + name + "` (" + text_at(report, {"model", "architecture"}, "unknown architecture") +
          "), export format `" + format + "`.\n\n## Before and after\n\n";
  add_markdown_table(cells(before_after_rows(report)), text);
  const std::vector<SignatureRow> signatures = signature_rows(report);
  if (!signatures.empty()) {
    std::vector<std::vector<std::string>> table{{"failure signature", "value", "limit", ""}};
    for (const SignatureRow& row : signatures) {
      table.push_back({row.name, row.value, row.limit, row.ok ? "ok" : "passed its limit"});
    }
    text += "\n";
    add_markdown_table(table, text);
  }
  const std::vector<std::string> warnings = warnings_of(report);
  if (!warnings.empty()) {
    text += "\n## Warnings\n\n";
    for (const std::string& warning : warnings) {
      text.append("- ").append(warning).append("\n");
    }
  }
  text += "\n## Loading\n\n" + loading_advice(format);
  text +=
      "\n`recipe.yaml` repeats the run; `report.json` and `report.html` hold every figure, `plan.json` what "
      "each layer "
      "kept. The licence is that of the original model.\n";
  return text;
}

}  // namespace cce
