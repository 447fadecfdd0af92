#pragma once

namespace cce {

/// What a result can be written as: a row of formats.def. Only the files of the formats, here and in
/// worker/model/formats, look at the values; all else asks rules_of (format.h).
enum class ExportFormat {
#define CCE_EXPORT_FORMAT(name) name,
#include "common/model/formats/formats.def"
#undef CCE_EXPORT_FORMAT
};

}  // namespace cce
