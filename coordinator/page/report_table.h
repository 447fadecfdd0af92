#pragma once
#include <string>

namespace cce {

/// The before/after table of a report (report.json, docs/formats.md) for a terminal: parameters, bytes,
/// FLOPs per token, perplexity per text, tasks, failure signatures, warnings and the time taken. What the
/// report lacks is left out. Errors: malformed_file.
std::string report_table(const std::string& report_json, const std::string& where);

/// The model card: the same as Markdown, with the recipe and how to load the result.
std::string model_card(const std::string& report_json, const std::string& where);

}  // namespace cce
