#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "common/base/file.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// What was met in a text.
struct TextFacts {
  std::int64_t records = 0;  ///< of .jsonl files
  std::int64_t skipped = 0;  ///< of these, without text
};

/// Gets the text in parts, valid UTF-8 cut between code points; false: no more is wanted.
using TextSink = std::function<bool(std::string_view part)>;

/// Reads a text from front to back: of a .txt file all of it, "\r\n" and a lone "\r" read as "\n"; of a .jsonl
/// file the records' texts, joined by "\n\n"; of a folder its files, joined likewise. Memory: a block of 256
/// KiB, and a line of a .jsonl file. Errors: those of text_files_of, open_bytes and parse_text_record, with
/// the line; malformed_file with the byte where it stops being UTF-8; unsupported for what must go through
/// scripts/tokenize.py (needs_script).
TextFacts read_text(const FileSystem& files, const TextSource& source, const TextSink& sink);

/// Looks at the first record of each file, cheaply: what is wrong with a text that can be seen at once.
struct TextNeeds {
  bool tokenizer = false;  ///< text rather than token ids
  bool script = false;     ///< a chat or a table, which scripts/tokenize.py reads
};
/// Errors: those of read_text, except that what needs the script is no error.
TextNeeds check_text_source(const FileSystem& files, const TextSource& source);

}  // namespace cce
