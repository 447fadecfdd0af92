#include "coordinator/run/text_check.h"

#include <cstdlib>
#include <string>

#include "common/base/error_json.h"
#include "common/base/file.h"
#include "coordinator/system/process.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

/// What the worker says is wrong; nothing where it says nothing, or nothing that can be read.
std::optional<Error> ask_worker(const fs::path& worker, const fs::path& spec_path, double deadline_seconds) {
  try {
    const ProgramResult result =
        run_to_end({worker.string(), "--check-texts", spec_path.string()}, {}, deadline_seconds);
    if (result.succeeded() || result.output.empty()) {
      return std::nullopt;
    }
    const std::string where = "cce-worker --check-texts";
    return read_error(parse_json(result.output, where), where);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

void check_texts(const fs::path& worker, const JobSpec& spec, double deadline_seconds) {
  std::string folder = (fs::temp_directory_path() / "cce-check-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) {
    return;
  }
  PosixFileSystem files;
  std::optional<Error> found;
  try {
    files.write_atomic(fs::path(folder) / "spec.json", to_json(spec));
    found = ask_worker(worker, fs::path(folder) / "spec.json", deadline_seconds);
  } catch (const Error&) {  // no room for it, perhaps
    found.reset();
  }
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  if (found && error_row(found->code).kind == ErrorKind::bad_input) {
    throw Error(*found);
  }
}

}  // namespace cce
