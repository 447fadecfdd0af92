#pragma once
#include <string>
#include <vector>

#include "common/base/file.h"

namespace cce {

enum class TextKind {
  plain,       ///< one text, the whole file
  json_lines,  ///< a record a line
  tokens_16,   ///< token ids, little-endian, two bytes each
  tokens_32,   ///< the same, four bytes each
  parquet,     ///< a table of records
};
enum class TextCompression { none, gzip, zstd };

struct TextFormat {
  TextKind kind = TextKind::plain;
  TextCompression compression = TextCompression::none;

  bool is_tokens() const { return kind == TextKind::tokens_16 || kind == TextKind::tokens_32; }
};

/// What a file holds, by the end of its name in small or capital letters: .txt .text .md .tokens .raw, .jsonl,
/// .u16 .u32, .parquet; of texts and lines also with .gz or .zst behind. Errors: unsupported for other names
/// (a .csv for instance).
TextFormat text_format_of(const std::string& path);

/// The files of a text: itself, or those of a folder, sorted by name, names that begin with a dot left out.
/// Errors: missing_file; unsupported for a folder with a file that is no text, and for one that holds none.
std::vector<std::string> text_files_of(const FileSystem& files, const std::string& path);

}  // namespace cce
