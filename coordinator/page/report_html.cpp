#include "coordinator/page/report_html.h"

#include <vector>

#include "coordinator/page/dashboard_files.h"
#include "coordinator/page/page_words.h"
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

void add_cell(const char* tag, const std::string& text, const std::string& style, std::string& page) {
  page.append("<").append(tag);
  if (!style.empty()) {
    page.append(" class=\"").append(style).append("\"");
  }
  page.append(">").append(escaped(text)).append("</").append(tag).append(">");
}

void add_table(const ReportTable& table, std::string& page) {
  page.append("<section id=\"").append(table.id).append("\"><h2>").append(escaped(table.title));
  page += "</h2><div class=\"scroll\" tabindex=\"0\"><table><thead><tr>";
  for (const std::string& name : table.head) {
    add_cell("th", name, "", page);
  }
  page += "</tr></thead><tbody>";
  for (const std::vector<TableCell>& row : table.rows) {
    page += "<tr>";
    for (const TableCell& cell : row) {
      add_cell("td", cell.text, cell.style, page);
    }
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
  for (const ReportTable& table : report_tables(report)) {
    add_table(table, page);
  }
  add_warnings(report, page);
  page += "<div id=\"charts\"></div>\n";
  page.append("<script type=\"application/json\" id=\"report\">")
      .append(embedded(report))
      .append("</script>\n");
  page.append("<script>\n").append(words_script()).append("</script>\n");
  page.append("<script>\n").append(charts_script()).append("</script>\n");
  page.append("<script>\n").append(report_script()).append("</script>\n");
  page.append("<script>\n").append(report_page_script()).append("</script>\n</body>\n</html>\n");
  return page;
}

}  // namespace cce
