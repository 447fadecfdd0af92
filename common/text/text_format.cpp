#include "common/text/text_format.h"

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "common/base/error.h"

namespace cce {
namespace {

std::string small_letters(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return text;
}

[[noreturn]] void refuse(const std::string& path, const std::string& ending) {
  throw Error{
      .code = ErrorCode::unsupported,
      .where = path,
      .found = ending.empty() ? "a name without an ending" : "a " + ending + " file",
      .expected =
          ".txt or .jsonl, also as .gz or .zst, .parquet, .tokens.u16 or .tokens.u32, or a "
          "folder of them",
      .remedy = "Write the text itself to a .txt file, or one {\"text\": ...} a line to a .jsonl file"};
}

}  // namespace

TextFormat text_format_of(const std::string& path) {
  std::filesystem::path name = small_letters(std::filesystem::path(path).filename().string());
  const std::string whole_ending = name.extension().string();
  TextFormat format;
  if (whole_ending == ".gz") format.compression = TextCompression::gzip;
  if (whole_ending == ".zst") format.compression = TextCompression::zstd;
  if (format.compression != TextCompression::none) name.replace_extension();
  const std::string ending = name.extension().string();
  for (const char* plain : {".txt", ".text", ".md", ".tokens", ".raw"}) {
    if (ending == plain) return format;
  }
  format.kind = TextKind::json_lines;
  if (ending == ".jsonl") return format;
  if (format.compression != TextCompression::none) refuse(path, ending + whole_ending);
  if (ending == ".u16") return {.kind = TextKind::tokens_16};
  if (ending == ".u32") return {.kind = TextKind::tokens_32};
  if (ending == ".parquet") return {.kind = TextKind::parquet};
  refuse(path, ending);
}

std::vector<std::string> text_files_of(const FileSystem& files, const std::string& path) {
  if (!files.exists(path)) {
    throw Error{.code = ErrorCode::missing_file,
                .where = path,
                .found = "no such file",
                .expected = "a text or token file, or a folder of texts",
                .remedy = "Check the path"};
  }
  if (!files.is_directory(path)) return {path};
  std::vector<std::string> members;
  for (const std::string& name : files.list(path)) {
    const std::string member = (std::filesystem::path(path) / name).string();
    if (name.starts_with('.')) continue;
    if (files.is_directory(member) || text_format_of(member).is_tokens()) {
      throw Error{.code = ErrorCode::unsupported,
                  .where = member,
                  .found = files.is_directory(member) ? "a folder" : "a token file",
                  .expected = "text files alone in a folder that is given as a text",
                  .remedy = "Name the files one by one in the recipe"};
    }
    members.push_back(member);
  }
  if (!members.empty()) return members;
  throw Error{.code = ErrorCode::missing_file,
              .where = path,
              .found = "a folder without a text",
              .expected = "a text or token file, or a folder of texts",
              .remedy = "Check the path"};
}

}  // namespace cce
