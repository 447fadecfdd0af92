#include "worker/model/formats/format_writer.h"

#include <array>

namespace cce {

#define CCE_EXPORT_FORMAT(name) FormatWriter name##_writer();
#include "common/model/formats/formats.def"
#undef CCE_EXPORT_FORMAT

const FormatWriter& writer_of(ExportFormat format) {
  static const std::array writers = {
#define CCE_EXPORT_FORMAT(name) name##_writer(),
#include "common/model/formats/formats.def"
#undef CCE_EXPORT_FORMAT
  };
  return writers.at(static_cast<std::size_t>(format));
}

DType stored_as_asked(PartKind, DType asked) {
  return asked;
}

ReadBack read_hugging_face(Backend& backend, const FileSystem& files, const std::filesystem::path& folder,
                           DType compute_dtype) {
  const auto checkpoint = std::make_shared<const Checkpoint>(Checkpoint::open(files, folder));
  return {.owner = checkpoint,
          .config = checkpoint->config(),
          .ends = checkpoint->end_weights(backend, compute_dtype),
          .layers = checkpoint_layers(backend, *checkpoint, compute_dtype),
          .tensor_bytes = checkpoint->tensor_bytes()};
}

}  // namespace cce
