#include "coordinator/forecast/format_check.h"

#include <filesystem>

#include "common/model/format_rules.h"
#include "common/model/formats/format.h"
#include "common/model/model_config.h"

namespace cce {

void check_format_files(const FileSystem& files, const JobSpec& spec) {
  if (!runs(spec, Stage::export_result)) {
    return;
  }
  const ExportFormat format = spec.export_settings.format;
  const std::filesystem::path folder = spec.model, config_file = folder / "config.json";
  const ModelConfig config = parse_model_config(files.read_text(config_file), config_file.string());
  check_representable(config, format);
  if (const FormatRules& rules = rules_of(format); rules.check_original != nullptr) {
    rules.check_original(files, folder, config);
  }
}

}  // namespace cce
