#include "worker/text/tokenizer.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <unordered_map>
#include <utility>

#include "common/base/error.h"
#include "common/base/file.h"
#include "worker/text/added.h"
#include "worker/text/json.h"
#include "worker/text/models/byte_bpe.h"
#include "worker/text/split.h"
#include "worker/text/unicode.h"

namespace cce {
namespace {

std::vector<AddedToken> added_tokens_of(const TokenizerDefinition& definition, bool normalized,
                                        const std::optional<NfcNormalizer>& nfc) {
  std::vector<AddedToken> chosen;
  for (AddedToken token : definition.added_tokens) {
    if (token.normalized != normalized) continue;
    if (normalized && nfc) token.content = nfc->normalize(token.content);
    chosen.push_back(std::move(token));
  }
  return chosen;
}

// id → bytes: of the byte alphabet for the model's tokens, the (normalized) UTF-8 itself for added ones and
// for tokens with other characters.
std::vector<std::optional<std::string>> token_bytes_of(const TokenizerDefinition& definition,
                                                       const std::optional<NfcNormalizer>& nfc) {
  const ByteAlphabet alphabet;
  std::vector<std::optional<std::string>> token_bytes;
  const auto set = [&](std::int32_t id, std::string bytes) {
    const auto index = static_cast<std::size_t>(id);
    if (index >= token_bytes.size()) token_bytes.resize(index + 1);
    token_bytes[index] = std::move(bytes);
  };
  for (const auto& [token, id] : definition.model.vocabulary)
    set(id, alphabet.bytes_of(token).value_or(token));
  for (const bool normalized : {false, true}) {
    for (const AddedToken& token : added_tokens_of(definition, normalized, nfc)) set(token.id, token.content);
  }
  return token_bytes;
}

std::string read_tokenizer_json(const FileSystem& files, const std::filesystem::path& path) {
  if (files.exists(path)) return files.read_text(path);
  const bool sentence_piece = files.exists(path.parent_path() / "tokenizer.model");
  throw Error{.code = ErrorCode::missing_file,
              .where = path.string(),
              .found = sentence_piece ? "only a tokenizer.model (SentencePiece)" : "no such file",
              .expected = "a byte-level BPE tokenizer.json",
              .remedy = "Tokenize with scripts/tokenize.py and pass the token file as text"};
}

}  // namespace

struct Tokenizer::Parts {
  Parts(const TokenizerDefinition& definition, const std::string& where)
      : nfc(definition.normalize_nfc ? std::optional<NfcNormalizer>(std::in_place) : std::nullopt),
        added_before(added_tokens_of(definition, false, nfc)),
        added_after(added_tokens_of(definition, true, nfc)),
        splitter(definition.split_steps),
        model(definition.model, where),
        token_bytes(token_bytes_of(definition, nfc)) {}

  std::optional<NfcNormalizer> nfc;
  AddedTokenMatcher added_before, added_after;  ///< looked for before and after normalization
  TextSplitter splitter;
  BpeModel model;
  std::vector<std::optional<std::string>> token_bytes;
};

namespace {

/// Encodes words, remembering those already met in this text: most words of a text are repeats.
class WordEncoder {
 public:
  explicit WordEncoder(const BpeModel& model) : model_(model) {}

  void append(std::string_view word, std::vector<std::int32_t>& ids) {
    if (word.size() > longest_kept_bytes) return model_.encode_word(word, ids);
    const auto known = ranges_.find(word);
    if (known != ranges_.end()) {
      const auto [begin, end] = known->second;
      ids.insert(ids.end(), kept_ids_.begin() + begin, kept_ids_.begin() + end);
      return;
    }
    const auto begin = static_cast<std::ptrdiff_t>(kept_ids_.size());
    model_.encode_word(word, kept_ids_);
    ids.insert(ids.end(), kept_ids_.begin() + begin, kept_ids_.end());
    ranges_.emplace(std::string(word), std::pair(begin, static_cast<std::ptrdiff_t>(kept_ids_.size())));
  }

 private:
  struct ViewHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  static constexpr std::size_t longest_kept_bytes = 256;

  const BpeModel& model_;
  std::vector<std::int32_t> kept_ids_;
  std::unordered_map<std::string, std::pair<std::ptrdiff_t, std::ptrdiff_t>, ViewHash, std::equal_to<>>
      ranges_;
};

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Tokenizer::~Tokenizer() = default;
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;

Tokenizer Tokenizer::load(const FileSystem& files, const std::string& path) {
  std::filesystem::path file = path;
  if (files.is_directory(file)) file /= "tokenizer.json";
  return parse(read_tokenizer_json(files, file), file.string());
}

Tokenizer Tokenizer::parse(std::string_view json_text, const std::string& where) {
  return Tokenizer(std::make_unique<Parts>(parse_tokenizer_json(json_text, where), where));
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
  WordEncoder words(parts_->model);
  TextSplitter::Scratch scratch;
  const auto on_token = [&](std::int32_t id) { ids.push_back(id); };
  const auto on_text = [&](std::string_view stretch) {
    for (const std::string_view word : parts_->splitter.split(stretch, scratch))
      words.append(word, ids);  // 3. 4.
  };
  parts_->added_before.split(  // 1.
      text,
      [&](std::string_view stretch) {
        if (!parts_->nfc) return parts_->added_after.split(stretch, on_text, on_token);
        parts_->added_after.split(parts_->nfc->normalize(stretch), on_text, on_token);  // 2.
      },
      on_token);
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string bytes;
  for (const std::int32_t id : ids) {
    const bool known = id >= 0 && id < vocabulary_size() && parts_->token_bytes[static_cast<std::size_t>(id)];
    if (!known) {
      throw Error{.code = ErrorCode::out_of_range,
                  .where = "token id",
                  .found = std::to_string(id),
                  .expected = "an id with a token, below " + std::to_string(vocabulary_size()),
                  .remedy = "Use the tokenizer.json that belongs to the model"};
    }
    bytes += *parts_->token_bytes[static_cast<std::size_t>(id)];
  }
  return replace_invalid_utf8(bytes);
}

std::int64_t Tokenizer::vocabulary_size() const {
  return static_cast<std::int64_t>(parts_->token_bytes.size());
}

}  // namespace cce
