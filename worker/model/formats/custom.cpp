#include "worker/model/companion_files.h"
#include "worker/model/formats/format_writer.h"
#include "worker/model/modeling_source.h"

namespace cce {
namespace {

void write(FileSystem& files, const std::filesystem::path& folder, const CheckpointContents& contents,
           const CheckpointWriteSettings& settings) {
  write_hugging_face(files, folder, contents, settings);
  write_text_file(files, folder / "modeling_cce.py", modeling_source());
}

}  // namespace

/// The same kind of folder with the modelling file that transformers runs.
FormatWriter custom_writer() {
  return {.stored_dtype = stored_as_asked,
          .companions = companion_files,
          .write = write,
          .read_back = read_hugging_face};
}

}  // namespace cce
