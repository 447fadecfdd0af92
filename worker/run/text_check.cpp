#include "worker/run/text_check.h"

#include <cstdio>
#include <filesystem>

#include "common/base/error_json.h"
#include "common/model/checkpoint/checkpoint_files.h"
#include "worker/text/job_texts.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

void prepare_texts_of(const std::string& spec_path) {
  PosixFileSystem files;
  const JobSpec spec = parse_job_spec(files.read_text(spec_path, std::int64_t{1} << 30), spec_path);
  const CheckpointFiles model = CheckpointFiles::open(files, spec.model);
  const fs::path scratch = fs::path(spec_path).parent_path() / "tokens";
  JobTexts(files, spec, model.config().vocabulary_size, scratch, [](const std::string&) {}).prepare();
}

}  // namespace

int check_texts(const std::string& spec_path) {
  try {
    prepare_texts_of(spec_path);
    return 0;
  } catch (const Error& error) {
    std::puts(compact_json(error_json(error)).c_str());
    return exit_code(error.code);
  }
}

}  // namespace cce
