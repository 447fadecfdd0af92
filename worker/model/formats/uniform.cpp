#include "worker/model/companion_files.h"
#include "worker/model/formats/format_writer.h"

namespace cce {

/// A folder that the family's own class in transformers loads.
FormatWriter uniform_writer() {
  return {.stored_dtype = stored_as_asked,
          .companions = companion_files,
          .write = write_hugging_face,
          .read_back = read_hugging_face};
}

}  // namespace cce
