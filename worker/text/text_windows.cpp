#include "worker/text/text_windows.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string_view>

#include "common/base/error.h"
#include "common/base/file.h"
#include "common/base/json_reader.h"
#include "worker/text/tokenizer.h"

namespace cce {
namespace {

enum class TextKind { plain, json_lines, tokens_16, tokens_32 };

TextKind kind_of(const std::string& path) {
  std::string ending = std::filesystem::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  for (const char* plain : {".txt", ".text", ".md", ".tokens", ".raw"}) {
    if (ending == plain) return TextKind::plain;
  }
  if (ending == ".jsonl") return TextKind::json_lines;
  if (ending == ".u16") return TextKind::tokens_16;
  if (ending == ".u32") return TextKind::tokens_32;
  throw Error{
      .code = ErrorCode::unsupported,
      .where = path,
      .found = ending.empty() ? "a name without an ending" : "a " + ending + " file",
      .expected = ".txt, .jsonl, .tokens.u16 or .tokens.u32",
      .remedy = "Write the text itself to a .txt file, or one {\"text\": ...} a line to a .jsonl file"};
}

void check_exists(const FileSystem& files, const std::string& path) {
  if (files.exists(path) && !files.is_directory(path)) return;
  throw Error{.code = ErrorCode::missing_file,
              .where = path,
              .found = files.exists(path) ? "a folder" : "no such file",
              .expected = "a text or token file",
              .remedy = "Check the path"};
}

std::string join_documents(const std::string& content, const std::string& path) {
  std::string joined;
  std::int64_t line_number = 0;
  bool first = true;
  for (std::size_t begin = 0; begin < content.size();) {
    const std::size_t end = std::min(content.find('\n', begin), content.size());
    const std::string_view line = std::string_view(content).substr(begin, end - begin);
    begin = end + 1;
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string where = path + ", line " + std::to_string(line_number);
    const Json document = parse_json(line, where);
    if (!first) joined += "\n\n";
    first = false;
    joined += JsonReader(document, where).required("text").text();
  }
  return joined;
}

std::vector<std::int32_t> decode_ids(std::span<const std::byte> bytes, std::size_t width,
                                     const std::string& path) {
  if (bytes.size() % width != 0) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = path,
                .found = std::to_string(bytes.size()) + " bytes",
                .expected = "a multiple of " + std::to_string(width) + " bytes (one id each)",
                .remedy = "Write the token file again, or give it the ending of its width (.u16, .u32)"};
  }
  std::vector<std::int32_t> ids(bytes.size() / width);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::uint32_t id = 0;
    for (std::size_t byte = 0; byte < width; ++byte) {
      id |= static_cast<std::uint32_t>(bytes[i * width + byte]) << (8 * byte);
    }
    ids[i] = static_cast<std::int32_t>(id);
  }
  return ids;
}

void check_ids(const std::vector<std::int32_t>& ids, std::int64_t vocabulary_size, const std::string& path) {
  const auto wrong =
      std::find_if(ids.begin(), ids.end(), [&](std::int32_t id) { return id < 0 || id >= vocabulary_size; });
  if (wrong == ids.end()) return;
  throw Error{.code = ErrorCode::out_of_range,
              .where = path + ", token " + std::to_string(wrong - ids.begin()),
              .found = std::to_string(static_cast<std::uint32_t>(*wrong)),
              .expected = "an id below the model's vocabulary of " + std::to_string(vocabulary_size),
              .remedy = "Tokenize the text with the tokenizer of this model"};
}

struct Selection {
  std::int64_t begin, end;
};

[[noreturn]] void throw_too_short(const std::string& path, std::int64_t tokens, std::int64_t length,
                                  std::int64_t windows) {
  throw Error{.code = ErrorCode::text_too_short,
              .where = path,
              .found = std::to_string(tokens) + " tokens",
              .expected = "at least " + std::to_string(windows * length) + " tokens (" +
                          std::to_string(windows) + (windows == 1 ? " window of " : " windows of ") +
                          std::to_string(length) + ")",
              .remedy = "Use a longer text, fewer windows or a smaller calibration.length"};
}

