#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/recipe/job_spec.h"

namespace cce {

class FileSystem;
class Tokenizer;

/// Consecutive windows of `length` tokens, window i = tokens [i length, (i + 1) length) of this object.
class TextWindows {
 public:
  TextWindows(std::vector<std::int32_t> tokens, std::int64_t length);
  std::int64_t length() const { return length_; }
  std::int64_t count() const { return static_cast<std::int64_t>(tokens_.size()) / length_; }
  /// Errors: out_of_range unless 0 ≤ index < count().
  std::span<const std::int32_t> window(std::int64_t index) const;
  /// Tokens held, those after the last whole window included.
  std::int64_t tokens() const { return static_cast<std::int64_t>(tokens_.size()); }
  /// Windows [first, last), copied; 0 ≤ first ≤ last ≤ count().
  TextWindows slice(std::int64_t first, std::int64_t last) const;

 private:
  std::vector<std::int32_t> tokens_;
  std::int64_t length_;
};

/// All token ids of a text file. By the name's end, in small or capital letters:
///   .txt .text .md .tokens .raw   one UTF-8 text, the whole file; "\r\n" and "\r" read as "\n"
///   .jsonl                        one {"text": ...} a line, other keys not used; texts are joined by "\n\n"
///   .u16 .u32                     token ids, little-endian, no header
/// `tokenizer` may be null for token files only. Ids must be < vocabulary_size, the model's.
/// Errors: missing_file; unsupported for other names (a .csv for instance) and for text without a tokenizer;
/// malformed_file with line or byte offset; out_of_range with the position of an id that the model lacks.
std::vector<std::int32_t> read_tokens(const FileSystem& files, const std::string& path,
                                      const Tokenizer* tokenizer, std::int64_t vocabulary_size);

/// Whether read_tokens wants a tokenizer for a file of this name. Errors: unsupported.
bool needs_tokenizer(const std::string& path);

/// Cuts the file's tokens into windows from its start (a rest shorter than `length` is not used) and returns
/// the selection [source.first, source.last), negative numbers counting from the end: first = -48 is the
/// last 48. Errors: those of read_tokens; text_too_short, with the tokens there are and the tokens needed,
/// when there is not one window or the selection reaches past what there is; out_of_range for an empty
/// selection or length < 1.
TextWindows read_text_windows(const FileSystem& files, const TextSource& source, std::int64_t length,
                              const Tokenizer* tokenizer, std::int64_t vocabulary_size);

}  // namespace cce
