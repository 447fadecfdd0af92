#include "worker/model/formats/format_writer.h"

namespace cce {

/// A folder that the family's own class in transformers loads.
FormatWriter uniform_writer() {
  return {.stored_dtype = stored_as_asked, .write = write_hugging_face, .read_back = read_hugging_face};
}

}  // namespace cce
