#include "coordinator/run/text_check.h"

#include <cstdlib>
#include <string>
#include <variant>

#include "common/base/error_json.h"
#include "common/base/file.h"
#include "coordinator/system/process.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

/// A folder that goes when this goes.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern = (fs::temp_directory_path() / "cce-check-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      throw Error{.code = ErrorCode::io_failure,
                  .where = pattern,
                  .found = "no folder can be made",
                  .expected = {},
                  .remedy = "Set TMPDIR to a folder with room"};
    }
    path_ = pattern;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// What the worker says of the texts: that they are all right (true), what is wrong (an Error), or nothing (false).
std::variant<bool, Error> ask_worker(const fs::path& worker, const JobSpec& spec, double deadline_seconds) {
  try {
    const ScratchFolder scratch;
    const fs::path spec_path = scratch.path() / "spec.json";
    PosixFileSystem().write_atomic(spec_path, to_json(spec));
    const ProgramResult result =
        run_to_end({worker.string(), "--check-texts", spec_path.string()}, {}, deadline_seconds);
    if (result.succeeded() || result.output.empty()) {
      return result.succeeded();
    }
    const std::string where = "cce-worker --check-texts";
    return read_error(parse_json(result.output, where), where);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

bool texts_are_checked(const fs::path& worker, const JobSpec& spec, double deadline_seconds) {
  const std::variant<bool, Error> answer = ask_worker(worker, spec, deadline_seconds);
  const Error* found = std::get_if<Error>(&answer);
  if (found != nullptr && error_row(found->code).kind == ErrorKind::bad_input) {
    throw Error(*found);
  }
  return found == nullptr && std::get<bool>(answer);
}

}  // namespace cce
