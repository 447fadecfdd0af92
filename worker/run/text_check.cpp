#include "worker/run/text_check.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "common/base/error_json.h"
#include "common/model/checkpoint/checkpoint_files.h"
#include "worker/text/job_texts.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

/// A folder for the token files, gone when this goes.
class ScratchTexts {
 public:
  ScratchTexts() {
    std::string pattern = (fs::temp_directory_path() / "cce-texts-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw Error{.code = ErrorCode::io_failure, .where = pattern, .found = "no folder can be made"};
    }
    path_ = pattern;
  }
  ScratchTexts(const ScratchTexts&) = delete;
  ScratchTexts& operator=(const ScratchTexts&) = delete;
  ~ScratchTexts() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

void prepare_texts_of(const std::string& spec_path) {
  PosixFileSystem files;
  const JobSpec spec = parse_job_spec(files.read_text(spec_path, std::int64_t{1} << 30), spec_path);
  const CheckpointFiles model = CheckpointFiles::open(files, spec.model);
  const ScratchTexts scratch;
  JobTexts(files, spec, model.config().vocabulary_size, scratch.path(), [](const std::string&) {}).prepare();
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
