#include "coordinator/page/report_html.h"

#include <algorithm>
#include <vector>

#include "coordinator/page/dashboard_files.h"
#include "coordinator/page/report_rows.h"

namespace cce {
namespace {

std::string escaped(const std::string& text) {
  std::string result;
  for (const char character : text) {
    switch (character) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += character;
    }
  }
  return result;
}

/// JSON that can stand inside a script element: no "</script>", no "<!--".
std::string embedded(const Json& report) {
  std::string text = report.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (std::size_t at = text.find('<'); at != std::string::npos; at = text.find('<', at)) {
    text.replace(at, 1, "\\u003c");
  }
  return text;
}

void add_cell(const char* tag, const std::string& text, const char* style, std::string& page) {
  page.append("<").append(tag);
  if (*style != '\0') {
    page.append(" class=\"").append(style).append("\"");
  }
  page.append(">").append(escaped(text)).append("</").append(tag).append(">");
}

void add_header(const std::vector<std::string>& names, std::string& page) {
  page += "<thead><tr>";
  for (const std::string& name : names) {
    add_cell("th", name, "", page);
  }
  page += "</tr></thead>";
}

void add_before_after(const Json& report, std::string& page) {
  const std::vector<ReportRow> rows = before_after_rows(report);
  if (rows.empty()) {
    return;
  }
  page += "<section><h2>Before and after</h2><div class=\"scroll\" tabindex=\"0\"><table>";
  add_header({"", "before", "after", "change"}, page);
  page += "<tbody>";
  for (const ReportRow& row : rows) {
    page += "<tr>";
    for (const std::string& cell : {row.name, row.before, row.after, row.change}) {
      add_cell("td", cell, "", page);
    }
    page += "</tr>\n";
  }
  page += "</tbody></table></div></section>\n";
}

/// "position_drift" as people write it.
std::string spaced(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

void add_signatures(const Json& report, std::string& page) {
  const std::vector<SignatureRow> rows = signature_rows(report);
  if (rows.empty()) {
    return;
  }
  page += "<section><h2>Failure signatures</h2><div class=\"scroll\" tabindex=\"0\"><table>";
  add_header({"", "value", "limit", ""}, page);
  page += "<tbody>";
  for (const SignatureRow& row : rows) {
    page += "<tr>";
    add_cell("td", spaced(row.name), "", page);
    add_cell("td", row.value, "", page);
    add_cell("td", row.limit, "", page);
    add_cell("td", row.ok ? "ok" : "beyond limit", row.ok ? "ok" : "passed", page);
    page += "</tr>\n";
  }
  page += "</tbody></table></div></section>\n";
}

void add_warnings(const Json& report, std::string& page) {
  const std::vector<std::string> warnings = warnings_of(report);
  if (warnings.empty()) {
    return;
  }
  page += "<section><h2>Warnings</h2><ul>";
  for (const std::string& warning : warnings) {
    add_cell("li", warning, "", page);
  }
  page += "</ul></section>\n";
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.is_null() ? "" : value.dump();
}

/// "LlamaForCausalLM, 30 layers. Format uniform, 2 ranks, 63.1 s in all."
std::string summary(const Json& report) {
  std::string text = text_of(member_at(report, {"model", "architecture"}));
  const std::string layers = text_of(member_at(report, {"model", "layers"}));
  if (!layers.empty()) {
    text.append(text.empty() ? "" : ", ").append(layers).append(" layers");
  }
  for (const auto& [label, key] : {std::pair{"format ", "format"}, std::pair{"seed ", "seed"},
                                   std::pair{"ranks ", "ranks"}, std::pair{"version ", "code_version"}}) {
    const std::string value = text_of(member_at(report, {key}));
    if (!value.empty()) {
      text.append(text.empty() ? "" : ", ").append(label).append(value);
    }
  }
  const double seconds = total_seconds(report);
  if (seconds > 0.0) {
    text.append(text.empty() ? "" : ", ").append(short_duration(seconds)).append(" in all stages");
  }
  return text;
}

}  // namespace

std::string report_html(const std::string& report_json, const std::string& where) {
  const Json report = parse_json(report_json, where);
  const std::string name = text_of(member_at(report, {"model", "name"}));
  const std::string title = name.empty() ? "CCE report" : std::string(name).append(": CCE report");
  std::string page = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  page.append("<title>").append(escaped(title)).append("</title>\n<style>\n").append(style_sheet());
  page.append("</style>\n</head>\n<body>\n<h1>")
      .append(escaped(name.empty() ? "Report" : name))
      .append("</h1>\n");
  page.append("<p class=\"muted\">").append(escaped(summary(report))).append("</p>\n");
  add_before_after(report, page);
  add_signatures(report, page);
  add_warnings(report, page);
  page += "<div id=\"charts\"></div>\n";
  page.append("<script type=\"application/json\" id=\"report\">")
      .append(embedded(report))
      .append("</script>\n");
  page.append("<script>\n").append(charts_script()).append("</script>\n");
  page.append("<script>\n").append(report_script()).append("</script>\n");
  page.append("<script>\n").append(report_page_script()).append("</script>\n</body>\n</html>\n");
  return page;
}

}  // namespace cce
