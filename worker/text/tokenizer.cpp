#include "worker/text/tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/base/error.h"
#include "common/base/file.h"
#include "common/base/json_reader.h"
#include "common/base/utf8.h"
#include "worker/text/codec.h"

namespace cce {
namespace {

constexpr std::int64_t largest_file_bytes = std::int64_t{1} << 28;

/// Whether a text of a SentencePiece model begins with BOS: its model does not say.
bool adds_begin_token(const FileSystem& files, const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "tokenizer_config.json";
  if (!files.exists(path)) return false;
  const Json config = parse_json(files.read_text(path, largest_file_bytes), path.string());
  return JsonReader(config, path.string()).boolean_or("add_bos_token", false);
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<const TextCodec> codec) : codec_(std::move(codec)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::load(const FileSystem& files, const std::string& path) {
  std::filesystem::path file = path;
  if (files.is_directory(file)) {
    file /= "tokenizer.json";
    if (!files.exists(file)) file.replace_filename("tokenizer.model");
  }
  if (!files.exists(file)) {
    throw Error{.code = ErrorCode::missing_file,
                .where = file.replace_filename("tokenizer.json").string(),
                .found = "no such file, and no tokenizer.model",
                .expected = "a tokenizer",
                .remedy = "Tokenize with scripts/tokenize.py and pass the token file as text"};
  }
  const std::string content = files.read_text(file, largest_file_bytes);
  if (file.extension() == ".json") return parse(content, file.string());
  return Tokenizer(
      make_sentencepiece_codec(content, adds_begin_token(files, file.parent_path()), file.string()));
}

Tokenizer Tokenizer::parse(std::string_view json_text, const std::string& where) {
  return Tokenizer(make_json_codec(json_text, where));
}

std::unique_ptr<TokenStream> Tokenizer::stream() const {
  return codec_->stream();
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text, const std::string& where) const {
  if (const auto offset = first_invalid_utf8(text)) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = where + ", byte " + std::to_string(*offset),
                .found = "bytes that are not UTF-8",
                .expected = "UTF-8",
                .remedy = "Convert the text, for example with iconv -t UTF-8"};
  }
  std::vector<std::int32_t> ids;
  stream()->push(text, true, ids);
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  const auto negative = std::find_if(ids.begin(), ids.end(), [](std::int32_t id) { return id < 0; });
  if (negative != ids.end()) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "token id",
                .found = std::to_string(*negative),
                .expected = "an id, from 0",
                .remedy = "Use the tokenizer that belongs to the model"};
  }
  return codec_->decode(ids);
}

const std::vector<std::int32_t>& Tokenizer::begin_ids() const {
  return codec_->begin_ids();
}

std::int64_t Tokenizer::vocabulary_size() const {
  return codec_->vocabulary_size();
}

}  // namespace cce