Selection select_windows(const TextSource& source, std::int64_t length, std::int64_t tokens) {
  const std::int64_t count = tokens / length;
  const std::int64_t last = source.last.value_or(count);
  // From the start to a place counted from the end: one window at least between the two.
  const bool spans = source.first >= 0 && last < 0;
  const std::int64_t needed = std::max({std::int64_t{1}, -source.first, source.last.value_or(1),
                                        -source.last.value_or(-1), spans ? source.first - last + 1 : 1});
  if (needed > count) throw_too_short(source.path, tokens, length, needed);
  const Selection selection{source.first < 0 ? source.first + count : source.first,
                            last < 0 ? last + count : last};
  if (selection.begin < selection.end) return selection;
  throw Error{.code = ErrorCode::out_of_range,
              .where = source.path + ", windows " + std::to_string(source.first) + ":" +
                       (source.last ? std::to_string(*source.last) : ""),
              .found = "an empty selection of " + std::to_string(count) + " windows",
              .expected = "first < last, negative numbers counting from the end",
              .remedy = "Choose windows within the text"};
}

/// "\r\n" and a lone "\r" end a line as "\n" does: what a text file's reader in Python sees, and so what
/// perplexities of such files are quoted for.
std::string with_unix_line_ends(const std::string& text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      result += text[i];
    } else if (i + 1 == text.size() || text[i + 1] != '\n') {
      result += '\n';
    }
  }
  return result;
}

}  // namespace

TextWindows::TextWindows(std::vector<std::int32_t> tokens, std::int64_t length)
    : tokens_(std::move(tokens)), length_(length) {
  if (length_ >= 1) return;
  throw Error{.code = ErrorCode::out_of_range,
              .where = "window length",
              .found = std::to_string(length_),
              .expected = "at least 1 token",
              .remedy = "Set calibration.length"};
}

std::span<const std::int32_t> TextWindows::window(std::int64_t index) const {
  if (index < 0 || index >= count()) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "window index",
                .found = std::to_string(index),
                .expected = "from 0 to " + std::to_string(count() - 1),
                .remedy = "Report this: it is a bug."};
  }
  return std::span(tokens_).subspan(static_cast<std::size_t>(index * length_),
                                    static_cast<std::size_t>(length_));
}

TextWindows TextWindows::slice(std::int64_t first, std::int64_t last) const {
  return {{tokens_.begin() + first * length_, tokens_.begin() + last * length_}, length_};
}

bool needs_tokenizer(const std::string& path) {
  const TextKind kind = kind_of(path);
  return kind == TextKind::plain || kind == TextKind::json_lines;
}

std::vector<std::int32_t> read_tokens(const FileSystem& files, const std::string& path,
                                      const Tokenizer* tokenizer, std::int64_t vocabulary_size) {
  const TextKind kind = kind_of(path);
  check_exists(files, path);
  std::vector<std::int32_t> ids;
  if (kind == TextKind::tokens_16 || kind == TextKind::tokens_32) {
    ids = decode_ids(files.map_readonly(path).bytes(), kind == TextKind::tokens_16 ? 2 : 4, path);
  } else if (tokenizer == nullptr) {
    throw Error{.code = ErrorCode::unsupported,
                .where = path,
                .found = "a text, and a model without a byte-level BPE tokenizer.json",
                .expected = "a token file (.tokens.u16, .tokens.u32)",
                .remedy = "Tokenize with scripts/tokenize.py and pass the token file as text"};
  } else {
    const std::string content = files.read_text(path);
    ids = tokenizer->encode(
        kind == TextKind::plain ? with_unix_line_ends(content) : join_documents(content, path), path);
  }
  check_ids(ids, vocabulary_size, path);
  return ids;
}

TextWindows read_text_windows(const FileSystem& files, const TextSource& source, std::int64_t length,
                              const Tokenizer* tokenizer, std::int64_t vocabulary_size) {
  const TextWindows whole(read_tokens(files, source.path, tokenizer, vocabulary_size), length);
  const Selection selection = select_windows(source, length, whole.tokens());
  return whole.slice(selection.begin, selection.end);
}

}  // namespace cce
