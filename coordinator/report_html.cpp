#include "coordinator/report_html.h"

#include "coordinator/report_rows.h"

namespace cce {

std::string report_html(const std::string& report_json, const std::string& where) {
  const Json report = parse_json(report_json, where);
  return "<!doctype html><pre>" + std::to_string(report.size()) + "</pre>\n";
}

}  // namespace cce
