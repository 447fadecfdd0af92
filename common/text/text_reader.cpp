#include "common/text/text_reader.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "common/base/utf8.h"
#include "common/text/byte_source.h"
#include "common/text/text_format.h"
#include "common/text/text_record.h"
#include "common/text/token_file.h"

namespace cce {
namespace {

constexpr std::size_t block_bytes = std::size_t{1} << 18U;
constexpr std::size_t longest_line_bytes = std::size_t{1} << 30U;
constexpr std::string_view between_documents = "\n\n";

[[noreturn]] void refuse_not_utf8(const std::string& path, std::int64_t byte) {
  throw Error{.code = ErrorCode::malformed_file,
              .where = path + ", byte " + std::to_string(byte),
              .found = "bytes that are not UTF-8",
              .expected = "UTF-8",
              .remedy = "Convert the text, for example with iconv -t UTF-8"};
}

[[noreturn]] void refuse_for_script(const std::string& where, const std::string& found) {
  throw Error{.code = ErrorCode::unsupported,
              .where = where,
              .found = found,
              .expected = "a text, or records with one",
              .remedy = "Tokenize with scripts/tokenize.py and pass the token file as text"};
}

/// "\r\n" and a lone "\r" end a line as "\n" does: what a text file's reader in Python sees, and so what
/// perplexities of such files are quoted for. The text comes in parts.
class UnixLineEnds {
 public:
  std::string convert(std::string_view part) {
    std::string result;
    result.reserve(part.size());
    for (const char letter : part) {
      if (letter == '\r') {
        result += '\n';
      } else if (letter != '\n' || !after_return_) {
        result += letter;
      }
      after_return_ = letter == '\r';
    }
    return result;
  }

 private:
  bool after_return_ = false;
};

/// One text after another, joined, until the sink wants no more.
class Joiner {
 public:
  explicit Joiner(const TextSink& sink) : sink_(sink) {}
  bool begin_document() { return std::exchange(begun_, true) ? sink_(between_documents) : true; }
  bool add(std::string_view part) { return part.empty() || sink_(part); }

 private:
  const TextSink& sink_;
  bool begun_ = false;
};

bool read_plain(const std::string& path, TextCompression compression, Joiner& joiner) {
  if (!joiner.begin_document()) return false;
  const std::unique_ptr<ByteSource> bytes = open_bytes(path, compression);
  std::string block(block_bytes, '\0');
  std::size_t held = 0;  // the front of a code point that the block before broke off
  std::int64_t offset = 0;
  UnixLineEnds line_ends;
  while (true) {
    const std::size_t read = bytes->read(std::span(block).subspan(held));
    const std::string_view text = std::string_view(block).substr(0, held + read);
    const bool ends = text.size() < block.size();
    const std::size_t valid = first_invalid_utf8(text).value_or(text.size());
    const bool broken_off = !ends && text.size() - valid < longest_utf8_bytes;
    if (valid < text.size() && !broken_off) refuse_not_utf8(path, offset + static_cast<std::int64_t>(valid));
    if (!joiner.add(line_ends.convert(text.substr(0, valid)))) return false;
    if (ends) return true;
    held = text.size() - valid;
    offset += static_cast<std::int64_t>(valid);
    std::copy(block.end() - static_cast<std::ptrdiff_t>(held), block.end(), block.begin());
  }
}

/// Lines of a file, without what ends them.
class LineReader {
 public:
  LineReader(const std::string& path, TextCompression compression)
      : path_(path), bytes_(open_bytes(path, compression)), block_(block_bytes, '\0') {}

  std::optional<std::string> next() {
    std::string line;
    while (true) {
      const std::size_t end = block_.find('\n', begin_);
      if (end < size_) {
        line.append(block_, begin_, end - begin_);
        begin_ = end + 1;
        return line;
      }
      line.append(block_, begin_, size_ - begin_);
      if (line.size() > longest_line_bytes) refuse_long_line();
      begin_ = 0;
      size_ = ended_ ? 0 : bytes_->read(block_);
      ended_ = size_ < block_.size();
      if (size_ == 0) return line.empty() ? std::nullopt : std::optional(std::move(line));
    }
  }

 private:
  [[noreturn]] void refuse_long_line() const {
    throw Error{.code = ErrorCode::malformed_file,
                .where = path_,
                .found = "a line of more than 1 GiB",
                .expected = "a record a line",
                .remedy = "Write every record on a line of its own"};
  }

  std::string path_;
  std::unique_ptr<ByteSource> bytes_;
  std::string block_;
  std::size_t begin_ = 0, size_ = 0;
  bool ended_ = false;
};

/// Calls `visit` for every record until it says false.
template <typename Visit>
bool visit_records(const std::string& path, TextCompression compression, const std::string& text_key,
                   Visit visit) {
  LineReader lines(path, compression);
  std::int64_t number = 0;
  while (const std::optional<std::string> line = lines.next()) {
    ++number;
    if (line->find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = path + ", line " + std::to_string(number);
    if (!visit(parse_text_record(*line, text_key, where), where)) return false;
  }
  return true;
}

bool read_records(const std::string& path, TextCompression compression, const std::string& text_key,
                  Joiner& joiner, TextFacts& facts) {
  return visit_records(path, compression, text_key, [&](const TextRecord& record, const std::string& where) {
    ++facts.records;
    if (record.kind == TextRecord::Kind::chat) refuse_for_script(where, "a chat");
    if (record.kind == TextRecord::Kind::text) return joiner.begin_document() && joiner.add(record.text);
    ++facts.skipped;
    return true;
  });
}

}  // namespace

TextFacts read_text(const FileSystem& files, const TextSource& source, const TextSink& sink) {
  TextFacts facts;
  Joiner joiner(sink);
  for (const std::string& path : text_files_of(files, source.path)) {
    const TextFormat format = text_format_of(path);
    bool more = true;
    if (format.kind == TextKind::plain) {
      more = read_plain(path, format.compression, joiner);
    } else if (format.kind == TextKind::json_lines) {
      more = read_records(path, format.compression, source.text_key, joiner, facts);
    } else {
      refuse_for_script(path, format.is_tokens() ? "token ids" : "a table");
    }
    if (!more) break;
  }
  return facts;
}

TextNeeds check_text_source(const FileSystem& files, const TextSource& source) {
  TextNeeds needs;
  for (const std::string& path : text_files_of(files, source.path)) {
    const TextFormat format = text_format_of(path);
    needs.tokenizer = needs.tokenizer || !format.is_tokens();
    needs.script = needs.script || format.kind == TextKind::parquet;
    if (format.kind == TextKind::plain) {
      const TextSink stop_at_once = [](std::string_view) { return false; };
      Joiner joiner(stop_at_once);
      read_plain(path, format.compression, joiner);
    } else if (format.kind == TextKind::json_lines) {
      visit_records(path, format.compression, source.text_key,
                    [&](const TextRecord& record, const std::string&) {
                      needs.script = needs.script || record.kind == TextRecord::Kind::chat;
                      return record.kind == TextRecord::Kind::nothing;
                    });
    } else if (format.is_tokens()) {
      TokenFile::open(files, path);
    }
  }
  return needs;
}

}  // namespace cce
