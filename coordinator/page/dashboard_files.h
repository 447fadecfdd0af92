#pragma once
#include <optional>
#include <string_view>

namespace cce {

/// The files of this folder as they were at build time. Alive for the whole program.
std::string_view style_sheet();
std::string_view charts_script();
std::string_view report_script();       ///< draws a report's parts; needs charts_script
std::string_view report_page_script();  ///< report.html's own: draws the embedded report; needs report_script

/// One file of the dashboard as a server hands it out. Alive for the whole program.
struct DashboardFile {
  std::string_view content;
  std::string_view content_type;
};

/// The dashboard's file at a request's path ("/", "/app.js", without a query), or nothing. These files are
/// static and public: they hold no data of any job.
std::optional<DashboardFile> dashboard_file(std::string_view path);

/// The Content-Security-Policy under which the page works: its own scripts, styles and requests, nothing
/// else.
std::string_view dashboard_security_policy();

}  // namespace cce
